"""Order assembly: consolidation, rounding, blinding protection, lot choice, and what happens when the depot runs short."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.errors import InvalidParameter, RuleError
from allocation.rules.expiry import ExpiryWindows, may_ship
from allocation.rules.orders import (
    Consolidation,
    KitTypeSupply,
    LotChoice,
    OrderLine,
    OrderPolicy,
    Raised,
    check_blinding_gap,
    fill_order,
    plan_order,
    plan_seeding,
)
from allocation.rules.picking import KitCandidate
from allocation.rules.resupply import ResupplyDecision, ResupplyParameters, Trigger, decide_resupply

TODAY = date(2026, 6, 1)
WINDOWS = ExpiryWindows(60, 30, 10)
PARAMETERS = ResupplyParameters(0, 28, min_buffer=2, max_buffer=6, trigger=Trigger.AT)
TRIGGERED_ONLY = OrderPolicy(consolidation=Consolidation.TRIGGERED_TYPES_ONLY)
OPEN = replace(TRIGGERED_ONLY, single_kit_protection=False, single_type_protection=False)
TYPES = {
    "A": KitTypeSupply("A", "STUDY DRUG", WINDOWS),
    "B": KitTypeSupply("B", "STUDY DRUG", WINDOWS),
    "C": KitTypeSupply("C", "STUDY DRUG", WINDOWS),
    "RESCUE": KitTypeSupply("RESCUE", "RESCUE", WINDOWS),
}


def decisions(**stock: int) -> list[ResupplyDecision]:
    return [decide_resupply(kit_type, on_hand, 0, [], PARAMETERS) for kit_type, on_hand in stock.items()]


def ordered(lines: tuple[OrderLine, ...]) -> dict[str, int]:
    return {line.kit_type: line.ordered for line in lines}


def depot(**stock: int) -> list[KitCandidate]:
    return [
        KitCandidate(f"{kit_type}{turn}", kit_type, True, True, date(2027, 1, 1), turn)
        for kit_type, count in stock.items()
        for turn in range(count)
    ]


def test_one_trigger_tops_up_every_type_or_only_its_own() -> None:
    stock = decisions(A=2, B=3, C=5)
    assert ordered(plan_order(stock, TYPES, OPEN)) == {"A": 4}
    assert ordered(plan_order(stock, TYPES, OrderPolicy())) == {"A": 4, "B": 3, "C": 1}


def test_no_trigger_means_no_order_even_when_all_types_are_consolidated() -> None:
    assert plan_order(decisions(A=3, B=4, C=5), TYPES, OrderPolicy()) == ()


def test_overstock_is_never_ordered_nor_taken_back() -> None:
    assert ordered(plan_order(decisions(A=0, B=9, C=9), TYPES, OrderPolicy()))["A"] == 6
    lines = {line.kit_type: line for line in plan_order(decisions(A=0, B=9, C=9), TYPES, OrderPolicy())}
    assert (lines["B"].needed, lines["B"].raised) == (0, (Raised.SINGLE_TYPE,))


@pytest.mark.parametrize(("block_size", "quantity"), [(1, 4), (2, 4), (3, 6), (4, 4), (5, 5), (10, 10)])
def test_quantities_are_rounded_up_to_the_block_size(block_size, quantity) -> None:
    types = {"RESCUE": KitTypeSupply("RESCUE", "RESCUE", WINDOWS, block_size)}
    (line,) = plan_order(decisions(RESCUE=2), types, TRIGGERED_ONLY)
    assert (line.needed, line.ordered) == (4, quantity)
    assert (Raised.BLOCK_SIZE in line.raised) == (quantity > 4)


def test_a_single_type_of_a_blinding_group_brings_its_fellows_along() -> None:
    lines = plan_order(decisions(A=2, B=5, C=5, RESCUE=5), TYPES, TRIGGERED_ONLY)
    assert ordered(lines) == {"A": 4, "B": 1, "C": 1}
    assert [line.raised for line in lines] == [(), (Raised.SINGLE_TYPE,), (Raised.SINGLE_TYPE,)]


def test_a_fellow_comes_in_whole_blocks() -> None:
    types = {**TYPES, "B": replace(TYPES["B"], block_size=4)}
    assert ordered(plan_order(decisions(A=2, B=5), types, TRIGGERED_ONLY)) == {"A": 4, "B": 4}


def test_a_single_kit_is_raised_to_two_where_fellows_cannot_come_along() -> None:
    parameters = ResupplyParameters(0, 0, min_buffer=5, max_buffer=6, trigger=Trigger.AT)
    (line,) = plan_order([decide_resupply("A", 5, 0, [], parameters)], TYPES, TRIGGERED_ONLY)
    assert (line.needed, line.ordered, line.raised) == (1, 2, (Raised.SINGLE_KIT,))


def test_a_group_of_one_type_has_nothing_to_hide() -> None:
    parameters = ResupplyParameters(0, 0, min_buffer=5, max_buffer=6, trigger=Trigger.AT)
    (line,) = plan_order([decide_resupply("RESCUE", 5, 0, [], parameters)], TYPES, TRIGGERED_ONLY)
    assert (line.ordered, line.raised) == (1, ())


def test_a_kit_type_decided_twice_or_unknown_is_a_defect_of_the_caller() -> None:
    with pytest.raises(RuleError):
        plan_order(decisions(A=0) * 2, TYPES, OrderPolicy())
    with pytest.raises(RuleError):
        plan_order(decisions(X=0), TYPES, OrderPolicy())


def test_a_first_shipment_is_rounded_and_protected_like_any_other() -> None:
    types = {**TYPES, "A": replace(TYPES["A"], block_size=3)}
    windows = dict.fromkeys(types, 28)
    seeded = ordered(plan_seeding({"A": 4, "B": 0, "C": 0, "RESCUE": 1}, windows, types, OrderPolicy()))
    assert seeded == {"A": 6, "B": 1, "C": 1, "RESCUE": 1}
    assert plan_seeding({"A": 0, "B": 0}, windows, types, OrderPolicy()) == ()
    with pytest.raises(RuleError):
        plan_seeding({"X": 4}, windows, types, OrderPolicy())


def test_the_depot_ships_each_line_by_expiry() -> None:
    kits = depot(A=5, B=5)
    kits[4] = replace(kits[4], expiry=date(2026, 12, 1))
    proposal = fill_order(
        plan_order(decisions(A=2, B=2), TYPES, OrderPolicy()), kits, TYPES, TODAY, OrderPolicy()
    )
    assert [kits[index].key for index in proposal.shipped] == ["A4", "A0", "A1", "A2", "B0", "B1", "B2", "B3"]
    assert (proposal.shortfall, proposal.exposed_groups) == (0, ())


def test_a_short_depot_ships_what_there_is_and_reports_the_shortfall() -> None:
    lines = plan_order(decisions(A=2, B=2), TYPES, OrderPolicy())
    proposal = fill_order(lines, depot(A=1, B=9), TYPES, TODAY, OrderPolicy())
    assert [(line.line.kit_type, len(line.shipped), line.shortfall) for line in proposal.lines] == [
        ("A", 1, 3),
        ("B", 4, 0),
    ]
    assert proposal.exposed_groups == ()


def test_an_empty_depot_ships_nothing() -> None:
    proposal = fill_order(plan_order(decisions(A=2), TYPES, OPEN), [], TYPES, TODAY, OPEN)
    assert (proposal.shipped, proposal.shortfall, proposal.exposed_groups) == ((), 4, ())


@pytest.mark.parametrize("stock", [{"A": 0, "B": 9}, {"A": 1, "B": 0}])
def test_a_shortage_that_undoes_the_blinding_is_named_and_can_be_withheld(stock) -> None:
    lines = plan_order(decisions(A=2, B=2), TYPES, OrderPolicy())
    shipped = fill_order(lines, depot(**stock), TYPES, TODAY, OrderPolicy())
    assert shipped.exposed_groups == ("STUDY DRUG",)
    assert len(shipped.shipped) == min(sum(stock.values()), 4)
    withheld = fill_order(lines, depot(**stock), TYPES, TODAY, OrderPolicy(withhold_exposed=True))
    assert withheld.shipped == ()
    assert sum(line.withheld for line in withheld.lines) == len(shipped.shipped)
    assert withheld.shortfall == shipped.shortfall


def test_a_last_kit_of_a_group_of_one_type_exposes_nothing_and_ships() -> None:
    policy = OrderPolicy(withhold_exposed=True)
    lines = plan_order(decisions(RESCUE=2), TYPES, policy)
    proposal = fill_order(lines, depot(RESCUE=1), TYPES, TODAY, policy)
    assert (proposal.shipped, proposal.shortfall, proposal.exposed_groups) == ((0,), 3, ())


def test_few_shipments_send_newer_stock_within_the_long_window() -> None:
    old = KitCandidate("old", "A", True, True, TODAY + timedelta(days=61), 1)
    new = KitCandidate("new", "A", True, True, TODAY + timedelta(days=300), 2)
    line = OrderLine("A", "STUDY DRUG", 1, 1, (), PARAMETERS.long_window)
    few = replace(OPEN, lot_choice=LotChoice.MIN_SHIPMENTS)
    assert fill_order([line], [old, new], TYPES, TODAY, OPEN).shipped == (0,)
    assert fill_order([line], [old, new], TYPES, TODAY, few).shipped == (1,)


def test_buffers_closer_than_two_are_refused_for_a_blinded_study() -> None:
    check_blinding_gap(1, 3)
    with pytest.raises(InvalidParameter) as refused:
        check_blinding_gap(1, 2)
    assert refused.value.field == "max_buffer"


def test_a_block_of_no_kits_is_refused() -> None:
    with pytest.raises(InvalidParameter):
        KitTypeSupply("A", "G", WINDOWS, 0)


stocks = st.fixed_dictionaries({kit_type: st.integers(0, 9) for kit_type in TYPES})
policies = st.builds(
    OrderPolicy,
    consolidation=st.sampled_from(Consolidation),
    lot_choice=st.sampled_from(LotChoice),
    withhold_exposed=st.just(True),
)
blocks = st.fixed_dictionaries({kit_type: st.integers(1, 4) for kit_type in TYPES})
kits_of_the_depot = st.lists(
    st.builds(
        KitCandidate,
        key=st.just("K"),
        kit_type=st.sampled_from(list(TYPES)),
        available=st.booleans() | st.just(True),
        released=st.booleans() | st.just(True),
        expiry=st.integers(-10, 200).map(lambda days: TODAY + timedelta(days=days)),
        pick_sequence=st.integers(1, 99),
    ),
    max_size=40,
)


@given(stocks, policies, blocks)
def test_an_order_covers_the_need_in_whole_blocks_and_hides_the_type(stock, policy, block_sizes) -> None:
    types = {
        kit_type: replace(supply, block_size=block_sizes[kit_type]) for kit_type, supply in TYPES.items()
    }
    lines = plan_order(decisions(**stock), types, policy)
    for line in lines:
        assert line.ordered >= max(line.needed, 1)
        assert line.ordered % block_sizes[line.kit_type] == 0
        assert (line.ordered > line.needed) == bool(line.raised)
    for decision in decisions(**stock):
        if decision.triggered:
            assert ordered(lines)[decision.kit_type] >= decision.quantity
    hidden = [line for line in lines if line.blinding_group == "STUDY DRUG"]
    assert len(hidden) != 1
    assert sum(line.ordered for line in hidden) != 1


@given(stocks, policies, kits_of_the_depot)
def test_no_shipment_holds_an_expired_a_foreign_or_a_telling_kit(stock, policy, kits) -> None:
    lines = plan_order(decisions(**stock), TYPES, policy)
    proposal = fill_order(lines, kits, TYPES, TODAY, policy)
    assert len(set(proposal.shipped)) == len(proposal.shipped)
    for filled in proposal.lines:
        assert len(filled.pick.chosen) + filled.shortfall == filled.line.ordered
        assert len(filled.shipped) + filled.withheld == len(filled.pick.chosen)
        for index in filled.shipped:
            assert kits[index].kit_type == filled.line.kit_type
            assert kits[index].available
            assert kits[index].released
            assert may_ship(TODAY, kits[index].expiry, WINDOWS)
    hidden = [kits[index].kit_type for index in proposal.shipped if kits[index].kit_type != "RESCUE"]
    assert len(set(hidden)) != 1
