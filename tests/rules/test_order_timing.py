"""An order waits for company or for its day, but never where scheduled visits are not covered."""

from __future__ import annotations

import pytest

from allocation.errors import InvalidParameter
from allocation.rules.order_timing import Timing, TimingPolicy, decide_timing
from allocation.rules.resupply import DueVisit, ResupplyParameters, decide_resupply

PARAMETERS = ResupplyParameters(short_window=14, long_window=42, min_buffer=2, max_buffer=4)
DUE = [DueVisit("S1", "V1", 5, 1), DueVisit("S2", "V1", 9, 1)]
LIMITS = TimingPolicy(min_shipment_kits=5, days_between_orders=7)


@pytest.mark.parametrize(
    ("on_hand", "kits", "since", "expected"),
    [
        (2, 4, None, Timing.TOO_SMALL),
        (2, 5, None, Timing.GOES),
        (2, 5, 6, Timing.TOO_SOON),
        (2, 5, 7, Timing.GOES),
        (2, 4, 6, Timing.TOO_SOON),
        (1, 1, 0, Timing.GOES),  # one kit for the two scheduled visits: urgent
    ],
)
def test_only_an_urgent_order_passes_the_limits(
    on_hand: int, kits: int, since: int | None, expected: Timing
) -> None:
    decision = decide_resupply("A", on_hand, 0, DUE, PARAMETERS)
    found = decide_timing([decision], kits, since, LIMITS)
    assert found.timing == expected
    assert found.urgent_types == (("A",) if on_hand < 2 else ())


def test_without_limits_nothing_waits() -> None:
    decision = decide_resupply("A", 2, 0, DUE, PARAMETERS)
    assert decide_timing([decision], 1, 0, TimingPolicy()).timing == Timing.GOES


@pytest.mark.parametrize("field", ["min_shipment_kits", "days_between_orders"])
def test_a_negative_limit_is_refused(field: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        TimingPolicy(**{field: -1})
    assert refused.value.field == field
