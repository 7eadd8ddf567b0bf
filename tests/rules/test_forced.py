"""Forced randomization and supply gates: the published example, and what no sequence of stock may break."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from allocation.errors import DomainRefusal, InvalidParameter, ListExhausted, RuleError
from allocation.rules.blocks import ListEntry
from allocation.rules.draws import draw_arm
from allocation.rules.forced import (
    ForcedEntry,
    ForcedMode,
    UnusedEntry,
    forced_list_entry,
    forced_live_draw,
)
from allocation.rules.supply_gates import (
    NO_SUPPLY,
    SupplyGate,
    check_supply_gate,
    lacking_kit_types,
)

MODES = list(ForcedMode)
FORCING = [ForcedMode.FR1, ForcedMode.FR2]


def entries(arms: str) -> list[ListEntry]:
    return [ListEntry(str(70 + place), "ALL", place, None, arm) for place, arm in enumerate(arms, 1)]


class Run:
    """A list that is drawn from as a caller does: used entries leave, skipped ones are flagged."""

    def __init__(self, arms: str, mode: ForcedMode) -> None:
        self.entries = entries(arms)
        self.mode = mode
        self.used: list[int] = []
        self.skipped: set[int] = set()

    def draw(self, suppliable: dict[str, bool]) -> ForcedEntry | None:
        """The record, None when refused."""
        unused = [
            UnusedEntry(entry, entry.sequence in self.skipped)
            for entry in self.entries
            if entry.sequence not in self.used
        ]
        try:
            record = forced_list_entry(self.mode, "ALL", unused, suppliable)
        except (DomainRefusal, ListExhausted):
            return None
        self.skipped |= {entry.sequence for entry in record.newly_skipped}
        self.used.append(record.assigned.sequence)
        return record


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (ForcedMode.FR0A, "AA---BBA"),
        (ForcedMode.FR0B, "AABB-ABB"),
        (ForcedMode.FR1, "AABBBBA-"),
        (ForcedMode.FR2, "AABBBABA"),
    ],
)
def test_the_toy_example_of_carter_goes_as_each_configuration_says(mode, expected) -> None:
    """Carter et al. 2024, figure 2: list AABB|ABBA, two kits of A, three of B, resupplied when the sixth patient comes.

    FR0a and FR0b as its text tells it; FR1 and FR2 by its definitions of skipping ahead and of back-filling.
    """
    run, stock, arms = Run("AABBABBA", mode), {"A": 2, "B": 3}, ""
    for patient in range(1, 9):
        if patient == 6:
            stock = {"A": 9, "B": 9}
        record = run.draw({arm: count > 0 for arm, count in stock.items()})
        arms += record.assigned.arm if record else "-"
        if record:
            stock[record.assigned.arm] -= 1
            assert record.forced == (patient == 5)
    assert arms == expected


def test_a_forced_draw_keeps_the_scheduled_and_the_assigned_entry_and_those_it_skipped() -> None:
    unused = [UnusedEntry(entry) for entry in entries("AACB")]
    record = forced_list_entry(ForcedMode.FR1, "ALL", unused, {"A": False, "B": True, "C": False})
    assert (record.scheduled.sequence, record.assigned.sequence) == (1, 4)
    assert [entry.sequence for entry in record.newly_skipped] == [1, 2, 3]
    assert record.forced
    assert record.suppliable == (("A", False), ("B", True), ("C", False))


STOCKS = st.lists(st.fixed_dictionaries({arm: st.booleans() for arm in "ABC"}), max_size=30)
LISTS = st.text("ABC", min_size=1, max_size=20)


@given(LISTS, STOCKS, st.sampled_from(MODES))
def test_no_entry_is_used_twice_and_every_assigned_arm_could_be_supplied(arms, stocks, mode) -> None:
    run = Run(arms, mode)
    for stock in stocks:
        record = run.draw(stock)
        if record and mode is not ForcedMode.NONE:
            assert stock[record.assigned.arm]
        if record and record.forced:
            assert mode in FORCING
            assert not stock[record.scheduled.arm]
    assert len(set(run.used)) == len(run.used)


@given(LISTS, STOCKS, st.sampled_from([ForcedMode.NONE, ForcedMode.FR0A, ForcedMode.FR0B]))
def test_without_forcing_the_list_is_used_in_its_order_and_nothing_is_skipped(arms, stocks, mode) -> None:
    run = Run(arms, mode)
    for stock in stocks:
        run.draw(stock)
    assert run.used == list(range(1, len(run.used) + 1))
    assert not run.skipped


@given(LISTS, STOCKS)
def test_skipping_ahead_never_turns_back(arms, stocks) -> None:
    run = Run(arms, ForcedMode.FR1)
    for stock in stocks:
        run.draw(stock)
    assert run.used == sorted(run.used)


@given(LISTS, STOCKS)
def test_back_filling_uses_the_earliest_unused_entry_that_can_be_supplied(arms, stocks) -> None:
    run = Run(arms, ForcedMode.FR2)
    for stock in stocks:
        before = list(run.used)
        record = run.draw(stock)
        can = [entry for entry in run.entries if entry.sequence not in before and stock[entry.arm]]
        assert (record.assigned if record else None) == (can[0] if can else None)
        if record:
            first = next(entry for entry in run.entries if entry.sequence not in before)
            assert record.scheduled == first


@given(LISTS)
def test_with_everything_on_site_every_mode_is_the_plain_draw(arms) -> None:
    runs = {mode: Run(arms, mode) for mode in MODES}
    for place in range(len(arms)):
        plain = entries(arms)[place]
        for run in runs.values():
            record = run.draw({"A": True, "B": True, "C": True})
            assert record is not None
            assert record.assigned.number == plain.number
            assert not record.forced
    assert all(run.draw({"A": True, "B": True, "C": True}) is None for run in runs.values())


def test_entries_skipped_before_are_lost_in_every_mode_but_back_filling() -> None:
    unused = [UnusedEntry(entries("AB")[0], True), UnusedEntry(entries("AB")[1])]
    for mode in MODES:
        record = forced_list_entry(mode, "ALL", unused, {"A": True, "B": True})
        assert record.assigned.sequence == (1 if mode is ForcedMode.FR2 else 2)
        assert not record.newly_skipped
    lost = [UnusedEntry(entry, True) for entry in entries("AB")]
    with pytest.raises(ListExhausted):
        forced_list_entry(ForcedMode.FR1, "ALL", lost, {"A": True, "B": True})


def refusals() -> list[DomainRefusal]:
    unused = [UnusedEntry(entry) for entry in entries("AB")]
    found = []
    for mode in MODES[1:]:
        for act in (
            lambda mode=mode: forced_list_entry(mode, "ALL", unused, {"A": False, "B": False}),
            lambda mode=mode: forced_live_draw(mode, "AB", (0.5, 0.5), 0.1, {"A": False, "B": False}),
        ):
            with pytest.raises(DomainRefusal) as refused:
                act()
            found.append(refused.value)
    with pytest.raises(DomainRefusal) as refused:
        check_supply_gate(SupplyGate.ALL_KIT_TYPES, {"K10": True, "K20": False})
    return [*found, refused.value]


def test_every_refusal_for_supply_has_the_same_words_and_names_no_arm_or_kit_type() -> None:
    assert len({(str(refusal), refusal.code) for refusal in refusals()}) == 1
    refusal = refusals()[0]
    assert refusal.code == NO_SUPPLY
    for word in str(refusal).replace(";", " ").replace(",", " ").split():
        assert word not in {"A", "B", "K10", "K20"}


@pytest.mark.parametrize(
    ("gate", "chosen", "lacking"),
    [
        (SupplyGate.NONE, (), ()),
        (SupplyGate.ALL_KIT_TYPES, (), ("K20", "K30")),
        (SupplyGate.CHOSEN_KIT_TYPES, ("K10",), ()),
        (SupplyGate.CHOSEN_KIT_TYPES, ("K20", "K10"), ("K20",)),
    ],
)
def test_a_gate_opens_by_the_kit_types_it_asks_for(gate, chosen, lacking) -> None:
    on_site = {"K10": True, "K20": False, "K30": False}
    assert lacking_kit_types(gate, on_site, chosen) == lacking
    if lacking:
        with pytest.raises(DomainRefusal):
            check_supply_gate(gate, on_site, chosen)
    else:
        check_supply_gate(gate, on_site, chosen)


def test_a_gate_on_chosen_kit_types_needs_some_that_are_known() -> None:
    with pytest.raises(InvalidParameter) as refused:
        check_supply_gate(SupplyGate.CHOSEN_KIT_TYPES, {"K10": True})
    assert refused.value.field == "gate_kit_types"
    with pytest.raises(RuleError):
        check_supply_gate(SupplyGate.CHOSEN_KIT_TYPES, {"K10": True}, ("K11",))


CHANCES = st.lists(st.integers(0, 9), min_size=3, max_size=3).filter(any)
SUPPLY = st.lists(st.booleans(), min_size=3, max_size=3)


@given(CHANCES, SUPPLY, st.floats(0, 1, exclude_max=True), st.sampled_from(MODES))
def test_a_live_draw_is_forced_only_when_the_scheduled_arm_lacks_and_the_mode_forces(
    parts, there, uniform, mode
) -> None:
    chances = [part / sum(parts) for part in parts]
    supply = dict(zip("ABC", there, strict=True))
    try:
        record = forced_live_draw(mode, "ABC", chances, uniform, supply)
    except DomainRefusal:
        assert mode is not ForcedMode.NONE
        assert not all(there)
        return
    assert record.scheduled == "ABC"[draw_arm(chances, uniform)]
    assert record.forced == (record.scheduled != record.assigned)
    assert record.forced == (record.second_uniform is not None)
    if mode is ForcedMode.NONE:
        assert not record.forced
    else:
        assert supply[record.assigned]
        assert record.forced == (not supply[record.scheduled])
    if mode in FORCING:
        assert sum(record.restricted) == pytest.approx(1)
    assert forced_live_draw(mode, record.arms, record.probabilities, record.uniform, supply) == record


@settings(max_examples=40)
@given(CHANCES, SUPPLY, st.sampled_from(FORCING))
def test_live_forcing_gives_each_arm_its_renormalised_probability(parts, there, mode) -> None:
    """By the measure of the uniforms that lead to it: a fine grid of them, so within the grid's step at each edge of a piece."""
    chances = np.array(parts) / sum(parts)
    assume((chances * there).sum() > 0)
    grid = 500
    supply = dict(zip("ABC", there, strict=True))
    drawn = [
        forced_live_draw(mode, "ABC", chances.tolist(), (place + 0.5) / grid, supply).assigned
        for place in range(grid)
    ]
    expected = chances * there / (chances * there).sum()
    for arm, share in zip("ABC", expected, strict=True):
        assert drawn.count(arm) / grid == pytest.approx(share, abs=6 / grid)


