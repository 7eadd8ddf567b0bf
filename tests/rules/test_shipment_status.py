"""The table of shipment states: every way of a shipment, and what is refused."""

from itertools import product

import pytest

from allocation.errors import DomainRefusal
from allocation.rules.shipment_status import (
    COUNTED_AS,
    NEVER_CAME,
    STEPS,
    Approval,
    ShipmentStatus,
    ShipmentStep,
    check_approver,
    next_status,
    opening_status,
)

ENDS = {ShipmentStatus.RECEIVED, *NEVER_CAME}


@pytest.mark.parametrize("status", list(ShipmentStatus))
def test_what_is_not_in_the_table_is_refused_and_says_what_is_possible(status):
    for step in ShipmentStep:
        if (status, step) in STEPS:
            assert next_status("S1", status, step) == STEPS[status, step]
            continue
        with pytest.raises(DomainRefusal, match=f"S1 is {status}") as refused:
            next_status("S1", status, step)
        assert refused.value.code == "shipment-state"
        possible = {one.value for state, one in STEPS if state == status}
        assert all(one in (refused.value.fix or "") for one in possible or {"final"})


def test_a_shipment_counts_in_the_pipeline_until_it_comes_to_an_end():
    assert set(COUNTED_AS) == set(ShipmentStatus) - ENDS


def test_every_state_is_reached_and_only_the_ends_stay():
    reached = {opening_status(policy, by_hand=hand) for policy, hand in product(Approval, (True, False))}
    for _ in STEPS:
        reached |= {after for (before, _), after in STEPS.items() if before in reached}
    assert reached == set(ShipmentStatus)
    moving = {before for (before, _), after in STEPS.items() if after != before}
    assert moving == set(ShipmentStatus) - ENDS


def test_nothing_is_dispatched_that_waits_for_its_approval_or_was_refused():
    for status in (ShipmentStatus.PROPOSED, *ENDS):
        assert (status, ShipmentStep.DISPATCH) not in STEPS
        assert (status, ShipmentStep.PACK) not in STEPS


@pytest.mark.parametrize(
    ("policy", "automatic", "by_hand"),
    [
        (Approval.NONE, "requested", "requested"),
        (Approval.MANUAL, "requested", "proposed"),
        (Approval.ALL, "proposed", "proposed"),
    ],
)
def test_which_orders_wait(policy, automatic, by_hand):
    assert (opening_status(policy, by_hand=False), opening_status(policy, by_hand=True)) == (
        automatic,
        by_hand,
    )


def test_nobody_approves_what_they_ordered():
    with pytest.raises(DomainRefusal, match="ann placed this order"):
        check_approver("ann", "ann")
    check_approver("ann", "ben")
