"""PyTorch's name for the schedules: `optim.lr_scheduler.StepLR` is `optim.StepLR`."""
# ruff: noqa: F403

from tinygrad_lite.optim.combined_schedules import *
from tinygrad_lite.optim.cycles import *
from tinygrad_lite.optim.plateau import *
from tinygrad_lite.optim.schedules import *