@pytest.mark.parametrize(
    "act",
    [
        lambda: forced_list_entry(ForcedMode.FR1, "ALL", [UnusedEntry(entries("A")[0])], {"B": True}),
        lambda: forced_list_entry(
            ForcedMode.FR1, "ALL", [UnusedEntry(entry) for entry in reversed(entries("AB"))], {"A": 1, "B": 1}
        ),
        lambda: forced_live_draw(ForcedMode.FR1, "AB", (0.5, 0.5), 0.1, {"A": True}),
        lambda: forced_live_draw(ForcedMode.FR1, "AB", (0.5, 0.6), 0.1, {"A": True, "B": True}),
        lambda: forced_live_draw(ForcedMode.FR1, "AB", (0.5, 0.5), 1.0, {"A": True, "B": True}),
    ],
    ids=["unknown arm", "out of sequence", "supply untold", "not summing", "no uniform"],
)
def test_values_that_do_not_fit_are_refused(act) -> None:
    with pytest.raises(RuleError):
        act()


def test_where_the_design_leaves_no_chance_to_what_is_there_the_shares_decide() -> None:
    supply = {"A": False, "B": True, "C": True}
    drawn = [
        forced_live_draw(ForcedMode.FR1, "ABC", (1.0, 0.0, 0.0), (place + 0.5) / 300, supply, (3, 1, 2))
        for place in range(300)
    ]
    assert Counter(one.assigned for one in drawn) == {"B": 100, "C": 200}
    assert all(one.forced and one.scheduled == "A" for one in drawn)
    with pytest.raises(DomainRefusal, match="cannot randomize"):
        forced_live_draw(ForcedMode.FR1, "AB", (1.0, 0.0), 0.2, {"A": False, "B": False}, (1, 1))
