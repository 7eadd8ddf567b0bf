"""Picking: order of choice, usability with reasons, and what is never picked."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.errors import NoUsableKit, RuleError
from allocation.rules.expiry import ExpiryWindows, last_dispense_date, last_ship_date, may_dispense, may_ship
from allocation.rules.picking import (
    KitCandidate,
    NotChosen,
    SameLot,
    choose_kits_at_site,
    choose_kits_for_shipping,
)

TODAY = date(2026, 6, 1)
WINDOWS = ExpiryWindows(dns_days=60, dnc_days=30, dnd_days=10)
GOOD = KitCandidate("100", "ACTIVE", available=True, released=True, expiry=date(2027, 1, 1), pick_sequence=50)

candidates = st.lists(
    st.builds(
        KitCandidate,
        key=st.text("0123456789", min_size=3, max_size=3),
        kit_type=st.sampled_from(["ACTIVE", "PLACEBO"]),
        available=st.booleans() | st.just(True),
        released=st.booleans() | st.just(True),
        expiry=st.integers(-20, 120).map(lambda days: TODAY + timedelta(days=days)),
        pick_sequence=st.integers(1, 40),
    ),
    max_size=25,
)


def keys(kits: list[KitCandidate], chosen: tuple[int, ...]) -> list[str]:
    return [kits[index].key for index in chosen]


def test_the_earliest_expiry_goes_first_then_the_pick_sequence_and_never_the_kit_number() -> None:
    kits = [
        replace(GOOD, key="001", pick_sequence=9),
        replace(GOOD, key="002", pick_sequence=3),
        replace(GOOD, key="999", expiry=date(2026, 12, 1), pick_sequence=40),
        replace(GOOD, key="003", pick_sequence=5),
    ]
    decision = choose_kits_at_site(kits, "ACTIVE", 3, TODAY, WINDOWS)
    assert keys(kits, decision.chosen) == ["999", "002", "003"]
    assert decision.not_chosen == ((0, NotChosen.NOT_NEEDED),)
    assert decision.shortfall == 0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"kit_type": "PLACEBO"}, NotChosen.WRONG_TYPE),
        ({"available": False}, NotChosen.NOT_AVAILABLE),
        ({"released": False}, NotChosen.NOT_RELEASED),
        ({"expiry": TODAY}, NotChosen.EXPIRED),
        ({"expiry": TODAY + timedelta(days=10)}, NotChosen.PAST_LAST_DATE),
        ({"expiry": TODAY + timedelta(days=40)}, NotChosen.NOT_VALID_LONG_ENOUGH),
    ],
)
def test_a_kit_that_cannot_be_taken_says_why(change, reason) -> None:
    until = TODAY + timedelta(days=40)
    decision = choose_kits_at_site([replace(GOOD, **change)], "ACTIVE", 1, TODAY, WINDOWS, until)
    assert decision.chosen == ()
    assert decision.not_chosen == ((0, reason),)
    assert decision.shortfall == 1


def test_a_kit_is_taken_on_its_last_dispense_date_and_not_the_day_after() -> None:
    last = last_dispense_date(GOOD.expiry, WINDOWS)
    assert choose_kits_at_site([GOOD], "ACTIVE", 1, last, WINDOWS).chosen == (0,)
    assert choose_kits_at_site([GOOD], "ACTIVE", 1, last + timedelta(days=1), WINDOWS).chosen == ()


def test_a_kit_ships_on_its_last_ship_date_and_not_the_day_after() -> None:
    last = last_ship_date(GOOD.expiry, WINDOWS)
    assert choose_kits_for_shipping([GOOD], "ACTIVE", 1, last, WINDOWS).chosen == (0,)
    assert choose_kits_for_shipping([GOOD], "ACTIVE", 1, last + timedelta(days=1), WINDOWS).chosen == ()


def test_newer_stock_ships_first_when_shipments_are_to_be_few() -> None:
    old = replace(GOOD, key="old", expiry=TODAY + timedelta(days=60 + 27))
    new = replace(GOOD, key="new", expiry=TODAY + timedelta(days=60 + 28))
    kits = [old, new]
    assert keys(kits, choose_kits_for_shipping(kits, "ACTIVE", 1, TODAY, WINDOWS).chosen) == ["old"]
    assert keys(kits, choose_kits_for_shipping(kits, "ACTIVE", 1, TODAY, WINDOWS, 28).chosen) == ["new"]
    assert keys(kits, choose_kits_for_shipping(kits, "ACTIVE", 2, TODAY, WINDOWS, 28).chosen) == [
        "new",
        "old",
    ]


def test_too_few_kits_refuse_without_a_word_on_the_kit_type() -> None:
    decision = choose_kits_at_site([GOOD], "ACTIVE", 2, TODAY, WINDOWS)
    assert (decision.chosen, decision.shortfall) == ((0,), 1)
    with pytest.raises(NoUsableKit) as refused:
        decision.require_complete()
    assert refused.value.code == "no-usable-kit"
    assert "ACTIVE" not in str(refused.value)


def test_a_negative_quantity_is_a_defect_of_the_caller() -> None:
    with pytest.raises(RuleError):
        choose_kits_at_site([GOOD], "ACTIVE", -1, TODAY, WINDOWS)


@given(candidates, st.integers(0, 8), st.none() | st.integers(0, 60))
def test_picking_equals_a_sort_of_the_usable_kits(kits, quantity, until_days) -> None:
    until = None if until_days is None else TODAY + timedelta(days=until_days)
    usable = [
        (kit.expiry, kit.pick_sequence, index)
        for index, kit in enumerate(kits)
        if kit.kit_type == "ACTIVE"
        and kit.available
        and kit.released
        and may_dispense(TODAY, kit.expiry, WINDOWS, until)
    ]
    decision = choose_kits_at_site(kits, "ACTIVE", quantity, TODAY, WINDOWS, until)
    assert decision.chosen == tuple(index for _, _, index in sorted(usable)[:quantity])
    assert decision.shortfall == max(quantity - len(usable), 0)
    assert sorted([*decision.chosen, *(index for index, _ in decision.not_chosen)]) == list(range(len(kits)))


@given(candidates, st.integers(0, 8), st.none() | st.integers(0, 60))
def test_what_may_not_ship_never_ships(kits, quantity, long_window) -> None:
    decision = choose_kits_for_shipping(kits, "ACTIVE", quantity, TODAY, WINDOWS, long_window)
    for index in decision.chosen:
        assert may_ship(TODAY, kits[index].expiry, WINDOWS)
        assert kits[index].available
        assert kits[index].released
        assert kits[index].kit_type == "ACTIVE"


@given(candidates, st.integers(1, 8), st.permutations("0123456789"))
def test_other_kit_numbers_never_change_the_choice(kits, quantity, digits) -> None:
    renumbered = [
        replace(kit, key=kit.key.translate(str.maketrans("0123456789", "".join(digits)))) for kit in kits
    ]
    before = choose_kits_at_site(kits, "ACTIVE", quantity, TODAY, WINDOWS)
    assert choose_kits_at_site(renumbered, "ACTIVE", quantity, TODAY, WINDOWS) == before


def of_lots(text: str) -> list[KitCandidate]:
    """A good kit for each letter, which names its lot, in the order in which they would be taken."""
    return [
        replace(GOOD, key=str(index), lot=letter, pick_sequence=index + 1)
        for index, letter in enumerate(text)
    ]


@pytest.mark.parametrize(
    ("lots", "quantity", "same_lot", "chosen"),
    [
        ("ABBAB", 2, SameLot.OFF, (0, 1)),
        ("ABBAB", 2, SameLot.WHERE_POSSIBLE, (0, 3)),
        ("ABBAB", 3, SameLot.REQUIRED, (1, 2, 4)),
        ("ABBAB", 4, SameLot.WHERE_POSSIBLE, (0, 1, 2, 3)),
        ("ABBAB", 4, SameLot.REQUIRED, (1, 2, 4)),  # what one lot has
        ("ABC", 2, SameLot.REQUIRED, (0,)),
        ("", 2, SameLot.REQUIRED, ()),
        ("", 2, SameLot.WHERE_POSSIBLE, ()),
        ("AB", 1, SameLot.REQUIRED, (0,)),
    ],
)
def test_kits_of_one_lot_are_taken_where_that_is_asked_for(lots, quantity, same_lot, chosen) -> None:
    decision = choose_kits_at_site(of_lots(lots), "ACTIVE", quantity, TODAY, WINDOWS, same_lot=same_lot)
    assert decision.chosen == chosen
    assert decision.shortfall == quantity - len(chosen)
    assert {index for index, _ in decision.not_chosen} == set(range(len(lots))) - set(chosen)


@given(st.text(alphabet="ABC", max_size=9), st.integers(0, 5), st.sampled_from(SameLot))
def test_one_lot_is_kept_whenever_some_lot_has_enough(lots, quantity, same_lot) -> None:
    decision = choose_kits_at_site(of_lots(lots), "ACTIVE", quantity, TODAY, WINDOWS, same_lot=same_lot)
    taken = {lots[index] for index in decision.chosen}
    enough = any(lots.count(letter) >= quantity for letter in "ABC")
    if same_lot == SameLot.REQUIRED or (same_lot == SameLot.WHERE_POSSIBLE and enough):
        assert len(taken) <= 1
    if same_lot != SameLot.REQUIRED or enough:
        assert len(decision.chosen) == min(quantity, len(lots))
