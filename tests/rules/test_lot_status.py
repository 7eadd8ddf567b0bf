"""The table of lot statuses: what is decided from where, and what each status lets be done with kits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.errors import DomainRefusal
from allocation.rules.lot_status import (
    LOT_TRANSITIONS,
    NEVER_AGAIN,
    LotAct,
    LotStatus,
    lot_transition,
    may_be_used,
)


def test_each_status_and_act_has_at_most_one_row_and_what_was_recalled_stays_so() -> None:
    starts = [(row.from_status, row.act) for row in LOT_TRANSITIONS]
    assert len(set(starts)) == len(starts)
    assert not [row for row in LOT_TRANSITIONS if row.from_status == LotStatus.RECALLED]
    assert {row.to_status for row in LOT_TRANSITIONS if row.from_status in NEVER_AGAIN} == {
        LotStatus.RECALLED
    }


def test_release_restriction_and_rejection_are_signed_each_with_its_own_meaning() -> None:
    for act in (LotAct.RELEASE, LotAct.RESTRICT, LotAct.REJECT):
        meanings = {row.signature for row in LOT_TRANSITIONS if row.act == act}
        assert len(meanings) == 1
        assert None not in meanings


@given(status=st.sampled_from(LotStatus), act=st.sampled_from(LotAct))
def test_what_has_no_row_is_refused_with_what_is_possible(status: LotStatus, act: LotAct) -> None:
    rows = [row for row in LOT_TRANSITIONS if (row.from_status, row.act) == (status, act)]
    if rows:
        assert lot_transition("L1", status.value, act) == rows[0]
        return
    with pytest.raises(DomainRefusal, match="L1 is") as caught:
        lot_transition("L1", status.value, act)
    assert caught.value.code == "lot-status"
    assert "possible" in str(caught.value.fix)


@pytest.mark.parametrize(
    ("status", "shipped", "dispensed"),
    [
        ("pending", False, False),
        ("released", True, True),
        ("restricted", False, True),
        ("quarantined", False, False),
        ("rejected", False, False),
        ("recalled", False, False),
    ],
)
def test_a_lot_is_used_by_its_status_and_only_where_it_is_released(
    status: str, shipped: bool, dispensed: bool
) -> None:
    for countries in (frozenset({"DEU"}), frozenset({"*"})):
        assert may_be_used(status, countries, "DEU", shipping=True) == shipped
        assert may_be_used(status, countries, "DEU", shipping=False) == dispensed
    assert not may_be_used(status, frozenset({"DEU"}), "FRA", shipping=False)
    assert not may_be_used(status, frozenset(), "DEU", shipping=False)
