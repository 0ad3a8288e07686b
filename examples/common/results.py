"""docs/RESULTS.md, rebuilt from the JSON that the runs wrote: no figure in it is typed by hand."""

from __future__ import annotations

import importlib
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from examples.common.report import COLUMNS, Row, replacing

DOCS = Path(__file__).parents[2] / "docs"

LARGEST = 1_000_000
"""Bytes of a file that may be kept in the repository."""

TRIALS = "trials.json"
"""The file beside results.json that says what was tried for the gates that fail."""

CHANGED = "resumed_after_a_change_of_the_source"

HEAD = """# Results of the examples

Written by `python -m examples report` from the JSON in `results/`; do not edit it.

CHECK is an exact property and must hold. GATE is a threshold, set before the run, that decides the exit code. CLAIM is
what the paper says: reproduced here, or not at this scale. Measured is the mean over the seeds ± the standard
deviation. A paper's number with (?) was recalled and not seen.
"""


class ResultsError(RuntimeError):
    """A run that can't stand among the results."""


def keep(run: Path, docs: Path) -> Path:
    """Take a full, finished run in: copy its results.json and figures to docs/results/ and return that folder.

    Of trials it is results.json alone, as trials.json beside the results of their example.
    """
    try:
        found = json.loads((run / "results.json").read_text("utf-8"))
        quick, interrupted = found["settings"]["quick"], found["interrupted"]
        files = ["results.json", *(figure["file"] for figure in found["figures"])]
        trials = found["settings"].get("trials", False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ResultsError(f"report: {run} holds no results of a run ({type(error).__name__}: {error})") from error
    if quick or interrupted:
        raise ResultsError(f"report: {run} is {'a quick' if quick else 'an interrupted'} run; only full ones are kept")
    for file in files:
        if not (run / file).exists() or (run / file).stat().st_size > LARGEST:
            raise ResultsError(f"report: {run / file} is missing or larger than {LARGEST:,} bytes")
    folder = docs / "results" / (found["example"] if trials else run.resolve().name)
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        shutil.copyfile(run / file, folder / (TRIALS if trials else file))
    return folder


def render(modules: Mapping[str, str], docs: Path) -> str:
    """The text of RESULTS.md. modules: the module of each example, by name, in the order to show."""
    runs = {
        path.parent.name: json.loads(path.read_text("utf-8")) for path in sorted(docs.glob("results/*/results.json"))
    }
    order = list(modules)
    unknown = {name: run["example"] for name, run in runs.items() if run["example"] not in order}
    if unknown:
        raise ResultsError(f"report: docs/results holds runs of examples that there are not: {unknown}")
    names = sorted(runs, key=lambda name: (order.index(runs[name]["example"]), name != runs[name]["example"], name))
    lines = [[f"[{name}](#{name})", *summary(runs[name])] for name in names]
    head = ["run", "result", "CHECK", "GATE", "CLAIM", "seeds", "minutes", "date"]
    parts = [HEAD, table(head, lines) if lines else "There are none yet.\n"]
    for name in names:
        parts += [section(name, runs[name], modules[runs[name]["example"]]), *tried(name, docs)]
    return "\n".join(parts)


def write(modules: Mapping[str, str], docs: Path) -> Path:
    """Write RESULTS.md, whole or not at all."""
    text = render(modules, docs)
    with replacing(docs / "RESULTS.md") as beside:
        beside.write_text(text, "utf-8")
    return docs / "RESULTS.md"


def rows_of(run: Mapping[str, Any]) -> list[Row]:
    """The rows of a run's report."""
    return [Row(**row) for row in run["rows"]]


def summary(run: Mapping[str, Any]) -> list[str]:
    """A line on a run: its headline, how many rows of each kind hold, seeds, minutes, date."""
    counts = []
    for kind in ("CHECK", "GATE", "CLAIM"):
        held = [row.passed for row in rows_of(run) if row.kind == kind]
        counts.append(f"{sum(held)} of {len(held)}" if held else "")
    seeds = run["settings"].get("seeds")
    return [
        run["headline"],
        *counts,
        str(len(seeds)) if isinstance(seeds, list) else "",
        minutes(run),
        run["date"][:10],
    ]


def minutes(run: Mapping[str, Any]) -> str:
    """How long a run took, in minutes."""
    return f"{run['seconds'] / 60:.1f}"


def section(name: str, run: Mapping[str, Any], module: str) -> str:
    """What is shown of a run: paper, command, machine, its rows and figures."""
    about = importlib.import_module(module).ABOUT
    versions = ", ".join(f"{package} {version}" for package, version in run["versions"].items())
    rows = rows_of(run)
    shown = [column for column in COLUMNS if any(getattr(row, column) for row in rows)]
    text = f"\n## {name}\n\n{about.summary}. {about.paper}. Code: [{module.replace('.', '/')}.py]"
    text += f"(../{module.replace('.', '/')}.py).\n\n"
    text += f"`{run['command']}`, {run['date']}, {minutes(run)} minutes on {run['machine']}; {versions}.\n\n"
    if run.get(CHANGED):
        text += "A part of it was run before the last change of the source.\n\n"
    text += table(["" if c == "kind" else c for c in shown], [[getattr(row, c) for c in shown] for row in rows])
    for figure in run["figures"]:
        text += f"\n![{figure['caption']}](results/{name}/{figure['file']})\n\n{figure['caption']}.\n"
    return text


def tried(name: str, docs: Path) -> list[str]:
    """The table of what was tried for the gates of an example that fail, if there is one."""
    path = docs / "results" / name / TRIALS
    if not path.exists():
        return []
    run = json.loads(path.read_text("utf-8"))
    seeds = run["settings"]["seeds"]
    told = f"seeds {seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else f"seed {seeds[0]}"
    text = f"Tried for the gates that fail ({told}, validation data; `python -m examples trials {name}`), "
    text += f"{run['date']}, {minutes(run)} minutes"
    text += ", a part of it before the last change of the source:\n\n" if run.get(CHANGED) else ":\n\n"
    shown = ("claim", "way", "measured", "baseline", "threshold", "verdict")
    head = ("gate", "way", "measured", "reached", "threshold", "")
    return [text + table(head, [[getattr(row, column) for column in shown] for row in rows_of(run)])]


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |\n"

    return line(head) + line(["---"] * len(head)) + "".join(map(line, lines))
