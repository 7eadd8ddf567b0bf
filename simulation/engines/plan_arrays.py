"""The arrays of a plan."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Words = NDArray[np.uint64]


def ints(values: Any) -> Ints:
    """An array of 64-bit integers."""
    return np.ascontiguousarray(values, dtype=np.int64)


def floats(values: Any) -> Floats:
    """An array of 64-bit floating point numbers."""
    return np.ascontiguousarray(values, dtype=np.float64)
