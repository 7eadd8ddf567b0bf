"""Whether an order that is planned goes out now, or waits for a later run: the smallest shipment, and the days between two orders.

Both save freight and never cost a dose: an order goes out at once if it is urgent, that is where the inventory of a kit type does not
even cover its scheduled demand D(0, SW), without any buffer. A site's seeding never waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from allocation.errors import InvalidParameter
from allocation.rules.compilable import compilable
from allocation.rules.resupply import ResupplyDecision

RULE_VERSION: Final = "order-timing/1"

GOES: Final = 0
TOO_SOON: Final = 1
TOO_SMALL: Final = 2
NEVER_ORDERED: Final = -1
"""Days since the last order of a site that has none."""


@compilable
def is_urgent(sai: int, d_short: int) -> bool:
    """Return whether the inventory of a kit type does not even cover its scheduled demand D(0, SW); both in kits."""
    return sai < d_short


@compilable
def order_waits(
    kits: int, urgent: bool, days_since_order: int, min_shipment_kits: int, days_between_orders: int
) -> int:
    """Return GOES, TOO_SOON (the last order is fewer than `days_between_orders` days ago) or TOO_SMALL (fewer kits than the least)."""
    if urgent:
        return GOES
    if days_since_order != NEVER_ORDERED and days_since_order < days_between_orders:
        return TOO_SOON
    if kits < min_shipment_kits:
        return TOO_SMALL
    return GOES


class Timing(StrEnum):
    """Whether an order goes out, and why not."""

    GOES = "goes"
    TOO_SOON = "too_soon"
    TOO_SMALL = "too_small"


_TIMING: Final = {GOES: Timing.GOES, TOO_SOON: Timing.TOO_SOON, TOO_SMALL: Timing.TOO_SMALL}


@dataclass(frozen=True, slots=True)
class TimingPolicy:
    """The study's limits: kits in the smallest shipment, and days from one order of a site to its next; 0 is no limit."""

    min_shipment_kits: int = 0
    days_between_orders: int = 0

    def __post_init__(self) -> None:
        """Check the ranges; raises InvalidParameter."""
        for field in ("min_shipment_kits", "days_between_orders"):
            if getattr(self, field) < 0:
                raise InvalidParameter(f"must be 0 or more, not {getattr(self, field)}", field=field)


@dataclass(frozen=True, slots=True)
class TimingDecision:
    """The record: `kits` of the planned order, `urgent_types` whose inventory does not cover D(0, SW), days since the last order."""

    rule_version: str
    timing: Timing
    kits: int
    urgent_types: tuple[str, ...]
    days_since_order: int | None
    policy: TimingPolicy


def decide_timing(
    decisions: Sequence[ResupplyDecision], kits: int, days_since_order: int | None, policy: TimingPolicy
) -> TimingDecision:
    """Decide whether an order of `kits` for one site goes out now; `days_since_order` None for a site that has had none."""
    urgent = tuple(one.kit_type for one in decisions if is_urgent(one.sai, one.d_short))
    since = NEVER_ORDERED if days_since_order is None else days_since_order
    outcome = order_waits(kits, bool(urgent), since, policy.min_shipment_kits, policy.days_between_orders)
    return TimingDecision(RULE_VERSION, _TIMING[outcome], kits, urgent, days_since_order, policy)
