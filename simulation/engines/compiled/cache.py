"""The engines' kernel, kept on disk between processes (simulation/kernel_cache.py)."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from simulation.kernel_cache import hash_of_sources, kept_kernel

ENGINES = Path(__file__).parent.parent


def sources_hash() -> str:
    """A hash of the files that hold the marked rules, and of those of the engines but the readable one."""
    return hash_of_sources(file for file in ENGINES.rglob("*.py") if file.parent.name != "simpy_twin")


@cache
def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` compiled with every rule that it calls, released from the interpreter's lock; as it stands where numba is switched off."""
    if importlib.import_module("numba").config.DISABLE_JIT:
        return interpreted(function)
    return kept_kernel(function, sources_hash, nogil=True, error_model="numpy")


def interpreted(function: Callable[..., Any]) -> Callable[..., Any]:
    """The kernel as Python: its record gives fields by name as numba's does, and words of 64 bits overflow in silence."""

    def run(places: Any, *rest: Any) -> Any:
        with np.errstate(over="ignore"):
            at = SimpleNamespace(**dict(zip(places.dtype.names, places[0].tolist(), strict=True)))
            return function([at], *rest)

    return run
