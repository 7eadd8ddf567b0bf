"""Which kits are taken: at a site for a subject, at a depot for a shipment.

Order of choice: earliest expiry, then ascending pick sequence (random, see kit_numbers.py), NEVER kit number: a kit number
that follows the order of use would tell one arm from another. A kit is a candidate when it has the right type, is available
at the place of the act, is released for the country, and the act is allowed on that day (expiry.py).

The answer is a decision record: the chosen kits and, for each other candidate, why it was not taken. The record names kit
types and lots by its nature, so it is for unblinded readers and the ledger; `NoUsableKit` tells a blinded user nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Final

import numpy as np

from allocation.errors import NoUsableKit, RuleError
from allocation.rules.compilable import NO_DAY, BoolArray, IntArray, compilable
from allocation.rules.expiry import ExpiryWindows, allowed_on_day, valid_through_day

RULE_VERSION: Final = "earliest-expiry/1"

USABLE: Final = 0
WRONG_TYPE: Final = 1
NOT_AVAILABLE: Final = 2
NOT_RELEASED: Final = 3
EXPIRED: Final = 4
PAST_LAST_DATE: Final = 5
NOT_VALID_LONG_ENOUGH: Final = 6


@compilable
def kit_usability(
    right_type: bool,
    available: bool,
    released: bool,
    expiry_day: int,
    days_before_expiry: int,
    today: int,
    must_stay_valid_until: int,
) -> int:
    """Return USABLE, or the code of the first reason why the kit cannot be taken on `today`.

    `days_before_expiry` is DND for dispensing and DNS for shipping; `must_stay_valid_until` is the last day on which the
    subject may still need the kit (dynamic DND), NO_DAY for none.
    """
    if not right_type:
        return WRONG_TYPE
    if not available:
        return NOT_AVAILABLE
    if not released:
        return NOT_RELEASED
    if not allowed_on_day(today, expiry_day, 0):
        return EXPIRED
    if not allowed_on_day(today, expiry_day, days_before_expiry):
        return PAST_LAST_DATE
    if not valid_through_day(expiry_day, must_stay_valid_until):
        return NOT_VALID_LONG_ENOUGH
    return USABLE


@compilable
def _taken_before(
    left: int, right: int, expiry_days: IntArray, pick_sequences: IntArray, short_dated_before_day: int
) -> bool:
    """Return whether kit `left` is taken before kit `right`: not short-dated, earlier expiry, lower pick sequence."""
    left_short = expiry_days[left] < short_dated_before_day
    right_short = expiry_days[right] < short_dated_before_day
    if left_short != right_short:
        return bool(right_short)
    if expiry_days[left] != expiry_days[right]:
        return bool(expiry_days[left] < expiry_days[right])
    return bool(pick_sequences[left] < pick_sequences[right])


@compilable
def pick_kits(
    quantity: int,
    right_type: BoolArray,
    available: BoolArray,
    released: BoolArray,
    expiry_days: IntArray,
    pick_sequences: IntArray,
    days_before_expiry: int,
    today: int,
    must_stay_valid_until: int,
    short_dated_before_day: int,
) -> IntArray:
    """Return the indexes of up to `quantity` kits to take, in the order of taking; fewer when not enough are usable.

    Kits that expire before `short_dated_before_day` are taken last (`min_shipments`); NO_DAY leaves the plain order of
    expiry (`min_wastage`). Two kits equal in all respects keep the order of the arrays. One pass with a sorted shortlist:
    time grows with candidates x quantity at worst, and without quantity where the arrays come in the order of choice.
    """
    chosen = np.empty(max(quantity, 0), dtype=np.int64)
    count = 0
    for i in range(len(expiry_days)):
        reason = kit_usability(
            right_type[i],
            available[i],
            released[i],
            expiry_days[i],
            days_before_expiry,
            today,
            must_stay_valid_until,
        )
        if reason != USABLE:
            continue
        place = count
        while place > 0 and _taken_before(
            i, chosen[place - 1], expiry_days, pick_sequences, short_dated_before_day
        ):
            place -= 1
        if place >= quantity:
            continue
        if count < quantity:
            count += 1
        for j in range(count - 1, place, -1):
            chosen[j] = chosen[j - 1]
        chosen[place] = i
    return chosen[:count]


@compilable
def pick_kits_of_one_lot(quantity: int, usable: IntArray, lots: IntArray) -> IntArray:
    """Return the first `quantity` of the `usable` kits (indexes in the order of taking) that are of one lot.

    Empty where no lot has so many. `lots` holds a number for each kit. The lot is the one whose first kit would be taken earliest, among
    those that have enough.
    """
    chosen = np.empty(max(quantity, 0), dtype=np.int64)
    for i in range(len(usable)):
        count = 0
        for j in range(i, len(usable)):
            if count < quantity and lots[usable[j]] == lots[usable[i]]:
                chosen[count] = usable[j]
                count += 1
        if count == quantity:
            return chosen
    return chosen[:0]


class SameLot(StrEnum):
    """Whether the kits of one type that are handed out together come from one lot."""

    OFF = "off"
    WHERE_POSSIBLE = "where_possible"
    REQUIRED = "required"


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
    USABLE: NotChosen.NOT_NEEDED,
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
    days, until = windows.dnd_days, must_stay_valid_until
    if same_lot == SameLot.OFF or quantity < 2:
        return _choose(candidates, kit_type, quantity, today, days, until, NO_DAY)
    usable = _choose(candidates, kit_type, len(candidates), today, days, until, NO_DAY)
    return _of_one_lot(usable, candidates, quantity, same_lot)


def _of_one_lot(
    usable: PickDecision, candidates: Sequence[KitCandidate], quantity: int, same_lot: SameLot
) -> PickDecision:
    """Narrow a choice of all usable kits to `quantity` of one lot, as `same_lot` says."""
    numbers = {lot: index for index, lot in enumerate(sorted({kit.lot for kit in candidates}))}
    lots = np.array([numbers[kit.lot] for kit in candidates], dtype=np.int64)
    order = np.array(usable.chosen, dtype=np.int64)
    wanted, why = quantity, NotChosen.NOT_NEEDED
    chosen = tuple(int(index) for index in pick_kits_of_one_lot(wanted, order, lots))
    if not chosen and same_lot == SameLot.WHERE_POSSIBLE:
        chosen = usable.chosen[:quantity]
    while not chosen and wanted > 1:
        wanted, why = wanted - 1, NotChosen.OTHER_LOT
        chosen = tuple(int(index) for index in pick_kits_of_one_lot(wanted, order, lots))
    left = tuple((index, why) for index in usable.chosen if index not in chosen)
    return replace(
        usable, quantity=quantity, chosen=chosen, not_chosen=tuple(sorted((*usable.not_chosen, *left)))
    )


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
    if same_lot == SameLot.OFF or quantity < 2:
        return _choose(candidates, kit_type, quantity, today, windows.dns_days, None, short_dated_before)
    usable = _choose(candidates, kit_type, len(candidates), today, windows.dns_days, None, short_dated_before)
    return _of_one_lot(usable, candidates, quantity, same_lot)


def _choose(
    candidates: Sequence[KitCandidate],
    kit_type: str,
    quantity: int,
    today: date,
    days_before_expiry: int,
    must_stay_valid_until: date | None,
    short_dated_before_day: int,
) -> PickDecision:
    if quantity < 0:
        raise RuleError(f"cannot choose {quantity} kits", field="quantity")
    today_day = today.toordinal()
    needed_day = NO_DAY if must_stay_valid_until is None else must_stay_valid_until.toordinal()
    right_type = np.array([kit.kit_type == kit_type for kit in candidates], dtype=np.bool_)
    available = np.array([kit.available for kit in candidates], dtype=np.bool_)
    released = np.array([kit.released for kit in candidates], dtype=np.bool_)
    expiry_days = np.array([kit.expiry.toordinal() for kit in candidates], dtype=np.int64)
    sequences = np.array([kit.pick_sequence for kit in candidates], dtype=np.int64)
    picked = pick_kits(
        quantity,
        right_type,
        available,
        released,
        expiry_days,
        sequences,
        days_before_expiry,
        today_day,
        needed_day,
        short_dated_before_day,
    )
    chosen = tuple(int(index) for index in picked)
    taken = set(chosen)
    not_chosen = tuple(
        (
            index,
            _REASONS[
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
        if index not in taken
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
