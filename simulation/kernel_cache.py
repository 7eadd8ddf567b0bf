"""Kernels compiled by numba and kept on disk between processes, for every part of this package that compiles some.

numba's cache does not notice an edit in a function that a cached kernel calls from another module. So the cache folder, in RTSM_HOME, is
named by a hash of the sources of every marked rule and of everything that the kernel is made of: after any edit another folder is used.
Of several processes that need the same kernel at once, one compiles and the others wait and read: numba's cache keeps one list of what it
holds, and two that add to it at once lose an entry.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from filelock import FileLock

from allocation.home_folder import rtsm_home
from allocation.rules import compilable

_MARK: Final = "@compilable"


def hash_of_sources(own: Iterable[Path]) -> str:
    """A hash of numba's version, of every file that holds a marked rule, and of a kernel's `own` files.

    Of every file, not of those imported so far: the worker of a cluster imports fewer than the command that it works for, and has the same
    rules.
    """
    rules = Path(compilable.__file__).parent.rglob("*.py")
    files = {file for file in rules if _MARK in file.read_text(encoding="utf-8")} | set(own)
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
    compilable.register_rules()
    numba = importlib.import_module(
        "numba"
    )  # takes seconds that whoever compiles nothing should not wait for
    folder = rtsm_home() / "kernels" / sources_hash()
    folder.mkdir(parents=True, exist_ok=True)
    before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(folder.resolve())
    try:
        kernel = numba.njit(cache=True, **options)(function)
    finally:
        numba.config.CACHE_DIR = before
    compile_or_read, alone = kernel.compile, FileLock(folder / f"{function.__name__}.lock")

    def one_at_a_time(signature: Any) -> Any:
        with alone:
            return compile_or_read(signature)

    kernel.compile = one_at_a_time
    return kernel
