"""The examples on the command line.

python -m examples                   list them
python -m examples NAME [options]    run one
python -m examples all [options]     run every one; exit code 1 if one of them fails
python -m examples trials NAME       run again what was tried for the gates of an example that fail
python -m examples report [RUN ...]  take finished runs (folders) into docs/results/, and rebuild docs/RESULTS.md
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import json
import sys
import time
from pathlib import Path

from examples.common import results
from examples.common.experiment import ResumeError
from examples.common.report import print_table
from tinygrad_lite.data import DataError

FOLDERS = ("vision", "training", "text", "rl")


def find_all() -> dict[str, str]:
    """The module of each example, by the example's name: its file's."""
    here = Path(__file__).parent
    files = [path for folder in FOLDERS for path in sorted((here / folder).glob("[a-z]*.py"))]
    return {path.stem: f"examples.{path.parent.name}.{path.stem}" for path in files}


def last_result(name: str) -> str:
    """What the last run in this folder found, in a few words."""
    try:
        found = json.loads(Path("runs", name, "results.json").read_text("utf-8"))
        verdict = "interrupted" if found["interrupted"] else "passed" if found["passed"] else "FAILED"
        quick = " (quick)" if found["settings"].get("quick") else ""
        return f"{found['headline'] or 'no result'}, {verdict}{quick}, {found['date']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "-"


def show_list(modules: dict[str, str]) -> None:
    """Print what there is to run."""

    def minutes(n: float) -> str:
        return f"{n:g} min" if n >= 1 else f"{60 * n:.0f} s"

    print("Run one with: python -m examples NAME [--quick] [--seeds N] [--out DIR] [--resume]; NAME --help tells more.")
    print("What was tried for gates that fail: python -m examples trials NAME.\n")
    lines = []
    for name, module in modules.items():
        about = importlib.import_module(module).ABOUT
        times = minutes(about.minutes), minutes(about.quick_minutes)
        lines.append([name, about.summary, about.paper, *times, last_result(name)])
    print_table(["name", "what it shows", "paper", "full", "quick", "last run here"], lines)


def run_all(options: list[str], modules: dict[str, str]) -> int:
    """Run every example with `options`, each into a folder of its own in --out; returns 1 if one of them fails."""
    parser = argparse.ArgumentParser(prog="python -m examples all", allow_abbrev=False)
    parser.add_argument("--out", type=Path, default=Path("runs"), metavar="DIR", help="each writes to DIR/NAME")
    args, rest = parser.parse_known_args(options)
    lines = []
    for name in modules:
        print(f"\n=== {name}\n", flush=True)
        began = time.perf_counter()
        code = main([name, *rest, "--out", str(args.out / name)])
        lines.append([name, "passed" if code == 0 else f"FAILED ({code})", f"{time.perf_counter() - began:.0f} s"])
        if code == 130:  # Ctrl-C means all of them
            break
    print("\n=== all\n")
    print_table(["name", "", "took"], lines)
    return int(any(not line[1].startswith("passed") for line in lines))


def trials(options: list[str], modules: dict[str, str]) -> int:
    """Run the trials of an example, what was tried for its gates that fail; without a name say which have any."""
    names = [path.stem for path in sorted(Path(__file__).parent.glob("trials/[a-z]*.py"))]
    if not options or options[0] not in names:
        print(f"trials: name one of {', '.join(names)}", file=sys.stderr)
        return 2
    return importlib.import_module(f"examples.trials.{options[0]}").main(options[1:])


def report(runs: list[str], modules: dict[str, str]) -> int:
    """Take `runs` in and rebuild docs/RESULTS.md; with --check only say whether it is up to date."""
    if runs == ["--check"]:
        fresh = (results.DOCS / "RESULTS.md").read_text("utf-8") == results.render(modules, results.DOCS)
        print("docs/RESULTS.md is up to date" if fresh else "docs/RESULTS.md is not what `report` writes")
        return int(not fresh)
    for run in runs:
        print(f"kept in {results.keep(Path(run), results.DOCS)}")
    print(f"written: {results.write(modules, results.DOCS)}")
    return 0


def main(argv: list[str]) -> int:
    """Run what the command line asks for; returns the exit code."""
    modules = find_all()
    if not argv or argv[0] in ("-h", "--help", "list"):
        show_list(modules)
        return 0
    name, options = argv[0].rpartition("/")[2], argv[1:]
    commands = {"all": run_all, "trials": trials, "report": report}
    if name not in modules and name not in commands:
        near = difflib.get_close_matches(name, modules, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(modules)}"
        print(f"examples: there is no example {argv[0]!r}; {hint}", file=sys.stderr)
        return 2
    try:
        if name in commands:
            return commands[name](options, modules)
        return importlib.import_module(modules[name]).main(options)
    except (DataError, ImportError, ResumeError, results.ResultsError) as error:  # what is missing or does not fit
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\n{name}: stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
