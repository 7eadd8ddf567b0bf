"""Which kits are taken: at a site for a subject, at a depot for a shipment.

Order of choice: earliest expiry, then ascending pick sequence (random, see kit_numbers.py), NEVER kit number: a kit number
that follows the order of use would tell one arm from another. A kit is a candidate when it has the right type, is available
at the place of the act, is released for the country, and the act is allowed on that day (expiry.py).

The answer is a decision record: the chosen kits and, for each other candidate, why it was not taken. The record names kit
types and lots by its nature, so it is for unblinded readers and the ledger; `NoUsableKit` tells a blinded user nothing.
The choice itself is in pile_picking.py, to which a kit is a pile of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

import numpy as np

from allocation.errors import NoUsableKit, RuleError
from allocation.rules.compilable import NO_DAY
from allocation.rules.expiry import ExpiryWindows
from allocation.rules.pile_picking import (
    EXPIRED,
    LOT_OFF,
    LOT_REQUIRED,
    LOT_WHERE_POSSIBLE,
    NOT_AVAILABLE,
    NOT_RELEASED,
    NOT_VALID_LONG_ENOUGH,
    PAST_LAST_DATE,
    USABLE,
    WRONG_TYPE,
    kit_usability,
    pick_kits,
)

RULE_VERSION: Final = "earliest-expiry/1"


class SameLot(StrEnum):
    """Whether the kits of one type that are handed out together come from one lot."""

    OFF = "off"
    WHERE_POSSIBLE = "where_possible"
    REQUIRED = "required"


SAME_LOT_CODES: Final = {
    SameLot.OFF: LOT_OFF,
    SameLot.WHERE_POSSIBLE: LOT_WHERE_POSSIBLE,
    SameLot.REQUIRED: LOT_REQUIRED,
}
"""The integer that the compilable rule takes for each choice."""


class NotChosen(StrEnum):
    """Why a candidate kit was not taken."""

    WRONG_TYPE = "wrong_type"
    NOT_AVAILABLE = "not_available"
    NOT_RELEASED = "not_released"
    EXPIRED = "expired"
    PAST_LAST_DATE = "past_last_date"
    NOT_VALID_LONG_ENOUGH = "not_valid_long_enough"
    NOT_NEEDED = "not_needed"
    OTHER_LOT = "other_lot"


_REASONS: Final[dict[int, NotChosen]] = {
    WRONG_TYPE: NotChosen.WRONG_TYPE,
    NOT_AVAILABLE: NotChosen.NOT_AVAILABLE,
    NOT_RELEASED: NotChosen.NOT_RELEASED,
    EXPIRED: NotChosen.EXPIRED,
    PAST_LAST_DATE: NotChosen.PAST_LAST_DATE,
    NOT_VALID_LONG_ENOUGH: NotChosen.NOT_VALID_LONG_ENOUGH,
}


@dataclass(frozen=True, slots=True)
class KitCandidate:
    """A kit as picking sees it. `available` means: in the status from which this act may take it, at this place.

    `expiry` is the date that binds the kit in the destination country (`expiry.kit_expiry_date`); `released` says whether
    its lot is released for that country. `key` only labels the record; it never orders the choice. `lot` counts only where kits
    must be of one lot.
    """

    key: str
    kit_type: str
    available: bool
    released: bool
    expiry: date
    pick_sequence: int
    lot: str = ""


@dataclass(frozen=True, slots=True)
class PickDecision:
    """The record of one choice. `chosen` are indexes into the candidates, in the order of taking; counts are kits.

    `not_chosen` holds (index, reason) of every other candidate; `shortfall` is what was asked for and could not be found.
    """

    rule_version: str
    kit_type: str
    quantity: int
    today: date
    days_before_expiry: int
    must_stay_valid_until: date | None
    chosen: tuple[int, ...]
    not_chosen: tuple[tuple[int, NotChosen], ...]

    @property
    def shortfall(self) -> int:
        """Kits asked for and not found."""
        return self.quantity - len(self.chosen)

    def require_complete(self) -> PickDecision:
        """Return itself, or raise NoUsableKit (which names no kit type: the type would tell the arm)."""
        if self.shortfall:
            raise NoUsableKit(
                "there is no usable kit at this place for what is to be dispensed",
                field="visit_code",
                fix="ask the supply manager for a resupply; nothing was dispensed",
            )
        return self


def choose_kits_at_site(
    candidates: Sequence[KitCandidate],
    kit_type: str,
    quantity: int,
    today: date,
    windows: ExpiryWindows,
    must_stay_valid_until: date | None = None,
    same_lot: SameLot = SameLot.OFF,
) -> PickDecision:
    """Choose kits to dispense at a site on `today` (the site's date), within the kit type's do-not-dispense window.

    `must_stay_valid_until`: the last day of the subject's next dispensing window (dynamic DND). `same_lot`: `where_possible` takes the
    plain choice where no lot has enough kits, `required` takes as many as
    one lot has then: fewer than asked for.
    """
    until = must_stay_valid_until
    return _choose(candidates, kit_type, quantity, today, windows.dnd_days, until, NO_DAY, same_lot)


def choose_kits_for_shipping(
    candidates: Sequence[KitCandidate],
    kit_type: str,
    quantity: int,
    today: date,
    windows: ExpiryWindows,
    min_shipments_window: int | None = None,
    same_lot: SameLot = SameLot.OFF,
) -> PickDecision:
    """Choose kits to ship from a depot on `today` (the depot's date), within the kit type's do-not-ship window.

    `min_shipments_window` is the long window in days under `min_shipments`: kits with fewer days than that left until their
    do-not-ship date go last, so that the site gets newer stock. None is `min_wastage`: always the oldest that may ship.
    `same_lot`: as at a site; the lot is the one whose first kit would be taken earliest, among those that have enough.
    """
    short_dated_before = NO_DAY
    if min_shipments_window is not None:
        short_dated_before = today.toordinal() + windows.dns_days + min_shipments_window
    days = windows.dns_days
    return _choose(candidates, kit_type, quantity, today, days, None, short_dated_before, same_lot)


def _choose(
    candidates: Sequence[KitCandidate],
    kit_type: str,
    quantity: int,
    today: date,
    days_before_expiry: int,
    must_stay_valid_until: date | None,
    short_dated_before_day: int,
    same_lot: SameLot,
) -> PickDecision:
    if quantity < 0:
        raise RuleError(f"cannot choose {quantity} kits", field="quantity")
    today_day = today.toordinal()
    needed_day = NO_DAY if must_stay_valid_until is None else must_stay_valid_until.toordinal()
    right_type = np.array([kit.kit_type == kit_type for kit in candidates], dtype=np.bool_)
    counts = np.array([kit.available for kit in candidates], dtype=np.int64)
    released = np.array([kit.released for kit in candidates], dtype=np.bool_)
    expiry_days = np.array([kit.expiry.toordinal() for kit in candidates], dtype=np.int64)
    sequences = np.array([kit.pick_sequence for kit in candidates], dtype=np.int64)
    numbers = {lot: index for index, lot in enumerate(sorted({kit.lot for kit in candidates}))}
    lots = np.array([numbers[kit.lot] for kit in candidates], dtype=np.int64)
    piles, taken = np.empty_like(counts), np.empty_like(counts)
    found = pick_kits(
        quantity,
        right_type,
        counts,
        released,
        expiry_days,
        sequences,
        lots,
        days_before_expiry,
        today_day,
        needed_day,
        short_dated_before_day,
        SAME_LOT_CODES[same_lot],
        piles,
        taken,
    )
    chosen = tuple(int(index) for index in piles[:found])
    # A usable kit is left although kits are missing: only where all must be of one lot, and it is of another.
    not_needed = NotChosen.NOT_NEEDED if len(chosen) == quantity else NotChosen.OTHER_LOT
    reasons = {**_REASONS, USABLE: not_needed}
    chosen_kits = set(chosen)
    not_chosen = tuple(
        (
            index,
            reasons[
                kit_usability(
                    kit.kit_type == kit_type,
                    kit.available,
                    kit.released,
                    kit.expiry.toordinal(),
                    days_before_expiry,
                    today_day,
                    needed_day,
                )
            ],
        )
        for index, kit in enumerate(candidates)
        if index not in chosen_kits
    )
    return PickDecision(
        rule_version=RULE_VERSION,
        kit_type=kit_type,
        quantity=quantity,
        today=today,
        days_before_expiry=days_before_expiry,
        must_stay_valid_until=must_stay_valid_until,
        chosen=chosen,
        not_chosen=not_chosen,
    )
