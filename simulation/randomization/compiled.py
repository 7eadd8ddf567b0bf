"""Compiled kernels of this package, kept on disk between runs.

numba's cache does not notice an edit in a function that a cached kernel calls from another module. So the cache folder, in RTSM_HOME,
is named by a hash of the sources of every marked rule and of this package: after any edit another folder is used.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from allocation.ledger.database import rtsm_home
from allocation.rules.compilable import marked_functions, register_rules


def sources_hash() -> str:
    """A hash of the files that hold the marked functions, and of this package's own."""
    files = {Path(inspect.getsourcefile(function) or "") for function in marked_functions()}
    files |= set(Path(__file__).parent.glob("*.py"))
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(f"{file.name}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:16]


@cache
def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` compiled by numba with every rule that it calls. The first call of a fresh cache takes seconds."""
    register_rules()
    numba = importlib.import_module("numba")
    folder = rtsm_home() / "kernels" / sources_hash()
    folder.mkdir(parents=True, exist_ok=True)
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(folder.resolve())
    try:
        return numba.njit(cache=True)(function)
    finally:
        numba.config.CACHE_DIR = before
