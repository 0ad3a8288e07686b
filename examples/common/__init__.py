"""What the examples share: the command line, the progress bar, the report and the style of the figures."""

from examples.common.command import About, command_line, seeds_of, whole
from examples.common.extras import need
from examples.common.progress import progress
from examples.common.report import Report, spread

__all__ = ["About", "Report", "command_line", "need", "progress", "seeds_of", "spread", "whole"]
