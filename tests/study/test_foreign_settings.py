"""Settings in other systems' words give the orders of those systems, whose conventions are stated here directly, without our rule."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.errors import InvalidParameter
from allocation.rules.resupply import DueVisit, LongWindowFrom, Trigger, decide_resupply
from allocation.study.foreign_settings import WORDS, MappedSettings, Vocabulary, map_settings


@dataclass(frozen=True)
class Site:
    """What every source system looks at: usable kits at the site, kits on their way, and (days from now, kits) of visits to come."""

    on_hand: int
    on_the_way: int
    visits: tuple[tuple[int, int], ...]

    @property
    def inventory(self) -> int:
        return self.on_hand + self.on_the_way

    def needed_within(self, days: int) -> int:
        """Kits for visits from now through that many days from now; a visit that is late, or today, is needed at once."""
        return sum(kits for day, kits in self.visits if days >= 1 and day <= days)


sites = st.builds(
    Site,
    st.integers(0, 12),
    st.integers(0, 6),
    st.lists(st.tuples(st.integers(-5, 80), st.integers(1, 3)), max_size=8).map(tuple),
)
few = st.integers(0, 5)


def order_of(mapped: MappedSettings, site: Site) -> int:
    """What the one resupply rule orders with the mapped parameters."""
    due = [DueVisit("S", f"V{number}", day, kits) for number, (day, kits) in enumerate(site.visits)]
    return decide_resupply("K", site.on_hand, site.on_the_way, due, mapped.parameters).quantity


# ------------------------------------------------------------------------------------ the sources, in their words


def order_by_trigger_weeks(site: Site, tw: int, rw: int, min_b: int, max_b: int) -> int:
    """Not sufficient to cover the demand of the trigger weeks plus MinB: order up to the resupply weeks plus MaxB."""
    if site.inventory >= site.needed_within(7 * tw) + min_b:
        return 0
    return site.needed_within(7 * rw) + max_b - site.inventory


def order_by_buffers(site: Site, min_b: int, max_b: int) -> int:
    """A kit type that reaches the minimum buffer is brought to the maximum buffer."""
    return max_b - site.inventory if site.inventory <= min_b else 0


def order_by_windows(site: Site, short: int, long: int, floor: int, ceiling: int) -> int:
    """Below floor plus the demand of the short window: up to ceiling plus that demand plus the demand of the long window after it."""
    trigger = floor + site.needed_within(short)
    demand_after = sum(kits for day, kits in site.visits if max(day, 1) in range(short + 1, short + long + 1))
    up_to = ceiling + site.needed_within(short) + demand_after
    return up_to - site.inventory if site.inventory < trigger else 0


def order_by_check_range(site: Site, check: int, maximum: int, trigger_buffer: int, ceiling: int) -> int:
    """At or under trigger buffer plus what the check range dispenses: up to ceiling buffer plus what the maximum range dispenses."""
    if site.inventory > trigger_buffer + site.needed_within(check):
        return 0
    return ceiling + site.needed_within(maximum) - site.inventory


def values(vocabulary: Vocabulary, *given: int | None) -> dict[str, int | None]:
    return dict(zip(WORDS[vocabulary].quantities, given, strict=True))


@given(sites, few, few, few, few)
def test_trigger_weeks_give_the_orders_of_the_source(
    site: Site, tw: int, more: int, low: int, gap: int
) -> None:
    mapped = map_settings(
        Vocabulary.TRIGGER_WEEKS,
        values(Vocabulary.TRIGGER_WEEKS, 1 + tw, 1 + tw + more, low, low + gap),
    )
    assert order_of(mapped, site) == order_by_trigger_weeks(site, 1 + tw, 1 + tw + more, low, low + gap)


@given(sites, few, few)
def test_a_line_without_weeks_gives_the_orders_of_buffers_alone(site: Site, low: int, gap: int) -> None:
    mapped = map_settings(
        Vocabulary.TRIGGER_WEEKS, values(Vocabulary.TRIGGER_WEEKS, None, None, low, low + gap)
    )
    assert order_of(mapped, site) == order_by_buffers(site, low, low + gap)


@given(sites, st.integers(0, 40), st.integers(0, 40), few, few)
def test_windows_with_floor_and_ceiling_give_the_orders_of_the_source(
    site: Site, short: int, long: int, low: int, gap: int
) -> None:
    mapped = map_settings(Vocabulary.WINDOWS, values(Vocabulary.WINDOWS, short, long, low, low + gap))
    assert order_of(mapped, site) == order_by_windows(site, short, long, low, low + gap)


@given(sites, st.integers(0, 40), st.integers(0, 40), few, few)
def test_check_ranges_give_the_orders_of_the_source(
    site: Site, check: int, more: int, low: int, gap: int
) -> None:
    mapped = map_settings(
        Vocabulary.CHECK_RANGE, values(Vocabulary.CHECK_RANGE, check, check + more, low, low + gap)
    )
    assert order_of(mapped, site) == order_by_check_range(site, check, check + more, low, low + gap)


# The field's three subjects (due in 4, 9 and 25 days, then every 21): resupply.md, "Golden vectors".
FIELD = tuple((first + 21 * step, 1) for first in (4, 9, 25) for step in range(4))


@pytest.mark.parametrize(
    ("vocabulary", "given", "stock", "order"),
    [
        (Vocabulary.TRIGGER_WEEKS, (2, 6, 1, 2), 1, 6),
        (Vocabulary.TRIGGER_WEEKS, (2, 6, 1, 2), 2, 5),
        (Vocabulary.TRIGGER_WEEKS, (2, 6, 1, 2), 3, 0),
        (Vocabulary.TRIGGER_WEEKS, (1, 4, 1, 2), 1, 5),
        (Vocabulary.TRIGGER_WEEKS, (1, 4, 1, 2), 2, 0),
        (Vocabulary.TRIGGER_WEEKS, (None, None, 2, 6), 2, 4),
        (Vocabulary.TRIGGER_WEEKS, (2, 6, None, None), 1, 4),
        (Vocabulary.WINDOWS, (14, 42, 1, 2), 1, 9),
        (Vocabulary.WINDOWS, (14, 42, 1, 2), 2, 8),
        (Vocabulary.WINDOWS, (14, 42, 1, 2), 3, 0),
        (Vocabulary.WINDOWS, (7, 28, 1, 2), 1, 6),
        (Vocabulary.WINDOWS, (None, None, 2, 6), 2, 0),
        (Vocabulary.CHECK_RANGE, (14, 42, 1, 2), 2, 5),
        (Vocabulary.CHECK_RANGE, (14, 42, 1, 2), 3, 4),
        (Vocabulary.CHECK_RANGE, (14, 42, 1, 2), 4, 0),
        (Vocabulary.CHECK_RANGE, (None, None, 2, 6), 2, 4),
    ],
)  # fmt: skip
def test_the_golden_vectors_come_out_in_every_vocabulary(
    vocabulary: Vocabulary, given: tuple[int | None, ...], stock: int, order: int
) -> None:
    assert order_of(map_settings(vocabulary, values(vocabulary, *given)), Site(stock, 0, FIELD)) == order


@pytest.mark.parametrize("day", [13, 14, 15])
def test_a_week_has_seven_days_and_its_last_one_counts(day: int) -> None:
    mapped = map_settings(Vocabulary.TRIGGER_WEEKS, values(Vocabulary.TRIGGER_WEEKS, 2, 2, 0, 2))
    assert (order_of(mapped, Site(0, 0, ((day, 1),))) > 0) is (day <= 14)


@pytest.mark.parametrize(
    ("vocabulary", "column"),
    [
        (Vocabulary.TRIGGER_WEEKS, "trigger"),
        (Vocabulary.WINDOWS, "long_window_from"),
        (Vocabulary.CHECK_RANGE, "check_range"),
    ],
)
def test_what_the_source_is_known_to_do_goes_before_the_convention_and_leaves_no_doubt_of_it(
    vocabulary: Vocabulary, column: str
) -> None:
    given = values(vocabulary, 2, 6, 1, 3)
    mapped = map_settings(vocabulary, given, Trigger.AT, LongWindowFrom.END_OF_SHORT_WINDOW)
    assert (mapped.parameters.trigger, mapped.parameters.long_window_from) == ("at", "end_of_short_window")
    assert mapped.doubts == ()
    assert [one.column for one in map_settings(vocabulary, given).doubts] == [column]


@pytest.mark.parametrize(
    ("vocabulary", "given", "column"),
    [
        (Vocabulary.WINDOWS, (14, 28, None, None), "floor"),
        (Vocabulary.WINDOWS, (14, 28, 1, 2), "ceiling"),
        (Vocabulary.CHECK_RANGE, (14, None, 1, 3), "maximum_range"),
    ],
)
def test_what_may_mean_something_else_is_doubted_at_its_column(
    vocabulary: Vocabulary, given: tuple[int | None, ...], column: str
) -> None:
    assert column in [one.column for one in map_settings(vocabulary, values(vocabulary, *given)).doubts]


def test_a_first_shipment_that_triggers_at_once_is_doubted() -> None:
    given = {**values(Vocabulary.WINDOWS, 14, 28, 2, 4), "initial_shipment": 1}
    mapped = map_settings(Vocabulary.WINDOWS, given, long_window_from=LongWindowFrom.TODAY)
    assert mapped.seed_quantity == 1
    assert [one.column for one in mapped.doubts] == ["initial_shipment"]


@pytest.mark.parametrize(
    ("vocabulary", "given", "column", "message"),
    [
        (Vocabulary.TRIGGER_WEEKS, (4, 2, 1, 3), "resupply_weeks", "2 is less than trigger_weeks 4"),
        (Vocabulary.TRIGGER_WEEKS, (None, 4, 1, 3), "trigger_weeks", "is empty"),
        (Vocabulary.WINDOWS, (7, None, 1, 3), "long_window", "is empty"),
        (Vocabulary.WINDOWS, (7, 14, 4, 3), "ceiling", "3 is less than floor 4"),
        (Vocabulary.CHECK_RANGE, (None, None, None, 3), "trigger_buffer", "nothing would ever be ordered"),
        (Vocabulary.CHECK_RANGE, (7, 14, -1, 3), "trigger_buffer", "-1 is below 0"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_the_words_of_the_file(
    vocabulary: Vocabulary, given: tuple[int | None, ...], column: str, message: str
) -> None:
    with pytest.raises(InvalidParameter, match=message) as refused:
        map_settings(vocabulary, values(vocabulary, *given))
    assert refused.value.field == column
    assert refused.value.fix
