"""The command line that all examples share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class About:
    """What `python -m examples` lists: one line on what is shown, the paper, minutes for the full and the quick run."""

    summary: str
    paper: str
    minutes: float
    quick_minutes: float


def whole(at_least: int) -> Callable[[str], int]:
    """An argument that is a whole number from `at_least` on."""

    def number(text: str) -> int:
        n = int(text)
        if n < at_least:
            raise argparse.ArgumentTypeError(f"must be at least {at_least}, got {n}")
        return n

    number.__name__ = "whole number"
    return number


def command_line(name: str, text: str, seeds: str = "3", out: str = "") -> argparse.ArgumentParser:
    """A parser with the options that every example has; add an example's own to it.

    text: the module's docstring, shown by --help. seeds, out: what is taken without the option, in words.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m examples {name}",
        description=text.strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        conflict_handler="resolve",  # an example may put its own words to an option
    )
    parser.add_argument("--quick", action="store_true", help="a short run with one seed and a lower gate")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--seeds", type=whole(1), metavar="N", help=f"run the seeds 0 to N-1 (default: {seeds})")
    which.add_argument("--seed", type=whole(0), metavar="S", help="run this one seed")
    out = out or f"runs/{name}"
    parser.add_argument("--out", type=Path, metavar="DIR", help=f"where results are written (default: {out})")
    parser.add_argument("--resume", action="store_true", help="go on with the run that was stopped or killed there")
    return parser


def seeds_of(args: argparse.Namespace, otherwise: int) -> list[int]:
    """The seeds that the command line asks for."""
    if args.seed is not None:
        return [args.seed]
    return list(range(args.seeds or (1 if args.quick else otherwise)))
