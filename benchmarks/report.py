"""Results as text: a table for the terminal, and RESULTS.md."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from benchmarks.compare import Result
from benchmarks.machine import Machine
from benchmarks.row import Group


def time_of(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} us"


def line(result: Result, every: float) -> list[str]:
    """The cells of a row."""
    speed = f"{result.speed / 1e9:.0f} {result.unit} ({result.share:.0%})" if result.unit else ""
    verdict = "" if result.ratio >= every else "below"
    return [
        result.name, time_of(result.ours), time_of(result.theirs), f"{result.ratio:.2f}",
        f"{result.low:.2f} to {result.high:.2f}", speed, verdict,
    ]  # fmt: skip


HEADINGS = ["row", "ours", "PyTorch", "ratio", "quartiles", "ours, share of peak", "target"]


def mean(results: Sequence[Result]) -> float:
    return statistics.geometric_mean(r.ratio for r in results)


def verdict(group: Group, results: Sequence[Result]) -> str:
    found, below = mean(results), [r for r in results if r.ratio < group.every]
    met = "met" if found >= group.mean and not below else "not met"
    return (
        f"geometric mean {found:.2f} (target {group.mean}), {len(results) - len(below)} of {len(results)} rows "
        f"at {group.every} or above: {met}"
    )


def markdown(rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (HEADINGS, ["---"] * len(HEADINGS), *rows)]


def document(
    machine: Machine, command: str, date: str, tables: Sequence[tuple[Group, Sequence[Result]]], extra: Sequence[str]
) -> str:
    """RESULTS.md, whole."""
    lines = [
        "# tinygrad_lite beside PyTorch",
        "",
        f"Written by `{command}` on {date}. Machine: {machine.processor}, {machine.threads} threads; "
        f"{machine.versions}. Peaks measured: {machine.flops / 1e9:.0f} GFLOP/s (2048-cube product), "
        f"{machine.bandwidth / 1e9:.0f} GB/s (copy).",
        "",
        "Each row ran in both libraries, float32, in separate processes taken in turn, after their results were found "
        "equal; the pairs of a row are spread over the whole run, with new processes for each group. The ratio is "
        "PyTorch's time divided by ours, the median over the pairs: above 1, ours is faster. "
        "Operations are counted as the definition has them; Winograd's algorithm needs fewer, and may pass the peak.",
    ]
    for group, results in tables:
        cells = [line(r, group.every) for r in results]
        lines += ["", f"## {group.name}", "", f"{verdict(group, results)}", "", *markdown(cells)]
    return "\n".join([*lines, *(["", "## Start and memory", "", *extra] if extra else [])]) + "\n"
