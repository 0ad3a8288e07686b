"""One run of an example: its seeds, its report, and finished units of work that are kept, so that a killed run resumes.

    with Experiment(__file__, args) as run:
        run.report.check("what holds exactly", ...)
        found = run.over_seeds(train, ["plain", "residual"])  # {"plain": [of seed 0, of seed 1, ...], ...}
        run.report.gate("what must be reached", [r["accuracy"] for r in found["residual"]], at_least=0.9)
        run.figure(draw(found), "curves", "What the figure shows")
    return run.exit_code

A unit of work is one call, `train("plain", seed=0)`, whose result can be written as JSON. Each is kept in
out/state.json as soon as it is finished; with --resume those are not run again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import tinygrad_lite as tl
from examples.common.command import seeds_of
from examples.common.extras import need
from examples.common.figures import save
from examples.common.report import Report, as_json, replacing

SEEDS = 3
"""How many seeds a full run has where nothing else is asked for."""

NOT_THE_WORK = ("resume", "seed", "seeds")
"""Options that don't change what a unit of work computes."""


class ResumeError(RuntimeError):
    """What was kept can't be gone on with."""


class Experiment:
    """The context of a run; leaving it prints the report and writes out/results.json, after Ctrl-C as well.

    file: the example's `__file__`, which names it. args: from `command_line`. settings: constants worth keeping with
    the results; together with the options they tell whether kept work is of the same experiment.
    """

    def __init__(self, file: str, args: argparse.Namespace, settings: dict[str, Any] | None = None) -> None:
        for package in ("tqdm", "matplotlib"):
            need(package)  # to miss it now and not after the training
        self.name = Path(file).stem
        self.quick: bool = args.quick
        self.seeds = seeds_of(args, SEEDS)
        self.out: Path = args.out or Path("runs", self.name)
        self.out.mkdir(parents=True, exist_ok=True)
        settings = {**(settings or {}), **vars(args)}
        del settings["out"]  # a place on this machine
        self.report = Report(self.name, self.out, {**settings, "seeds": self.seeds})
        work = {k: v for k, v in settings.items() if k not in NOT_THE_WORK}
        self._work = json.loads(json.dumps(work, default=as_json))
        self._source = hashlib.sha256(Path(file).read_bytes()).hexdigest()
        self._kept: dict[str, dict[str, Any]] = self._restored() if args.resume else {}
        self._units: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> Experiment:
        return self

    def unit(self, name: str, work: Callable[..., Any], *args: Any, seed: int = 0) -> Any:
        """The result of `work(*args)`, or what was kept of it; `tl.manual_seed(seed)` before it.

        The result comes back as JSON has it: arrays as lists, keys as strings.
        """
        if name in self._units:
            raise ValueError(f"{self.name}: two units of work are called {name!r}; give one another name")
        if name in self._kept:
            self.report.seconds_before += self._kept[name]["seconds"]
            self._units[name] = self._kept[name]
            print(f"  {name}: finished before, kept")
        elif self.report.interrupted:
            raise KeyboardInterrupt  # nothing new is begun
        else:
            tl.manual_seed(seed)
            began = time.perf_counter()
            result = json.loads(json.dumps(work(*args), default=as_json))
            self._units[name] = {"result": result, "seconds": round(time.perf_counter() - began, 2)}
            self._save()
        return self._units[name]["result"]

    def over_seeds(self, work: Callable[..., Any], variants: Sequence[str], *args: Any) -> dict[str, list[Any]]:
        """The results of `work(variant, seed, *args)` for each variant, in the order of the seeds: they are paired.

        All variants of a seed are run before the next seed. After Ctrl-C the seeds that are complete are
        returned, and the report says that it was interrupted; where none is, the run ends.
        """
        found: dict[str, list[Any]] = {variant: [] for variant in variants}
        try:
            for seed in self.seeds:
                row = [self.unit(f"{work.__name__} {v} seed {seed}", work, v, seed, *args, seed=seed) for v in variants]
                for variant, result in zip(variants, row):
                    found[variant].append(result)
        except KeyboardInterrupt:
            self.report.interrupted = True
            if not found[variants[0]]:
                raise
        return found

    def figure(self, figure: Any, name: str, caption: str) -> None:
        """Write a figure to out/NAME.png and name it in the report. Every panel needs its axes labelled.

        caption: what is to be seen, for somebody who sees the figure only.
        """
        for axes in figure.axes:
            if axes.axison and axes.get_label() != "<colorbar>" and not (axes.get_xlabel() and axes.get_ylabel()):
                raise ValueError(
                    f"{self.name}: the panel {axes.get_title('left')!r} of {name} has an axis without a label"
                )
        save(figure, self.out / f"{name}.png")
        self.report.figures.append({"file": f"{name}.png", "caption": caption})

    @property
    def exit_code(self) -> int:
        """0 if every CHECK and GATE holds, 1 if not, 130 after Ctrl-C."""
        return self.report.exit_code

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is not None and not isinstance(error, KeyboardInterrupt):
            return False
        self.report.interrupted |= error is not None
        self.report.numbers = {**self.report.numbers, "units": self._units}
        path = self.report.save()
        print()
        self.report.print()
        if self.report.interrupted:
            print(f"\n  Interrupted. {len(self._units)} finished units of work are kept; --resume goes on with them.")
        print(f"\n  Written to {self.out}: {', '.join([path.name, *(f['file'] for f in self.report.figures)])}")
        return True

    def _save(self) -> None:
        """Keep what is finished, whole or not at all; what was kept before and not yet asked for stays."""
        content = {"work": self._work, "source": self._source, "units": {**self._kept, **self._units}}
        with replacing(self.out / "state.json") as beside:
            beside.write_text(json.dumps(content), "utf-8")

    def _restored(self) -> dict[str, dict[str, Any]]:
        """The units that an earlier run finished."""
        path = self.out / "state.json"
        if not path.exists():
            print(f"  nothing is kept in {self.out}; starting afresh")
            return {}
        try:
            state = json.loads(path.read_text("utf-8"))
            work, source, units = state["work"], state["source"], state["units"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ResumeError(f"--resume: {path} can't be read ({error}); delete it and start afresh") from error
        if work != self._work:
            changed = [k for k in {**work, **self._work} if work.get(k) != self._work.get(k)]
            told = ", ".join(f"{k} {work.get(k)!r} there and {self._work.get(k)!r} here" for k in changed)
            raise ResumeError(f"--resume: {path} is of another run: {told}. Leave out --resume, or give another --out")
        if source != self._source:
            print(f"  {self.name}.py has changed since {path} was written; the report will say so")
            self.report.numbers["resumed_after_a_change_of_the_source"] = True
        return units
