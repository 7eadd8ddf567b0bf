"""What is dispensed and how doses move."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.errors import InvalidParameter, TitrationRefused
from allocation.rules.dosing import DispensingRow, DoseMove, TitrationLimits, kits_due, titrate

ROWS = (
    DispensingRow(("V2", "V3"), "HIGH", "L2", (("PATCH-B", 2),)),
    DispensingRow(("V2", "V3"), "HIGH", None, (("PATCH-A", 1), ("PATCH-B", 1))),
    DispensingRow(("V2", "V3"), "LOW", "L1", (("PATCH-A", 1), ("PLACEBO", 1))),
    DispensingRow(("V3",), None, None, (("DIARY", 1), ("DIARY", 1))),
)
LIMITS = TitrationLimits(lowest=0, highest=3, max_steps=2)


@pytest.mark.parametrize(
    ("visit", "arm", "level", "row", "kits"),
    [
        ("V2", "HIGH", "L2", 0, (("PATCH-B", 2),)),
        ("V2", "HIGH", "L1", 1, (("PATCH-A", 1), ("PATCH-B", 1))),
        ("V2", "HIGH", None, 1, (("PATCH-A", 1), ("PATCH-B", 1))),
        ("V2", "LOW", "L1", 2, (("PATCH-A", 1), ("PLACEBO", 1))),
        ("V3", "LOW", "L9", 3, (("DIARY", 2),)),
        ("V3", "NONE", None, 3, (("DIARY", 2),)),
        ("V2", "NONE", None, None, ()),
        ("V9", "HIGH", "L2", None, ()),
    ],
)
def test_the_first_row_that_matches_says_what_is_dispensed(visit, arm, level, row, kits) -> None:
    decision = kits_due(ROWS, visit, arm, level)
    assert (decision.row, decision.kits) == (row, kits)


def test_a_dose_level_without_a_row_is_an_error_and_not_a_missed_dose() -> None:
    with pytest.raises(InvalidParameter) as refused:
        kits_due(ROWS, "V2", "LOW", "L2")
    assert refused.value.field == "dispensing"
    with pytest.raises(InvalidParameter):
        kits_due(ROWS, "V2", "LOW", None)


def test_a_row_that_hands_out_no_kit_is_refused() -> None:
    with pytest.raises(InvalidParameter) as refused:
        kits_due([DispensingRow(("V1",), None, None, (("A", 0),))], "V1", "X", None)
    assert refused.value.field == "dispensing[0].kits"


@pytest.mark.parametrize(
    ("level", "move", "steps", "after"),
    [
        (0, DoseMove.UP, 1, 1),
        (1, DoseMove.UP, 2, 3),
        (2, DoseMove.DOWN, 2, 0),
        (3, DoseMove.MAINTAIN, 1, 3),
        (5, DoseMove.DOWN, 2, 3),  # above the limits after an amendment: may come down
        (5, DoseMove.DOWN, 1, 4),
        (5, DoseMove.MAINTAIN, 1, 5),
    ],
)
def test_a_dose_moves_within_its_limits(level, move, steps, after) -> None:
    decision = titrate(level, move, LIMITS, steps=steps)
    assert (decision.level_before, decision.level_after) == (level, after)


@pytest.mark.parametrize(
    ("level", "move", "steps"),
    [
        (3, DoseMove.UP, 1),
        (2, DoseMove.UP, 2),
        (0, DoseMove.DOWN, 1),
        (1, DoseMove.DOWN, 2),
        (0, DoseMove.UP, 3),
    ],
)
def test_a_move_past_a_limit_or_by_too_many_steps_is_refused(level, move, steps) -> None:
    with pytest.raises(TitrationRefused) as refused:
        titrate(level, move, LIMITS, steps=steps)
    assert refused.value.code == "titration-refused"


def test_a_forced_first_step_allows_no_other_move_and_only_the_first_time() -> None:
    limits = TitrationLimits(0, 3, forced_first=DoseMove.UP)
    assert titrate(0, DoseMove.UP, limits, first_move=True).level_after == 1
    for move in (DoseMove.MAINTAIN, DoseMove.DOWN):
        with pytest.raises(TitrationRefused, match="prescribes another"):
            titrate(1, move, limits, first_move=True)
    assert titrate(1, DoseMove.MAINTAIN, limits).level_after == 1


def test_a_refusal_reads_the_same_at_every_level() -> None:
    texts = set()
    for top in (1, 2, 7):
        with pytest.raises(TitrationRefused) as refused:
            titrate(top, DoseMove.UP, TitrationLimits(0, top))
        texts.add(str(refused.value))
    assert len(texts) == 1


@pytest.mark.parametrize(("values", "field"), [((3, 2, 1), "lowest"), ((0, 2, 0), "max_steps")])
def test_limits_that_allow_nothing_are_refused_by_name(values, field) -> None:
    with pytest.raises(InvalidParameter) as refused:
        TitrationLimits(*values)
    assert refused.value.field == field
    with pytest.raises(InvalidParameter):
        titrate(0, DoseMove.UP, LIMITS, steps=0)


@given(st.integers(0, 3), st.lists(st.tuples(st.sampled_from(DoseMove), st.integers(1, 3)), max_size=20))
def test_no_series_of_moves_leaves_the_limits(level, moves) -> None:
    for move, steps in moves:
        try:
            after = titrate(level, move, LIMITS, steps=steps).level_after
        except TitrationRefused:
            continue
        assert LIMITS.lowest <= after <= LIMITS.highest
        assert abs(after - level) <= LIMITS.max_steps
        level = after


def test_exactly_the_moves_past_a_limit_are_refused() -> None:
    for level, move, steps in product(range(4), DoseMove, (1, 2)):
        wanted = level + {DoseMove.UP: steps, DoseMove.DOWN: -steps, DoseMove.MAINTAIN: 0}[move]
        if 0 <= wanted <= 3:
            assert titrate(level, move, LIMITS, steps=steps).level_after == wanted
        else:
            with pytest.raises(TitrationRefused):
                titrate(level, move, LIMITS, steps=steps)
