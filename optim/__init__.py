"""Optimisers, schedules of their rates, and what belongs around a step. Import as `tinygrad_lite.optim`."""
# ruff: noqa: F401, F403

from tinygrad_lite.optim import lr_scheduler
from tinygrad_lite.optim.adadelta import *
from tinygrad_lite.optim.adagrad import *
from tinygrad_lite.optim.adam import *
from tinygrad_lite.optim.adam_variants import *
from tinygrad_lite.optim.asgd import *
from tinygrad_lite.optim.averaging import *
from tinygrad_lite.optim.checkpoint import *
from tinygrad_lite.optim.clipping import *
from tinygrad_lite.optim.combined_schedules import *
from tinygrad_lite.optim.cycles import *
from tinygrad_lite.optim.early_stopping import *
from tinygrad_lite.optim.evaluate import *
from tinygrad_lite.optim.fit import *
from tinygrad_lite.optim.ftrl import *
from tinygrad_lite.optim.history import *
from tinygrad_lite.optim.lbfgs import *
from tinygrad_lite.optim.optimizer import *
from tinygrad_lite.optim.plateau import *
from tinygrad_lite.optim.rmsprop import *
from tinygrad_lite.optim.rprop import *
from tinygrad_lite.optim.schedules import *
from tinygrad_lite.optim.sgd import *
