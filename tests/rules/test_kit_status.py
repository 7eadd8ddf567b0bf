"""The kit state table: what moves where, what is refused, and that kits add up."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.errors import KitTransitionRefused
from allocation.rules.kit_status import (
    PLACES_WITH_KEY,
    POSSIBLE,
    TRANSITIONS,
    Act,
    KitPosition,
    KitStatus,
    Place,
    check_transition,
    conservation_errors,
    roles_of,
    rows_of,
)

USED_OR_SHIPPED = frozenset(
    {Act.REQUEST, Act.DISPATCH, Act.RECEIVE, Act.DISPENSE, Act.ASSIGN, Act.CONFIRM_DISPENSING}
)
"""Acts on the way to a subject."""


def follow(*acts: Act) -> tuple[KitStatus | None, Place | None]:
    status: KitStatus | None = None
    place: Place | None = None
    for act in acts:
        row = check_transition("123456", status, place, act)
        status, place = row.to_status, row.to_place
    return status, place


TO_SITE = (Act.LOAD, Act.REQUEST, Act.DISPATCH, Act.RECEIVE)


def test_a_kit_travels_from_the_depot_to_the_subject_and_back_to_destruction() -> None:
    assert follow(*TO_SITE) == (KitStatus.SITE_AVAILABLE, Place.SITE)
    assert follow(*TO_SITE, Act.DISPENSE) == (KitStatus.DISPENSED, Place.SUBJECT)
    assert follow(*TO_SITE, Act.DISPENSE, Act.RETURN_FROM_SUBJECT, Act.DESTROY) == (
        KitStatus.DESTROYED,
        Place.DESTROYED,
    )


@pytest.mark.parametrize(
    ("acts", "refused"),
    [
        ((Act.LOAD,), Act.DISPATCH),  # nothing leaves the depot without an order
        ((Act.LOAD,), Act.DISPENSE),
        ((Act.LOAD, Act.REQUEST), Act.REQUEST),  # one kit, one order
        ((Act.LOAD, Act.REQUEST, Act.DISPATCH), Act.DISPENSE),
        ((*TO_SITE, Act.DISPENSE), Act.DISPENSE),  # one kit, one subject
        ((*TO_SITE, Act.EXPIRE), Act.DISPENSE),
        ((*TO_SITE, Act.QUARANTINE), Act.DISPENSE),
        ((*TO_SITE, Act.ASSIGN), Act.ASSIGN),  # one kit, one subject
        ((*TO_SITE, Act.ASSIGN), Act.DISPENSE),  # what is assigned is handed out by confirming it
        ((*TO_SITE, Act.ASSIGN, Act.CONFIRM_DISPENSING), Act.PUT_BACK),
        ((*TO_SITE, Act.DISPENSE, Act.REPORT_DAMAGED_BY_SUBJECT), Act.ASSIGN),
        (
            (*TO_SITE, Act.DISPENSE, Act.RETURN_FROM_SUBJECT),
            Act.RELEASE,
        ),  # what came back is never given again
        ((), Act.RECEIVE),
        ((Act.LOAD,), Act.LOAD),
    ],
)
def test_an_act_without_a_row_is_refused(acts, refused) -> None:
    status, place = follow(*acts)
    with pytest.raises(KitTransitionRefused, match="123456") as error:
        check_transition("123456", status, place, refused)
    assert error.value.code == "kit-transition-refused"


def test_a_refusal_names_what_is_possible_instead() -> None:
    with pytest.raises(KitTransitionRefused) as error:
        check_transition("1", KitStatus.DISPENSED, Place.SUBJECT, Act.DISPENSE)
    assert (
        error.value.fix == "possible: report_damaged_by_subject, return_from_subject, report_lost, ask_back"
    )
    with pytest.raises(KitTransitionRefused) as error:
        check_transition("1", KitStatus.DESTROYED, Place.DESTROYED, Act.DISPENSE)
    assert "final" in (error.value.fix or "")


def test_an_assigned_kit_is_handed_out_or_goes_back_to_where_it_was() -> None:
    assert follow(*TO_SITE, Act.ASSIGN) == (KitStatus.ASSIGNED, Place.SITE)
    assert follow(*TO_SITE, Act.ASSIGN, Act.CONFIRM_DISPENSING) == follow(*TO_SITE, Act.DISPENSE)
    assert follow(*TO_SITE, Act.ASSIGN, Act.PUT_BACK) == follow(*TO_SITE)
    assert follow(*TO_SITE, Act.ASSIGN, Act.SET_ASIDE, Act.RELEASE) == follow(*TO_SITE)
    assert follow(*TO_SITE, Act.ASSIGN, Act.LOSE_ASSIGNED) == (KitStatus.LOST, Place.LOST)


def test_each_state_and_act_has_at_most_one_row() -> None:
    starts = [(row.from_status, row.from_place, row.act) for row in TRANSITIONS]
    assert len(set(starts)) == len(starts)


def test_every_status_place_and_act_is_used_and_every_start_can_be_reached() -> None:
    assert {status for status, _ in POSSIBLE} == set(KitStatus)
    assert {place for _, place in POSSIBLE} == set(Place)
    assert {row.act for row in TRANSITIONS} == set(Act)
    reached: set[tuple[KitStatus | None, Place | None]] = {(None, None)}
    while True:
        further = {(r.to_status, r.to_place) for r in TRANSITIONS if (r.from_status, r.from_place) in reached}
        if further <= reached:
            break
        reached |= further
    assert reached == {(None, None), *POSSIBLE}


def test_only_a_usable_kit_at_a_site_can_be_dispensed() -> None:
    starts = [(row.from_status, row.from_place) for row in TRANSITIONS if row.act == Act.DISPENSE]
    assert starts == [(KitStatus.SITE_AVAILABLE, Place.SITE)]


def test_nothing_that_was_with_a_subject_comes_back_into_stock_but_a_device_that_is_inspected() -> None:
    reached = {(KitStatus.DISPENSED, Place.SUBJECT)}
    for _ in TRANSITIONS:
        reached |= {
            (r.to_status, r.to_place)
            for r in TRANSITIONS
            if (r.from_status, r.from_place) in reached and r.act != Act.REISSUE_DEVICE
        }
    assert not reached & {(KitStatus.SITE_AVAILABLE, Place.SITE), (KitStatus.DEPOT_AVAILABLE, Place.DEPOT)}


def test_no_row_leads_from_quarantine_towards_a_subject() -> None:
    starts = {row.from_status for row in rows_of(*USED_OR_SHIPPED)}
    assert KitStatus.QUARANTINED not in starts
    onward = {row.act for row in TRANSITIONS if row.from_status == KitStatus.QUARANTINED}
    assert Act.RELEASE in onward
    assert not onward & USED_OR_SHIPPED


def test_a_recall_reaches_every_state_in_which_a_kit_can_still_come_to_a_subject() -> None:
    usable = {(row.from_status, row.from_place) for row in rows_of(*USED_OR_SHIPPED)}
    assert {(row.from_status, row.from_place) for row in rows_of(Act.RECALL)} == usable
    assert {(row.from_status, row.from_place) for row in rows_of(Act.QUARANTINE)} == usable


def test_release_rejection_and_destruction_take_a_reason_and_a_signature_everywhere() -> None:
    for row in rows_of(Act.RELEASE, Act.REJECT, Act.DESTROY):
        assert row.by.reason
        assert row.by.signature
    assert roles_of(Act.RELEASE) == {"supply_manager_blinded", "supply_manager_unblinded"}
    assert all(row.by.reason for row in rows_of(Act.QUARANTINE, Act.REPORT_DAMAGED))


def test_what_an_act_takes_besides_the_role_does_not_depend_on_where_the_kit_is() -> None:
    for act in set(Act) - {Act.REPORT_LOST}:  # what is lost on its way is a disposition of the receipt
        assert len({(row.by.reason, row.by.signature) for row in rows_of(act)}) == 1, act


def test_every_pair_outside_the_table_is_refused() -> None:
    for status, place, act in product(KitStatus, Place, Act):
        has_row = any((r.from_status, r.from_place, r.act) == (status, place, act) for r in TRANSITIONS)
        if not has_row:
            with pytest.raises(KitTransitionRefused):
                check_transition("1", status, place, act)


AT_SITE = KitPosition("1", KitStatus.SITE_AVAILABLE, Place.SITE, "S01")


@pytest.mark.parametrize(
    ("loaded", "positions", "sentence"),
    [
        (["1"], [], "kit 1 is nowhere"),
        (["1"], [AT_SITE, AT_SITE], "kit 1 is in two places"),
        ([], [AT_SITE], "kit 1 was never loaded"),
        (
            ["1"],
            [KitPosition("1", KitStatus.DISPENSED, Place.SITE, "S01")],
            "cannot be dispensed in place site",
        ),
        (["1"], [KitPosition("1", KitStatus.DISPENSED, Place.SUBJECT, None)], "without a holder"),
    ],
)
def test_a_kit_that_does_not_add_up_is_named(loaded, positions, sentence) -> None:
    errors = conservation_errors(loaded, positions)
    assert len(errors) == 1
    assert sentence in errors[0]


@given(st.lists(st.lists(st.integers(0, 100), max_size=12), max_size=10))
def test_whatever_acts_are_allowed_kits_are_conserved(journeys) -> None:
    positions = []
    for number, choices in enumerate(journeys):
        row = check_transition(str(number), None, None, Act.LOAD)
        for choice in choices:
            onward = [
                r for r in TRANSITIONS if (r.from_status, r.from_place) == (row.to_status, row.to_place)
            ]
            if not onward:
                break
            row = onward[choice % len(onward)]
        key = "X" if row.to_place in PLACES_WITH_KEY else None
        positions.append(KitPosition(str(number), row.to_status, row.to_place, key))
    assert conservation_errors([str(number) for number in range(len(journeys))], positions) == ()
