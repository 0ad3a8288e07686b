"""Calls of casts and copies."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from tests.ops.spec import SPECS, Spec, unary

SPECS["clone"] = Spec(unary(), lambda x: x.clone())
SPECS["astype"] = Spec(unary(dtype=st.just(np.float64), copy=st.booleans()), lambda x, dtype, copy: x.double())
