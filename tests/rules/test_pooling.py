"""What a study lends of a pool: never what it keeps, the oldest first by the dates of whoever takes it, and never by kit number."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.errors import DomainRefusal, RuleError
from allocation.rules.expiry import ExpiryWindows
from allocation.rules.orders import KitTypeSupply, OrderPolicy
from allocation.rules.picking import KitCandidate
from allocation.rules.pooling import choose_kits_to_lend, quantities_at_site

TODAY = date(2026, 3, 2)
WINDOWS = ExpiryWindows(dns_days=30, dnc_days=20, dnd_days=15)


def kit(
    number: int, days: int, sequence: int, *, released: bool = True, available: bool = True
) -> KitCandidate:
    return KitCandidate(str(number), "A", available, released, TODAY + timedelta(days=days), sequence)


STOCK = st.lists(
    st.tuples(st.integers(0, 90), st.booleans(), st.booleans(), st.integers(-20, 20)), max_size=12
)


@given(STOCK, st.integers(0, 12), st.integers(0, 12))
def test_the_lender_keeps_its_own_and_lends_the_oldest_that_the_other_may_use(stock, quantity, keep) -> None:
    own = [kit(n, days, 100 - n, released=ok) for n, (days, ok, _, _) in enumerate(stock)]
    there = [kit(n, days + shift, 100 - n, released=ok) for n, (days, _, ok, shift) in enumerate(stock)]
    found = choose_kits_to_lend(own, there, quantity, keep, TODAY, WINDOWS, WINDOWS)
    last = TODAY + timedelta(days=30)
    usable_here = {n for n, one in enumerate(own) if one.released and one.expiry > last}
    usable_there = [n for n, one in enumerate(there) if one.released and one.expiry > last]
    in_order = sorted(usable_there, key=lambda n: (there[n].expiry, there[n].pick_sequence))
    assert found.usable == len(usable_here)
    assert found.chosen == tuple(in_order[: min(quantity, max(0, len(usable_here) - keep))])
    if found.chosen:
        assert len(usable_here - set(found.chosen)) >= keep
    assert sum(found.not_chosen.values()) == len(stock) - len(found.chosen)


def test_what_cannot_all_be_lent_is_refused_and_the_words_name_no_kit_type() -> None:
    stock = [kit(n, 90, n) for n in range(5)]
    found = choose_kits_to_lend(stock, stock, 3, 3, TODAY, WINDOWS, WINDOWS)
    assert len(found.chosen) == 2
    with pytest.raises(DomainRefusal, match="can lend 2 of 3 kits here: it has 5 and keeps 3") as caught:
        found.require_complete()
    assert caught.value.code == "pool-short"
    whole = choose_kits_to_lend(stock, stock, 2, 3, TODAY, WINDOWS, WINDOWS)
    assert whole.require_complete() is whole


def test_a_kit_that_the_other_study_has_had_before_stays() -> None:
    own = [kit(n, 90, n) for n in range(3)]
    there = [kit(n, 90, n, available=n > 0) for n in range(3)]
    found = choose_kits_to_lend(own, there, 1, 0, TODAY, WINDOWS, WINDOWS)
    assert (found.chosen, found.not_chosen) == ((1,), {"not_available": 1, "not_needed": 1})


def test_two_views_of_other_kits_and_negative_numbers_are_mistakes() -> None:
    stock = [kit(n, 90, n) for n in range(2)]
    with pytest.raises(RuleError, match="not of the same kits"):
        choose_kits_to_lend(stock, stock[:1], 1, 0, TODAY, WINDOWS, WINDOWS)
    with pytest.raises(RuleError, match="cannot lend -1"):
        choose_kits_to_lend(stock, stock, -1, 0, TODAY, WINDOWS, WINDOWS)


ALIKE = {code: KitTypeSupply(code, "LOOK", WINDOWS) for code in "ABC"} | {
    "D": KitTypeSupply("D", "OTHER", WINDOWS, 4)
}
COUNTS = st.dictionaries(st.sampled_from("ABCD"), st.integers(0, 9))


@given(COUNTS, COUNTS)
def test_what_a_run_takes_at_a_site_can_be_lent_and_shows_no_single_kit_or_type(short, lendable) -> None:
    taken = quantities_at_site(short, lendable, ALIKE, OrderPolicy())
    assert all(0 < kits <= lendable.get(code, 0) for code, kits in taken.items())
    assert taken.get("D", 0) == min(short.get("D", 0), lendable.get("D", 0)) // 4 * 4
    alike = {code: kits for code, kits in taken.items() if code != "D"}
    assert len(alike) != 1
    assert sum(taken[code] > short.get(code, 0) for code in alike) <= 2, "raised for protection alone"


def test_a_group_takes_nothing_where_what_makes_it_up_cannot_be_lent() -> None:
    assert quantities_at_site({"A": 3}, {"A": 9}, ALIKE, OrderPolicy()) == {}
    assert quantities_at_site({"A": 3}, {"A": 2, "B": 1, "C": 1}, ALIKE, OrderPolicy()) == {
        "A": 2,
        "B": 1,
        "C": 1,
    }
