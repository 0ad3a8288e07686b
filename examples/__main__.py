"""The examples on the command line.

python -m examples                   list them
python -m examples NAME [options]    run one
python -m examples report [RUN ...]  take finished runs (folders) into docs/results/, and rebuild docs/RESULTS.md
"""

from __future__ import annotations

import difflib
import importlib
import json
import sys
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

    print(
        "Run one with: python -m examples NAME [--quick] [--seeds N] [--out DIR] [--resume]; NAME --help tells more.\n"
    )
    lines = []
    for name, module in modules.items():
        about = importlib.import_module(module).ABOUT
        times = minutes(about.minutes), minutes(about.quick_minutes)
        lines.append([name, about.summary, about.paper, *times, last_result(name)])
    print_table(["name", "what it shows", "paper", "full", "quick", "last run here"], lines)


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
    if name not in modules and name != "report":
        near = difflib.get_close_matches(name, modules, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(modules)}"
        print(f"examples: there is no example {argv[0]!r}; {hint}", file=sys.stderr)
        return 2
    try:
        return report(options, modules) if name == "report" else importlib.import_module(modules[name]).main(options)
    except (DataError, ImportError, ResumeError, results.ResultsError) as error:  # what is missing or does not fit
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\n{name}: stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
