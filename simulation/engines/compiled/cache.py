"""Kernels compiled and kept on disk between processes.

numba's cache does not notice an edit in a function that a cached kernel calls from another module. So the cache folder, in RTSM_HOME, is
named by a hash of the sources of every marked rule and of everything that the kernel is made of: after any edit another folder is used.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba

from allocation.ledger.database import rtsm_home
from allocation.rules.compilable import marked_functions, register_rules

ENGINES = Path(__file__).parent.parent


def sources_hash() -> str:
    """A hash of the files that hold the marked rules, and of those of the engines but the readable one."""
    files = {Path(inspect.getsourcefile(function) or "") for function in marked_functions()}
    files |= {file for file in ENGINES.rglob("*.py") if file.parent.name != "simpy_twin"}
    digest = hashlib.sha256(numba.__version__.encode())
    for file in sorted(files):
        digest.update(f"\0{file.name}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:16]


@cache
def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` compiled with every rule that it calls, released from the interpreter's lock."""
    register_rules()
    folder = rtsm_home() / "kernels" / sources_hash()
    folder.mkdir(parents=True, exist_ok=True)
    settings: Any = numba.config
    before, settings.CACHE_DIR = settings.CACHE_DIR, str(folder.resolve())
    try:
        return numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    finally:
        settings.CACHE_DIR = before
