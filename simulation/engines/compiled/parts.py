"""How the functions that the kernel is made of are compiled.

They make no arrays, so references are not counted (`_nrt`): counting them at each call took most of a replicate's time. Nobody calls
them from Python, so they have no wrappers, which took a third of the compiler's. `error_model`: a division is not checked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

_COMPILE: Any = numba.njit
"""Untyped, since numba's own types leave these options out."""


def part(function: Callable[..., Any]) -> Any:
    """A function of the kernel that stays one: what is seldom called, or from many places."""
    return _COMPILE(_nrt=False, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)


def hot(function: Callable[..., Any]) -> Any:
    """A function of the kernel that is written into whoever calls it before that is compiled: small, or called from one place.

    LLVM could do that as well, but would compile the function again on each level of those that call it: minutes instead of seconds.
    """
    return _COMPILE(_nrt=False, error_model="numpy", inline="always")(function)


def making(function: Callable[..., Any]) -> Any:
    """A part that calls rules which make arrays, so that references are counted within it: for what happens once a subject."""
    return _COMPILE(_nrt=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)
