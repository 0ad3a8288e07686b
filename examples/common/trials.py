"""Trials: other ways to train, tried for the gates of an example that fail.

They have seeds of their own and are judged by validation data, so that nothing is chosen by what a result is made of;
the gates stay as they are, and so does the set-up of the example.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from examples.common.experiment import Experiment

SEEDS = (100, 101, 102)
"""None is a seed of a run; the first is that of the search for rates."""


class Trials(Experiment):
    """A run of trials, into runs/trials/NAME: an Experiment with other seeds, whose rows are `report.trial`.

    file: the `__file__` of the trials, named as the example is. text: their docstring, shown by --help. seeds: how
    many of them.
    """

    def __init__(
        self, file: str, text: str, argv: list[str], settings: dict[str, Any] | None = None, seeds: int = 3
    ) -> None:
        name = Path(file).stem
        parser = argparse.ArgumentParser(
            prog=f"python -m examples trials {name}",
            description=text.strip(),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        out = Path("runs", "trials", name)
        parser.add_argument("--out", type=Path, default=out, metavar="DIR", help=f"where to write (default: {out})")
        parser.add_argument("--resume", action="store_true", help="go on with the run that was stopped or killed there")
        args = parser.parse_args(argv, argparse.Namespace(quick=False, seed=None, seeds=None))
        super().__init__(file, args, {**(settings or {}), "trials": True})
        self.seeds = self.report.settings["seeds"] = list(SEEDS[:seeds])

    def best_rate(self, name: str, work: Callable[[float], Any], rates: Sequence[float], most: int = 2) -> float:
        """The rate whose `work(rate)`, a loss, is least with the first seed.

        rates: some, a factor of 3 apart; where the best is at an end, the next beyond is tried, `most` times. One
        alone is taken as it is.
        """

        def loss(rate: float) -> float:
            return self.unit(f"{name}, rate {rate:.4g}", work, rate, seed=SEEDS[0])

        if len(rates) == 1:
            return rates[0]
        found = {rate: loss(rate) for rate in rates}
        for _ in range(most):
            best = min(found, key=found.__getitem__)
            if best not in (min(found), max(found)):
                break
            beyond = best / 3 if best == min(found) else best * 3
            found[beyond] = loss(beyond)
        return min(found, key=found.__getitem__)
