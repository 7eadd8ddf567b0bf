"""When a site is resupplied with a kit type, and with how many kits: one function for the rules A, B and C.

    SAI     = countable kits on hand + kits in open orders                       (site available inventory)
    D(a, b) = kits that eligible subjects are scheduled to receive in (t+a, t+b] (projected dates, whole days)

    trigger level = min_buffer + D(0, SW)
    up-to level   = max_buffer + D(0, LW)                                        long_window_from = today
                  = max_buffer + D(0, SW) + D(SW, SW+LW)                         long_window_from = end_of_short_window
    order when SAI < trigger level (`below`) or SAI <= trigger level (`at`); quantity = up-to level - SAI

Rule A (min/max) is the case of windows 0, rule B (predictive) the case of buffers 0 and trigger `below`. The rules D and E
differ only in where the two buffers come from: computed_buffer.py (a demand quantile) and banded_buffer.py (a band by active
subjects) give `min_buffer` and `max_buffer` to this function; rule F is an alert and no order. Source: field note resupply.md.
Which subjects count is decided in demand.py; what leaves the depot for the quantities found here in orders.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from allocation.errors import InvalidParameter, RuleError
from allocation.rules.compilable import IntArray, compilable
from allocation.rules.expiry import allowed_on_day

RULE_VERSION: Final = "resupply-combined/1"

TRIGGER_BELOW: Final = 0
TRIGGER_AT: Final = 1
COUNTS: Final = 0
NOT_RELEASED: Final = 1
EXPIRED: Final = 2
PAST_COUNT_DATE: Final = 3
FROM_TODAY: Final = 0
FROM_END_OF_SHORT_WINDOW: Final = 1


@compilable
def due_in_window(due_offset: int, after: int, until: int) -> bool:
    """Return whether a visit due in `due_offset` days from the run date t is in the window (t+after, t+until].

    A visit that is due today (offset 0) or overdue (negative) and neither done nor missed counts as due now. "Now" is the first day of a
    window that begins now, so such a visit is taken at offset 1: it is in D(0, b) for each b >= 1, in no D(a, b) with
    a >= 1, and D(0, 0) is 0, which keeps D(0, a) + D(a, b) = D(0, b) and rule A (windows 0) free of demand.
    """
    return after < max(due_offset, 1) <= until


@compilable
def demand_in_window(due_offsets: IntArray, quantities: IntArray, after: int, until: int) -> int:
    """Return D(after, until): the kits due in (t+after, t+until], by offsets in whole days from the run date t.

    `due_offsets[i]` is projected date minus t and `quantities[i]` the kits of this type at that visit; see `due_in_window`.
    """
    total = 0
    for i in range(len(due_offsets)):
        if due_in_window(due_offsets[i], after, until):
            total += quantities[i]
    return total


@compilable
def resupply_quantity(
    sai: int,
    d_short: int,
    d_long: int,
    d_after_short: int,
    min_buffer: int,
    max_buffer: int,
    trigger: int,
    long_window_from: int,
) -> tuple[bool, int, int, int]:
    """Return (triggered, trigger level, up-to level, quantity), all in kits, by the formula of this module.

    `d_short` is D(0, SW), `d_long` D(0, LW), `d_after_short` D(SW, SW+LW); the one that `long_window_from` does not use
    is ignored. The quantity is 0 when not triggered, and never negative.
    """
    trigger_level = min_buffer + d_short
    to_the_end = d_short + d_after_short if long_window_from == FROM_END_OF_SHORT_WINDOW else d_long
    up_to_level = max_buffer + to_the_end
    triggered = sai < trigger_level or (trigger == TRIGGER_AT and sai == trigger_level)
    quantity = max(up_to_level - sai, 0) if triggered else 0
    return triggered, trigger_level, up_to_level, quantity


@compilable
def stock_use(released: bool, expiry_day: int, dnc_days: int, today: int) -> int:
    """Return whether an available kit at the site counts as on hand, and why not: COUNTS, NOT_RELEASED, EXPIRED, PAST_COUNT_DATE."""
    if not released:
        return NOT_RELEASED
    if not allowed_on_day(today, expiry_day, 0):
        return EXPIRED
    if not allowed_on_day(today, expiry_day, dnc_days):
        return PAST_COUNT_DATE
    return COUNTS


@compilable
def countable_on_hand(counts: IntArray, expiry_days: IntArray, dnc_days: int, today: int) -> int:
    """Return how many kits count as on hand: `today` on the countable side of their DNC date.

    `counts` are the available and released kits of each pile. Since DNC >= 0, a countable kit is never an expired one.
    """
    kits = 0
    for i in range(len(counts)):
        if stock_use(counts[i] > 0, expiry_days[i], dnc_days, today) == COUNTS:
            kits += counts[i]
    return kits


class Trigger(StrEnum):
    """Whether reaching the trigger level orders, or only falling below it."""

    AT = "at"
    BELOW = "below"


class LongWindowFrom(StrEnum):
    """Where the long window starts: vendors differ, and a sponsor who migrates would get other shipments."""

    TODAY = "today"
    END_OF_SHORT_WINDOW = "end_of_short_window"


@dataclass(frozen=True, slots=True)
class ResupplyParameters:
    """The IP thresholds of one site and kit type: windows in whole days, buffers in kits; checked on construction.

    Raises InvalidParameter naming the field: negative values, max below min, or a long window (from today) shorter than
    the short one, which could order up to less than the trigger level.
    """

    short_window: int
    long_window: int
    min_buffer: int
    max_buffer: int
    trigger: Trigger = Trigger.BELOW
    long_window_from: LongWindowFrom = LongWindowFrom.TODAY

    def __post_init__(self) -> None:
        """Check the ranges."""
        for field in ("short_window", "long_window", "min_buffer", "max_buffer"):
            value = getattr(self, field)
            if value < 0:
                raise InvalidParameter(
                    f"must be 0 or more, not {value}", field=field, fix="give a whole number from 0"
                )
        if self.max_buffer < self.min_buffer:
            raise InvalidParameter(
                f"{self.max_buffer} is less than min_buffer {self.min_buffer}",
                field="max_buffer",
                fix="the up-to level must not be below the trigger level",
            )
        if self.long_window_from == LongWindowFrom.TODAY and self.long_window < self.short_window:
            raise InvalidParameter(
                f"{self.long_window} is less than short_window {self.short_window}",
                field="long_window",
                fix="make it at least the short window, or count it from end_of_short_window",
            )


@dataclass(frozen=True, slots=True)
class DueVisit:
    """Kits of the type that one subject is projected to receive at one visit; `due_offset` in days from the run date."""

    subject: str
    visit: str
    due_offset: int
    quantity: int


@dataclass(frozen=True, slots=True)
class ResupplyDecision:
    """The record of one decision: inputs, each subject visit counted, and result, so that it can be derived again.

    Counts are kits. `top_up` is what would bring the inventory to the up-to level whether or not the trigger was
    reached; consolidation of all types uses it. `counted` holds the due visits inside the longest window used.
    """

    rule_version: str
    kit_type: str
    on_hand: int
    pipeline: int
    sai: int
    d_short: int
    d_long: int
    d_after_short: int
    parameters: ResupplyParameters
    counted: tuple[DueVisit, ...]
    triggered: bool
    trigger_level: int
    up_to_level: int
    quantity: int
    top_up: int


def decide_resupply(
    kit_type: str,
    on_hand: int,
    pipeline: int,
    due_visits: Sequence[DueVisit],
    parameters: ResupplyParameters,
) -> ResupplyDecision:
    """Decide the resupply of one kit type at one site on one run date.

    `on_hand` are the countable kits (`countable_on_hand`), `pipeline` the kits in open orders whose status counts by the
    study's parameter (cancelled and lost shipments never do). `due_visits` may reach beyond the windows.
    Raises RuleError for a negative count, and InvalidParameter for a negative quantity of a visit.
    """
    if on_hand < 0 or pipeline < 0:
        raise RuleError(f"on_hand {on_hand} and pipeline {pipeline} must be 0 or more", field="on_hand")
    for due in due_visits:
        if due.quantity < 0:
            raise InvalidParameter(
                f"visit {due.visit} of subject {due.subject} has quantity {due.quantity}", field="quantity"
            )
    offsets = np.array([due.due_offset for due in due_visits], dtype=np.int64)
    quantities = np.array([due.quantity for due in due_visits], dtype=np.int64)
    short, long = parameters.short_window, parameters.long_window
    d_short = int(demand_in_window(offsets, quantities, 0, short))
    d_long = int(demand_in_window(offsets, quantities, 0, long))
    d_after_short = int(demand_in_window(offsets, quantities, short, short + long))
    from_end = parameters.long_window_from == LongWindowFrom.END_OF_SHORT_WINDOW
    horizon = short + long if from_end else long
    sai = on_hand + pipeline
    triggered, trigger_level, up_to_level, quantity = resupply_quantity(
        sai,
        d_short,
        d_long,
        d_after_short,
        parameters.min_buffer,
        parameters.max_buffer,
        TRIGGER_AT if parameters.trigger == Trigger.AT else TRIGGER_BELOW,
        FROM_END_OF_SHORT_WINDOW if from_end else FROM_TODAY,
    )
    return ResupplyDecision(
        rule_version=RULE_VERSION,
        kit_type=kit_type,
        on_hand=on_hand,
        pipeline=pipeline,
        sai=sai,
        d_short=d_short,
        d_long=d_long,
        d_after_short=d_after_short,
        parameters=parameters,
        counted=tuple(due for due in due_visits if due_in_window(due.due_offset, 0, horizon)),
        triggered=triggered,
        trigger_level=trigger_level,
        up_to_level=up_to_level,
        quantity=quantity,
        top_up=max(up_to_level - sai, 0),
    )
