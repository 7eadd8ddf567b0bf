"""Minimization of one subject: count who came before, score the arms, draw.

The counts are whatever the caller has: `count_subjects` makes them from the subjects randomized before. They are a matrix
with one row for the whole, one for the subject's stratum, and one a factor at the subject's level; one column a unit arm (see
minimization_design.py; a column is an arm where shares are equal or the rule is the biased coin).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from allocation.errors import RuleError
from allocation.rules.draws import DrawRecord, FloatArray, draw_arm, uniform_of_draw
from allocation.rules.imbalance import CODES, CountMatrix, arm_scores
from allocation.rules.minimization_chances import next_chances, unit_in_turn
from allocation.rules.minimization_design import ChanceRule, MinimizationDesign

METHOD: Final = "minimization"
RULE_VERSION: Final = "minimization/1"
UNIT_FACT: Final = "unit"
"""Name of the fact of a record that holds the column drawn: what `EarlierSubject.unit` of later draws is."""


@dataclass(frozen=True, slots=True)
class EarlierSubject:
    """A subject randomized before: `levels` in the order of the design's factors, `arm`, and the column drawn.

    `unit` None is for a subject without a unit arm of this design: randomized simply under another version of the ratio, by another
    method, or forced. Such subjects are put into the unit arms of their arm in turn, in the order in which they come.
    """

    levels: tuple[str, ...]
    arm: str
    unit: int | None = None


def count_subjects(
    design: MinimizationDesign, earlier: Sequence[EarlierSubject], levels: Sequence[str]
) -> CountMatrix:
    """Return the rows of counts for a new subject with `levels`: the whole, the stratum, each factor at its level.

    Raises RuleError for levels that do not fit the factors, an unknown arm, or a unit arm that is not the arm's.
    """
    columns = np.array(design.arm_of_unit, dtype=np.int64)
    turns = [0] * len(design.arms)
    rows = np.zeros((2 + len(design.factors), len(design.unit_ratio)), dtype=np.int64)
    _check_levels(design, levels)
    for subject in earlier:
        _check_levels(design, subject.levels)
        if subject.arm not in design.arms:
            raise RuleError(f"{subject.arm} is none of {design.arms}", field="arm")
        arm = design.arms.index(subject.arm)
        unit = subject.unit
        if unit is None:
            unit = int(unit_in_turn(columns, arm, turns[arm]))
            turns[arm] += 1
        elif not (0 <= unit < len(columns) and columns[unit] == arm):
            raise RuleError(f"{unit} is no unit arm of {subject.arm}", field="unit")
        same = [theirs == ours for theirs, ours in zip(subject.levels, levels, strict=True)]
        rows[:, unit] += np.array([True, all(same), *same])
    return rows


def column_scores(design: MinimizationDesign, rows: CountMatrix) -> FloatArray:
    """Return the score of each column: the weighted imbalance if the new subject were added to it. Raises RuleError."""
    _check_shape(design, rows)
    shares = np.array(design.unit_ratio, dtype=np.int64)
    return arm_scores(rows, np.array(design.weights, dtype=np.float64), shares, CODES[design.measure])


def column_chances(design: MinimizationDesign, rows: CountMatrix) -> FloatArray:
    """Return the chance of each column, the first `simple_first` subjects by the shares alone. Raises RuleError."""
    _check_shape(design, rows)
    return next_chances(
        rows,
        np.array(design.weights, dtype=np.float64),
        np.array(design.unit_ratio, dtype=np.int64),
        CODES[design.measure],
        design.chance is ChanceRule.RANK,
        design.probability,
        design.simple_first,
    )


def minimization_draw(
    design: MinimizationDesign,
    levels: Sequence[str],
    rows: CountMatrix,
    *,
    seed: int,
    event: str,
    index: int,
    stratum: str,
) -> DrawRecord:
    """Draw the arm of a subject with `levels` (in the order of the design's factors) after the subjects counted in `rows`.

    `seed`, `event` and `index` address the uniform (draws.py); `stratum` is its key, for the record. `counts_before` of the record
    are those of the whole; an arm's score is the lowest of its unit arms. Facts: the column drawn (`unit`), the columns' scores and
    probabilities, the levels and the counts by arm of each row (`margins`), measure, weights, chance and ratio rules, `simple`.
    Raises RuleError for counts or levels that do not fit the design, InvalidParameter for a bad seed.
    """
    _check_levels(design, levels)
    scores = column_scores(design, rows)
    chances = column_chances(design, rows)
    uniform = uniform_of_draw(seed, event, index)
    unit = draw_arm([float(chance) for chance in chances], uniform)
    columns = [
        [unit for unit, of in enumerate(design.arm_of_unit) if of == arm] for arm in range(len(design.arms))
    ]
    by_arm = [tuple(int(row[of].sum()) for of in columns) for row in rows]
    names = [name for name, _ in design.factors]
    return DrawRecord(
        method=METHOD,
        rule_version=RULE_VERSION,
        event=event,
        index=index,
        stratum=stratum,
        arms=design.arms,
        ratio=design.ratio,
        counts_before=by_arm[0],
        scores=tuple(float(scores[of].min()) for of in columns),
        probabilities=tuple(float(chances[of].sum()) for of in columns),
        uniform=uniform,
        arm=design.arms[design.arm_of_unit[unit]],
        facts=(
            (UNIT_FACT, unit),
            ("unit_scores", tuple(float(score) for score in scores)),
            ("unit_probabilities", tuple(float(chance) for chance in chances)),
            ("unit_counts", tuple(tuple(int(count) for count in row) for row in rows)),
            (
                "margins",
                tuple(zip(["whole", "stratum", *names], ["", stratum, *levels], by_arm, strict=True)),
            ),
            ("weights", design.weights),
            ("measure", str(design.measure)),
            ("chance", str(design.chance)),
            ("probability", design.probability),
            ("ratio_rule", str(design.ratio_rule)),
            ("simple", _is_simple(design, rows)),
        ),
    )


def _is_simple(design: MinimizationDesign, rows: CountMatrix) -> bool:
    return int(rows[0].sum()) < design.simple_first


def _check_shape(design: MinimizationDesign, rows: CountMatrix) -> None:
    if rows.shape != (len(design.weights), len(design.unit_ratio)):
        raise RuleError(
            f"counts have the shape {rows.shape}, not {(len(design.weights), len(design.unit_ratio))}",
            field="rows",
        )


def _check_levels(design: MinimizationDesign, levels: Sequence[str]) -> None:
    if len(levels) != len(design.factors):
        raise RuleError(f"{len(levels)} levels for {len(design.factors)} factors", field="levels")
