"""Kernels compiled by numba and kept on disk between processes, for every part of this package that compiles some.

numba's cache does not notice an edit in a function that a cached kernel calls from another module. So the cache folder, in RTSM_HOME, is
named by a hash of the sources of every marked rule and of everything that the kernel is made of: after any edit another folder is used.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from allocation.ledger.database import rtsm_home
from allocation.rules.compilable import marked_functions, register_rules


def hash_of_sources(own: Iterable[Path]) -> str:
    """A hash of numba's version, of the files that hold the marked functions, and of a kernel's `own` files."""
    files = {Path(inspect.getsourcefile(function) or "") for function in marked_functions()} | set(own)
    digest = hashlib.sha256(version("numba").encode())
    for file in sorted(files):
        digest.update(f"\0{file.name}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def kept_kernel(
    function: Callable[..., Any], sources_hash: Callable[[], str], **options: Any
) -> Callable[..., Any]:
    """`function` compiled with every rule that it calls, by numba's `options`; kept under `sources_hash`, asked once the rules are known.

    The first call of a fresh cache takes seconds.
    """
    register_rules()
    numba = importlib.import_module(
        "numba"
    )  # takes seconds that whoever compiles nothing should not wait for
    folder = rtsm_home() / "kernels" / sources_hash()
    folder.mkdir(parents=True, exist_ok=True)
    before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(folder.resolve())
    try:
        return numba.njit(cache=True, **options)(function)
    finally:
        numba.config.CACHE_DIR = before
