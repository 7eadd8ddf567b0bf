"""The marker of rules that the simulator compiles as they are.

A rule marked `@compilable` is written in the subset of Python that numba compiles: integers, booleans, numpy arrays and
tuples of them; no strings, dates, dataclasses, exceptions or keyword-only arguments. Called from the service it is the
plain Python function. Called from a compiled kernel it is compiled as it stands, where numba is installed: there is never
a second copy of a rule. Compilable rules may call each other.

Conventions in compilable rules:

* a day is a whole number, `date.toordinal()`; the names end in `_day` (dates, for the service, end in `_date`);
* `NO_DAY` (0, earlier than every calendar date) stands for "no such day";
* an enumerated choice is one of the integer constants of its module.

Trap (measured): with `cache=True` numba does not see an edit in a function that the cached kernel calls from another
module. The kernel's cache folder must carry a hash of the sources of `marked_functions()`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Final, ParamSpec, TypeVar, cast

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


def _numba_register() -> Callable[[Callable[..., Any]], Callable[..., Any]] | None:
    """Return numba's `register_jitable`, or None where numba is not installed.

    Only the absence of numba itself is accepted: a numba that is there but broken (a numpy too new for it, say) raises,
    since falling back in silence would make the simulator a hundred times slower without a word.
    """
    try:
        module = importlib.import_module("numba.extending")
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.split(".")[0] == "numba":
            return None
        raise
    return cast("Callable[[Callable[..., Any]], Callable[..., Any]]", module.register_jitable)


_REGISTER = _numba_register()

NUMBA_PRESENT: Final = _REGISTER is not None
"""Whether marked rules can be compiled in this environment."""


def compilable(function: Callable[P, R]) -> Callable[P, R]:
    """Mark a rule as compilable: known to numba where it is installed, unchanged for Python in every case."""
    _MARKED.append(function)
    if _REGISTER is None:
        return function
    return cast("Callable[P, R]", _REGISTER(function))


def marked_functions() -> tuple[Callable[..., Any], ...]:
    """Return every function marked so far, in the order of import: what a compiled kernel's cache must be keyed by."""
    return tuple(_MARKED)
