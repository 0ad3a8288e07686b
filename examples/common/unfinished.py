"""The checkpoints of a run that is not finished, from which --resume goes on when it was stopped or killed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from examples.common.report import as_json, replacing

NOT_THE_WORK = ("out", "predict", "resume", "seed", "seeds")
"""Options that don't change what is computed with a seed."""


class Unfinished:
    """The folder out/unfinished: a checkpoint for each seed, and the settings that they were made with.

    resume: keep what is there; it must have been made with the same settings, or this is a ValueError. Otherwise
    what is there is deleted.
    """

    def __init__(self, out: Path, settings: dict[str, Any], resume: bool) -> None:
        self.folder = out / "unfinished"
        path = self.folder / "settings.json"
        work = {name: value for name, value in settings.items() if name not in NOT_THE_WORK}
        work = json.loads(json.dumps(work, default=as_json))
        if resume and path.exists():
            before = json.loads(path.read_text("utf-8"))
            told = [
                f"{k} {before.get(k)!r} there and {work.get(k)!r} here"
                for k in {**before, **work}
                if before.get(k) != work.get(k)
            ]
            if told:
                raise ValueError(
                    f"--resume: what is in {self.folder} is of another run: {', '.join(told)}. "
                    "Give the same options, or leave out --resume to start afresh"
                )
            return
        if resume:
            print(f"  there is nothing in {out} to go on with; starting afresh")
        self.delete()
        self.folder.mkdir(parents=True)
        with replacing(path) as beside:
            beside.write_text(json.dumps(work), "utf-8")

    def checkpoint(self, seed: int) -> Path:
        """Where the training with this seed keeps its state."""
        return self.folder / f"seed{seed}.npz"

    def delete(self) -> None:
        """The run is finished, or given up."""
        shutil.rmtree(self.folder, ignore_errors=True)
