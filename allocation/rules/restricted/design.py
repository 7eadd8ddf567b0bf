"""A restricted design: a method with its ratio and parameters, checked, and in the form that the rules take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final

import numpy as np
from numpy.typing import NDArray

from allocation.errors import InvalidParameter
from allocation.rules.compilable import IntArray
from allocation.rules.draws import FloatArray
from allocation.rules.restricted.maximal_procedure import chances_of_the_first
from allocation.rules.restricted.methods import METHODS, Method
from allocation.rules.restricted.probabilities import MAXIMAL_PROCEDURE, next_probabilities

NO_TABLE: Final = np.empty((0, 0), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class DesignProblem:
    """What is wrong with a design: `path` below the randomization event, such as ("parameters", "p"), the value, and the fix."""

    path: tuple[str | int, ...]
    value: object
    message: str
    fix: str


def design_problems(
    method: str,
    ratio: Sequence[int],
    parameters: Mapping[str, float],
    block_sizes: Sequence[int] = (),
) -> list[DesignProblem]:
    """Return everything that is wrong with a restricted design; an empty list where it can be used."""
    known = METHODS.get(method)
    if known is None:
        close = get_close_matches(method, METHODS, 1)
        fix = f"did you mean {close[0]}?" if close else f"use one of {', '.join(METHODS)}"
        return [DesignProblem(("method",), method, "is no restricted randomization method", fix)]
    return [
        *_ratio_problems(known, ratio),
        *_parameter_problems(known, ratio, parameters),
        *_block_problems(known, ratio, block_sizes),
    ]


def _ratio_problems(method: Method, ratio: Sequence[int]) -> list[DesignProblem]:
    shown = ":".join(map(str, ratio))
    if len(ratio) < 2 or any(share < 1 or share != int(share) for share in ratio):
        return [
            DesignProblem(
                ("ratio",), shown, "is no ratio of two arms or more", "use whole numbers such as 2:1"
            )
        ]
    if len(ratio) > 2 and not method.many_arms:
        return [
            DesignProblem(
                ("method",),
                method.name,
                f"is defined for two arms, not for {len(ratio)}",
                f"use one of {', '.join(one.name for one in METHODS.values() if one.many_arms)}",
            )
        ]
    if len(set(ratio)) > 1 and not method.unequal:
        return [
            DesignProblem(
                ("method",),
                method.name,
                f"is defined for equal allocation, not for {shown}",
                f"use one of {', '.join(one.name for one in METHODS.values() if one.unequal)}",
            )
        ]
    return []


def _parameter_problems(
    method: Method, ratio: Sequence[int], parameters: Mapping[str, float]
) -> list[DesignProblem]:
    problems: list[DesignProblem] = []
    names = [parameter.name for parameter in method.parameters]
    for name, value in parameters.items():
        if name not in names:
            fix = f"it has {', '.join(names)}" if names else "remove it"
            message = f"is no parameter of the method {method.name}"
            problems.append(DesignProblem(("parameters", name), name, message, fix))
            continue
        parameter = method.parameters[names.index(name)]
        wrong = parameter.wrong_with(value)
        whole = sum(ratio)
        if wrong is not None:
            problems.append(
                DesignProblem(("parameters", name), value, wrong, f"use {parameter.range_text()}")
            )
        elif method.sequence and name == "n" and whole > 0 and value % whole:
            problems.append(
                DesignProblem(
                    ("parameters", name),
                    value,
                    f"is not a multiple of {whole}, the sum of the ratio",
                    f"use {(int(value) // whole + 1) * whole}",
                )
            )
    problems += [
        DesignProblem(
            ("parameters",),
            method.name,
            f"needs the parameter {one.name} ({one.meaning})",
            f"add {one.name}: {one.range_text()}",
        )
        for one in method.parameters
        if one.default is None and one.name not in parameters
    ]
    return problems


def _block_problems(method: Method, ratio: Sequence[int], block_sizes: Sequence[int]) -> list[DesignProblem]:
    if not method.blocks:
        if not block_sizes:
            return []
        message = f"would be ignored by the method {method.name}"
        return [DesignProblem(("block_sizes",), list(block_sizes), message, "remove them")]
    whole = sum(ratio)
    if not block_sizes:
        message = f"is not enough for the method {method.name}"
        return [DesignProblem(("block_sizes",), "(none)", message, "list one size or more")]
    for index, size in enumerate(block_sizes):
        if size in block_sizes[:index]:
            return [DesignProblem(("block_sizes", index), size, "is named twice", "remove one of the two")]
    return [
        DesignProblem(
            ("block_sizes", index),
            size,
            f"is not a multiple of {whole}, the sum of the ratio",
            f"use {whole}, {2 * whole} or {3 * whole}",
        )
        for index, size in enumerate(block_sizes)
        if whole > 0 and (size < 1 or size % whole)
    ]


@dataclass(frozen=True, slots=True)
class RestrictedDesign:
    """A method with the ratio of the arms (in their order), its parameters by name, and for permuted blocks the sizes.

    Parameters with a default may be left out; they are filled in. Checked on construction: raises InvalidParameter for the
    first of `design_problems`. `codes`, `numbers` and `table` are what `next_probabilities` takes.
    """

    method: str
    ratio: tuple[int, ...]
    parameters: Mapping[str, float] = field(default_factory=dict)
    block_sizes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Check the design, and fill in the defaults."""
        for problem in design_problems(self.method, self.ratio, self.parameters, self.block_sizes):
            raise InvalidParameter(
                f"{problem.value} {problem.message}",
                field=".".join(str(step) for step in problem.path if not isinstance(step, int)),
                fix=problem.fix,
            )
        given = {
            one.name: float(self.parameters.get(one.name, one.default or 0)) for one in self.rule.parameters
        }
        object.__setattr__(self, "parameters", given)

    @property
    def rule(self) -> Method:
        """The row of the table of methods."""
        return METHODS[self.method]

    @property
    def sizes(self) -> tuple[int, ...]:
        """The lengths of a block or sequence, each equally likely; none for a method that has neither."""
        return (int(self.parameters["n"]),) if self.rule.sequence else self.block_sizes

    @property
    def label(self) -> str:
        """The short name with its parameters, such as BCDWIT(0.667, 3) or PBD(4, 6); n is left out, being the study's."""
        shown = [f"{value:.3g}" for name, value in self.parameters.items() if name != "n"]
        inside = ", ".join(shown or [str(size) for size in self.block_sizes])
        return f"{self.rule.short}({inside})" if inside else self.rule.short

    def ratio_array(self) -> IntArray:
        """The ratio as the rules take it."""
        return np.array(self.ratio, dtype=np.int64)

    def numbers(self) -> FloatArray:
        """The parameters in the order of the method's table."""
        return np.array(list(self.parameters.values()), dtype=np.float64)

    def table(self) -> NDArray[np.float64]:
        """The maximal procedure's probabilities; an empty table for every other method."""
        if self.rule.code != MAXIMAL_PROCEDURE:
            return NO_TABLE
        return chances_of_the_first(int(self.parameters["n"]), int(self.parameters["b"]))

    def probabilities(self, counts: Sequence[int], size: int = 0) -> FloatArray:
        """The probability of each arm next, after `counts` (of the open block or sequence, of length `size`, where there is one)."""
        given = np.array(counts, dtype=np.int64)
        return next_probabilities(
            self.rule.code, given, self.ratio_array(), self.numbers(), size, self.table()
        )
