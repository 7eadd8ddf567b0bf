"""Compiled kernels of this package, kept on disk between runs (simulation/kernel_cache.py)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from simulation.kernel_cache import hash_of_sources, kept_kernel


def sources_hash() -> str:
    """A hash of the files that hold the marked functions, and of this package's own."""
    return hash_of_sources(Path(__file__).parent.glob("*.py"))


@cache
def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` compiled by numba with every rule that it calls. The first call of a fresh cache takes seconds."""
    return kept_kernel(function, sources_hash)
