"""Optimisers: how parameters change, given their gradients. Import as `tinygrad_lite.optim`."""

from tinygrad_lite.optim.adam import Adam, AdamW
from tinygrad_lite.optim.checkpoint import Checkpoint, Replayed
from tinygrad_lite.optim.evaluate import accuracy, evaluate
from tinygrad_lite.optim.fit import Interrupted, fit
from tinygrad_lite.optim.history import Columns, History
from tinygrad_lite.optim.optimizer import Optimizer
from tinygrad_lite.optim.rmsprop import RMSprop
from tinygrad_lite.optim.sgd import SGD

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "Checkpoint",
    "Columns",
    "History",
    "Interrupted",
    "Optimizer",
    "RMSprop",
    "Replayed",
    "accuracy",
    "evaluate",
    "fit",
]
