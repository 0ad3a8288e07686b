"""Measure tinygrad_lite beside PyTorch: `python -m benchmarks`.

All rows, or those whose name or group contains one of the words given; with all rows, benchmarks/RESULTS.md is
written. Exit code 1 where a target is missed.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
from datetime import date
from pathlib import Path

ROUNDS = 5
"""So often one goes through the rows, with a part of the pairs each time: what else the machine does for some seconds
then meets a part of a row's pairs and not all."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rows", nargs="+", default=[], metavar="WORD", help="rows or groups that contain a word")
    parser.add_argument("--threads", type=int, default=2, help="of both libraries (default 2)")
    parser.add_argument("--pairs", type=int, help="how often the two take turns (default 15)")
    parser.add_argument("--json", metavar="FILE", help="write all figures to a file")
    parser.add_argument("--quick", action="store_true", help="3 short pairs a row: a look, not a measurement")
    parser.add_argument("--list", action="store_true", help="name the rows and their targets")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    if importlib.util.find_spec("torch") is None:
        print("The benchmark compares with PyTorch: pip install 'tinygrad_lite[torch]'", file=sys.stderr)
        return 2
    # Before NumPy is imported, for the peaks are measured in this process.
    os.environ["OPENBLAS_NUM_THREADS"] = os.environ["TINYGRAD_LITE_THREADS"] = str(options.threads)
    from benchmarks import report
    from benchmarks.compare import LIBRARIES, Comparison, Process, Result
    from benchmarks.machine import measure
    from benchmarks.row import Group
    from benchmarks.rows import GROUPS

    words = [word.lower() for word in options.rows]

    def wanted(group: Group, name: str) -> bool:
        return not words or any(word in f"{group.name} {name}".lower() for word in words)

    chosen = [(group, [row for row in group.rows if wanted(group, row.name)]) for group in GROUPS]
    if options.list:
        for group, rows in chosen:
            print(f"{group.name} (every row {group.every}, geometric mean {group.mean})" if rows else "", end="")
            print(*(f"\n    {row.name}" for row in rows), sep="")
        return 0
    pairs, least = options.pairs or (3 if options.quick else 15), 0.03 if options.quick else 0.15
    machine = measure(options.threads)
    print(f"{machine.processor}, {machine.threads} threads; {machine.versions}")
    print(f"peaks: {machine.flops / 1e9:.0f} GFLOP/s, {machine.bandwidth / 1e9:.0f} GB/s")
    comparisons = {group.name: [Comparison(group.name, row) for row in rows] for group, rows in chosen if rows}
    for turn in range(ROUNDS):
        some = pairs * (turn + 1) // ROUNDS - pairs * turn // ROUNDS
        for rows_of_group in comparisons.values() if some else ():
            # New processes: what other rows have left in memory is no part of a row.
            with Process(LIBRARIES[0], options.threads) as ours, Process(LIBRARIES[1], options.threads) as theirs:
                for comparison in rows_of_group:
                    comparison.measure(ours, theirs, some, least)
        print(f"round {turn + 1} of {ROUNDS}", file=sys.stderr, flush=True)
    tables: list[tuple[Group, list[Result]]] = []
    for group, rows in chosen:
        results = [comparison.result() for comparison in comparisons.get(group.name, [])]
        for row, found in zip(rows, results):
            found.share = found.speed / (machine.flops if row.work else machine.bandwidth)
            name, *cells = report.line(found, group.every)
            print(f"{name:58s} {'  '.join(f'{cell:>9s}' for cell in cells)}")
        if results:
            tables.append((group, results))
            print(f"  {group.name}: {report.verdict(group, results)}\n")
    met = all(report.verdict(group, results).endswith(": met") for group, results in tables)
    extra = []
    if not words or "start" in words:
        from benchmarks.start import lines

        extra, fine = lines(options.threads, 3 if options.quick else 5)
        met = met and fine
        print("\n".join(extra))
    if options.json:
        figures = {"machine": vars(machine), "rows": [r.as_dict() for _, results in tables for r in results]}
        Path(options.json).write_text(json.dumps({**figures, "start": extra}, indent=1))
    if not words and not options.quick:
        changed = [f"--{name} {vars(options)[name]}" for name in ("threads", "pairs") if f"--{name}" in sys.argv]
        command = " ".join(["python -m benchmarks", *changed])
        text = report.document(machine, command, str(date.today()), tables, extra)
        Path(__file__).with_name("RESULTS.md").write_text(text)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
