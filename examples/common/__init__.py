"""What the examples share: the command line, runs over seeds that resume, the report and the style of the figures."""

from examples.common.command import About, command_line, seeds_of, whole
from examples.common.experiment import Experiment, ResumeError
from examples.common.extras import need
from examples.common.progress import progress
from examples.common.report import Report, percent, recalled, spread

__all__ = [
    "About",
    "Experiment",
    "Report",
    "ResumeError",
    "command_line",
    "need",
    "percent",
    "progress",
    "recalled",
    "seeds_of",
    "spread",
    "whole",
]
