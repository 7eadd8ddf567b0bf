"""The engines' kernel, kept on disk between processes (simulation/kernel_cache.py)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from simulation.kernel_cache import hash_of_sources, kept_kernel

ENGINES = Path(__file__).parent.parent


def sources_hash() -> str:
    """A hash of the files that hold the marked rules, and of those of the engines but the readable one."""
    return hash_of_sources(file for file in ENGINES.rglob("*.py") if file.parent.name != "simpy_twin")


@cache
def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` compiled with every rule that it calls, released from the interpreter's lock."""
    return kept_kernel(function, sources_hash, nogil=True, error_model="numpy")
