"""What a run found: CHECK, GATE and CLAIM lines, printed as a table and kept as JSON.

CHECK   an exact property, which must hold always
GATE    a threshold that decides the exit code, as CHECK does
CLAIM   a finding of the paper or a hope of ours: reproduced or not, reported either way
TRIAL   another way to train, tried for a gate that fails: whether it would hold, and never decides anything
"""

from __future__ import annotations

import json
import os
import platform
import re
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

import tinygrad_lite as tl

PACKAGES = ("tinygrad_lite", "numpy", "numba")
"""Whose versions are kept with the results."""


def version(package: str) -> str:
    """The installed version of a package."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def spread(values: Sequence[float], show: Callable[[float], str] = "{:.4g}".format) -> str:
    """'mean ± standard deviation' of the runs; of a single one its value."""
    if len(values) == 1:
        return show(values[0])
    return f"{show(float(np.mean(values)))} ± {show(float(np.std(values, ddof=1))).lstrip('+')}"


def percent(share: float) -> str:
    """0.9912 as '99.12%'."""
    return f"{share:.2%}"


@dataclass
class Row:
    """One line of the report; the words are as printed, `values` the numbers that were measured, one a seed."""

    kind: str
    claim: str
    passed: bool
    measured: str
    threshold: str = ""
    paper: str = ""
    baseline: str = ""
    values: Sequence[float] = ()
    way: str = ""

    @property
    def verdict(self) -> str:
        """What came of it, in a word or some."""
        if self.kind == "TRIAL":
            return "would hold" if self.passed else "would fail"
        if self.kind == "CLAIM":
            return "reproduced" if self.passed else "not reproduced at this scale"
        return "pass" if self.passed else "FAIL"


COLUMNS = ("kind", "claim", "way", "paper", "measured", "baseline", "threshold", "verdict")
"""What is shown of a Row."""


def recalled(number: str) -> str:
    """A paper's number that was recalled and not seen: '9.5% (?)'."""
    return f"{number} (?)"


class Report:
    """Collects rows and numbers, prints them, writes them to `out`/results.json and knows the exit code.

    settings: what the run was made with; kept in the JSON.
    """

    def __init__(self, name: str, out: Path, settings: dict[str, Any]) -> None:
        self.name, self.out, self.settings = name, out, settings
        self.rows: list[Row] = []
        self.numbers: dict[str, Any] = {}
        self.figures: list[dict[str, str]] = []
        self.headline = ""
        self.interrupted = False
        self.began = time.time()
        self.seconds_before = 0.0

    def check(self, claim: str, passed: bool, measured: str = "") -> None:
        """Add an exact property."""
        self.rows.append(Row("CHECK", claim, bool(passed), measured))

    def gate(
        self,
        claim: str,
        values: Sequence[float],
        at_least: float | None = None,
        show: Callable[[float], str] = "{:.4g}".format,
        paper: str = "",
        baseline: str = "",
        at_most: float | None = None,
        in_seeds: int | None = None,
    ) -> None:
        """Add a threshold, at_least or at_most, for the mean of `values`, or with in_seeds for so many of them.

        paper, baseline: what they reach, in words; the paper's number with its source, `recalled` if it was not seen.
        """
        if (at_least is None) == (at_most is None):
            raise ValueError(f"gate: {claim!r} needs one of at_least and at_most")
        sign, limit = ("≥", at_least) if at_most is None else ("≤", at_most)

        def meets(value: float) -> bool:
            return bool(value >= limit if sign == "≥" else value <= limit)  # not a number meets nothing

        threshold = f"{sign} {show(float(limit))}"  # type: ignore[arg-type]
        if in_seeds is None:
            passed = meets(float(np.mean(values)))
        else:
            needed = min(in_seeds, len(values))
            passed = sum(map(meets, values)) >= needed
            threshold += f" in {needed} of {len(values)}"
        self.rows.append(Row("GATE", claim, passed, spread(values, show), threshold, paper, baseline, values))

    def claim(
        self,
        claim: str,
        reproduced: bool,
        measured: str,
        threshold: str = "",
        paper: str = "",
        baseline: str = "",
        values: Sequence[float] = (),
    ) -> None:
        """Add a finding that does not decide the exit code."""
        self.rows.append(Row("CLAIM", claim, bool(reproduced), measured, threshold, paper, baseline, values))

    def trial(self, gate: str, way: str, values: Sequence[float], at_least: float | None = None, **more: Any) -> None:
        """Add what another way to train reaches for a gate that fails; arguments as for `gate`."""
        self.gate(gate, values, at_least, **more)
        self.rows[-1].kind, self.rows[-1].way = "TRIAL", way

    @property
    def exit_code(self) -> int:
        """0 if every CHECK and GATE holds, 1 if not, 130 after Ctrl-C."""
        if self.interrupted:
            return 130
        return int(not all(row.passed for row in self.rows if row.kind in ("CHECK", "GATE")))

    def print(self) -> None:
        """Print the rows as a table; columns in which nothing stands are left out."""
        lines = [[getattr(row, column) for column in COLUMNS] for row in self.rows]
        print_table(["" if column == "kind" else column for column in COLUMNS], lines)

    def save(self) -> Path:
        """Write results.json, whole or not at all."""
        content = {
            "example": self.name,
            "headline": self.headline,
            "passed": self.exit_code == 0,
            "interrupted": self.interrupted,
            "date": time.strftime("%Y-%m-%d %H:%M", time.localtime(self.began)),
            "seconds": round(time.time() - self.began + self.seconds_before, 1),
            "command": f"python -m examples {' '.join(without_out(sys.argv[1:]))}",
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
            "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
            "settings": self.settings,
            "rows": [asdict(row) for row in self.rows],
            "figures": self.figures,
            **self.numbers,
        }
        self.out.mkdir(parents=True, exist_ok=True)
        path = self.out / "results.json"
        with replacing(path) as beside:
            beside.write_text(readable(content), "utf-8")
        return path


def readable(content: dict[str, Any]) -> str:
    """JSON with a line for each number or text, and for each list of them."""
    text = json.dumps(content, indent=1, ensure_ascii=False, default=as_json) + "\n"
    return re.sub(r"\[\n *([^][{}]*?)\n *\]", lambda found: "[" + re.sub(r"\n *", " ", found[1]) + "]", text)


def as_json(value: Any) -> Any:
    """Arrays, NumPy numbers and paths in JSON."""
    if isinstance(value, (np.ndarray, np.generic, tl.Tensor)):
        return value.tolist()
    return str(value)


def print_table(headers: Sequence[str], lines: Iterable[Sequence[str]]) -> None:
    """Print columns, each as wide as it needs; columns in which nothing stands are left out."""
    lines = [list(line) for line in lines]
    kept = [k for k in range(len(headers)) if any(line[k] for line in lines)]
    cells = [[line[k] for k in kept] for line in [list(headers), *lines]]
    widths = [max(map(len, column)) for column in zip(*cells)]
    for line in cells:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())


@contextmanager
def replacing(path: Path):  # type: ignore[no-untyped-def]
    """A path beside `path` to write to, which takes its place when the block ends well and is gone if not."""
    beside = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield beside
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def without_out(options: list[str]) -> list[str]:
    """The command line but for --out, which names a place on one machine."""
    places = [k for k, option in enumerate(options) if option == "--out"]
    return [
        option
        for k, option in enumerate(options)
        if k not in places and k - 1 not in places and not option.startswith("--out=")
    ]
