"""What a place asks of its depot: nothing that its own kits cover, the rest when it must leave, and depots chain."""

from hypothesis import given
from hypothesis import strategies as st

from allocation.rules.depot_demand import MINIMUM, asked_of_depot
from allocation.rules.resupply import DueVisit, ResupplyParameters, decide_resupply


def due(*offsets: int, quantity: int = 1) -> list[DueVisit]:
    return [DueVisit(f"P{n}", f"V{n}", offset, quantity) for n, offset in enumerate(offsets)]


def test_kits_beyond_the_minimum_cover_the_first_visits_and_the_rest_leaves_a_lead_time_before() -> None:
    asked = asked_of_depot("S01", due(25, 4, 9), sai=3, min_buffer=1, lead_time_days=5)
    assert asked == (DueVisit("P0", "V0", 20, 1),), (
        "visits on days 4 and 9 are covered by the two kits above the minimum"
    )


def test_what_is_missing_to_the_minimum_is_asked_for_at_once() -> None:
    asked = asked_of_depot("S01", due(9), sai=1, min_buffer=3, lead_time_days=2)
    assert asked == (DueVisit("S01", MINIMUM, 0, 2), DueVisit("P0", "V0", 7, 1))


def test_a_visit_is_covered_in_part() -> None:
    assert asked_of_depot("S01", due(10, quantity=3), 1, 0, 0) == (DueVisit("P0", "V0", 10, 2),)


def test_the_golden_sites_demand_orders_at_the_depot_by_the_same_rule() -> None:
    """Two sites with the golden subjects (due in 4, 9, 25 days, then every 21), min 1, SAI 2 and 4, lead time 5 days.

    Visits of one site up to day 47: 4, 9, 25, 25, 30, 46. SAI 2 covers the first, SAI 4 the first three; at the depot they count 5 days
    earlier: 4 20 20 25 41 and 20 25 41, all within 42 days. D(0, 14) = 1, D(0, 42) = 8.
    """
    visits = due(4, 9, 25, 25, 30, 46)
    asked = [
        *asked_of_depot("S01", visits, 2, 1, 5),
        *asked_of_depot("S02", visits, 4, 1, 5),
    ]
    assert sorted(visit.due_offset for visit in asked) == [4, 20, 20, 20, 25, 25, 41, 41]
    parameters = ResupplyParameters(14, 42, 2, 6)
    decision = decide_resupply("K", 2, 0, asked, parameters)
    assert (decision.d_short, decision.d_long) == (1, 8)
    assert (decision.trigger_level, decision.up_to_level, decision.quantity) == (3, 14, 12)
    assert decide_resupply("K", 2, 1, asked, parameters).quantity == 0


@given(
    st.lists(st.tuples(st.integers(-30, 90), st.integers(1, 4)), max_size=12),
    st.integers(0, 40),
    st.integers(0, 10),
    st.integers(0, 30),
)
def test_no_kit_is_asked_for_twice_and_none_is_left_out(
    visits: list[tuple[int, int]], sai: int, min_buffer: int, lead_time: int
) -> None:
    planned = [DueVisit(f"P{n}", "V", offset, quantity) for n, (offset, quantity) in enumerate(visits)]
    asked = asked_of_depot("S", planned, sai, min_buffer, lead_time)
    needed = min_buffer + sum(quantity for _, quantity in visits)
    assert sum(visit.quantity for visit in asked) == max(needed - sai, 0)
    assert all(visit.quantity > 0 for visit in asked)
    chained = asked_of_depot("D", asked, 0, 0, 3)
    assert sorted(visit.quantity for visit in chained) == sorted(visit.quantity for visit in asked)
