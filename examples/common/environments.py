"""Environments of our own, with Gymnasium's interface.

An environment derives from `Environment`, gives observation_space and action_space, `reset(seed=None, options=None)`
-> (observation, info) and `step(action)` -> (observation, reward, terminated, truncated, info), and draws its random
numbers from `self.np_random`, which `super().reset(seed=seed)` seeds. A test runs `check` on it.
"""

from __future__ import annotations

import warnings
from typing import Any

from examples.common.extras import need

try:  # a base class is needed when the module is read, even where Gymnasium is missing and the example only listed
    from gymnasium import Env as Environment
except ImportError:
    Environment = object  # type: ignore[assignment, misc]


def check(environment: Any) -> None:
    """Hold an environment to Gymnasium's checker; what it only warns of is an error as well."""
    checker = need("gymnasium.utils.env_checker")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Spaces without bounds and the missing entry in the registry are no faults of an environment.
        for harmless in (".*spec.*", ".*infinity.*", ".*render.*"):
            warnings.filterwarnings("ignore", message=harmless)
        checker.check_env(environment, skip_render_check=True)
