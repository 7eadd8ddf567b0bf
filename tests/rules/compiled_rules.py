"""A rule compiled next to the plain one, for the tests that compare them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numba
import numpy as np

from allocation.rules import compilable


@cache
def compiled_rule(rule: Callable[..., Any], arguments: int) -> Callable[..., Any]:
    """A kernel that does nothing but call the rule with so many arguments; compiled once in a process."""
    compilable.register_rules()
    names = ", ".join(f"a{index}" for index in range(arguments))
    scope = {"rule": rule}
    exec(f"def call({names}):\n    return rule({names})", scope)  # noqa: S102
    kernel: Callable[..., Any] = numba.njit(scope["call"], no_cfunc_wrapper=True)
    return kernel


def check_compiled(rule: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Return the plain rule's answer; the compiled one answers the same and leaves the same in the arrays that it was given."""
    plain, compiled = (
        [np.copy(one) if isinstance(one, np.ndarray) else one for one in arguments] for _ in range(2)
    )
    answer = rule(*plain)
    np.testing.assert_array_equal(compiled_rule(rule, len(arguments))(*compiled), answer)
    for left, right in zip(compiled, plain, strict=True):
        np.testing.assert_array_equal(left, right)
    return answer
