"""The marker of rules that the simulator compiles as they are.

A rule marked `@compilable` is written in the subset of Python that numba compiles: integers, booleans, floats, numpy
arrays and tuples of them; no strings, dates, dataclasses, exceptions or keyword-only arguments. Called from the service it is the
plain Python function. Called from a compiled kernel it is compiled as it stands (`register_rules`): there is never
a second copy of a rule. Compilable rules may call each other.

Conventions in compilable rules:

* a day is a whole number, `date.toordinal()`; the names end in `_day` (dates, for the service, end in `_date`);
* `NO_DAY` (0, earlier than every calendar date) stands for "no such day";
* an enumerated choice is one of the integer constants of its module.

Trap (measured): with `cache=True` numba does not see an edit in a function that the cached kernel calls from another
module. The kernel's cache folder must carry a hash of the sources of all marked functions (simulation/kernel_cache.py).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Final, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

P = ParamSpec("P")
R = TypeVar("R")

IntArray = NDArray[np.int64]
"""One-dimensional array of 64-bit integers: days, counts, codes, indexes."""

BoolArray = NDArray[np.bool_]
"""One-dimensional array of flags."""

NO_DAY: Final = 0
"""No such day. `date.toordinal()` starts at 1, so this is before every date."""

_MARKED: list[Callable[..., Any]] = []
_INLINED: list[Callable[..., Any]] = []
_REGISTERED: list[Callable[..., Any]] = []


def compilable(function: Callable[P, R]) -> Callable[P, R]:
    """Mark a rule as compilable: unchanged for Python, and known to numba once `register_rules` has been called."""
    _MARKED.append(function)
    return function


def inlined(function: Callable[P, R]) -> Callable[P, R]:
    """Have a compilable rule compiled into each place that calls it, where it is written below `@compilable`.

    For rules of the hot path that take many arrays: counting references to these costs more than the rule (`pick_kits` from one pile,
    measured: 76 ns when called, 22 ns inlined). The compiler works longer for each caller.
    """
    _INLINED.append(function)
    return function


def register_rules() -> None:
    """Make every rule marked so far known to numba, so that a kernel that is compiled from here on may call it.

    Whoever compiles a kernel calls this first. It is not done where rules are marked, because importing numba takes seconds that no
    command of the service should wait for. Calling it again registers only what was marked since. A rule gets no wrapper for C, which
    nobody calls and which takes a sixth of the compiler's time. Raises ImportError without numba.
    """
    register_jitable = importlib.import_module("numba.extending").register_jitable
    for function in _MARKED[len(_REGISTERED) :]:
        options = {"inline": "always"} if function in _INLINED else {}
        register_jitable(no_cfunc_wrapper=True, **options)(function)
        _REGISTERED.append(function)


def marked_functions() -> tuple[Callable[..., Any], ...]:
    """Return every function marked so far, in the order of import."""
    return tuple(_MARKED)
