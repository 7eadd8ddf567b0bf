"""Which kits are taken, by piles: the compilable side of picking.py, for the service (piles of one) and the simulator (piles by lot).

Order of choice: earliest expiry, then ascending pick sequence. Kits of a pile are equal in all that counts, so that a place and a lot are
one pile to who counts kits only, and each kit is a pile of its own to who must say which one is taken.
"""

from __future__ import annotations

from typing import Final

from allocation.rules.compilable import BoolArray, IntArray, compilable, inlined
from allocation.rules.expiry import allowed_on_day, valid_through_day

USABLE: Final = 0
WRONG_TYPE: Final = 1
NOT_AVAILABLE: Final = 2
NOT_RELEASED: Final = 3
EXPIRED: Final = 4
PAST_LAST_DATE: Final = 5
NOT_VALID_LONG_ENOUGH: Final = 6
LOT_OFF: Final = 0
LOT_WHERE_POSSIBLE: Final = 1
LOT_REQUIRED: Final = 2


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
def usable_kits(
    right_type: BoolArray,
    counts: IntArray,
    released: BoolArray,
    expiry_days: IntArray,
    days_before_expiry: int,
    today: int,
    must_stay_valid_until: int,
) -> int:
    """Return how many kits of all piles could be taken on `today`; arguments as of `pick_kits`."""
    kits = 0
    for i in range(len(expiry_days)):
        reason = kit_usability(
            right_type[i],
            counts[i] > 0,
            released[i],
            expiry_days[i],
            days_before_expiry,
            today,
            must_stay_valid_until,
        )
        if reason == USABLE:
            kits += counts[i]
    return kits


@compilable
@inlined
def pick_earliest(
    quantity: int,
    right_type: BoolArray,
    counts: IntArray,
    released: BoolArray,
    expiry_days: IntArray,
    pick_sequences: IntArray,
    days_before_expiry: int,
    today: int,
    must_stay_valid_until: int,
    short_dated_before_day: int,
    piles: IntArray,
    taken: IntArray,
) -> int:
    """Choose as `pick_kits` does where lots do not matter; its arguments.

    One pass with a sorted shortlist: time grows with candidates x piles taken at worst, and with the candidates alone where the arrays come
    in the order of choice.
    """
    found = 0
    held = 0
    for i in range(len(expiry_days)):
        reason = kit_usability(
            right_type[i],
            counts[i] > 0,
            released[i],
            expiry_days[i],
            days_before_expiry,
            today,
            must_stay_valid_until,
        )
        if reason != USABLE:
            continue
        place = found
        while place > 0 and _taken_before(
            i, piles[place - 1], expiry_days, pick_sequences, short_dated_before_day
        ):
            place -= 1
        if place == found and held >= quantity:
            continue
        for j in range(found, place, -1):
            piles[j] = piles[j - 1]
            taken[j] = taken[j - 1]
        piles[place] = i
        taken[place] = counts[i]
        found += 1
        held += counts[i]
        while found > 0 and held - taken[found - 1] >= quantity:
            found -= 1
            held -= taken[found]
    if held > quantity:
        taken[found - 1] -= held - quantity
    return found


@compilable
def keep_one_lot(
    quantity: int, found: int, lots: IntArray, same_lot: int, piles: IntArray, taken: IntArray
) -> int:
    """Narrow a choice of all usable kits (`found` piles) to `quantity` of one lot, in place; return how many piles are left.

    The lot is the one whose first kit would be taken earliest, among those that have enough. Where none has, WHERE_POSSIBLE takes the plain
    choice, and REQUIRED as many as one lot has.
    """
    lot = -1
    wanted = 0
    for i in range(found):
        count = 0
        for j in range(i, found):
            if count < quantity and lots[piles[j]] == lots[piles[i]]:
                count += taken[j]
        if count > wanted:
            wanted = min(count, quantity)
            lot = lots[piles[i]]
        if wanted == quantity:
            break
    any_lot = wanted < quantity and same_lot == LOT_WHERE_POSSIBLE
    left = quantity if any_lot else wanted
    kept = 0
    for i in range(found):
        if left > 0 and (any_lot or lots[piles[i]] == lot):
            take = min(taken[i], left)
            piles[kept] = piles[i]
            taken[kept] = take
            kept += 1
            left -= take
    return kept


@compilable
@inlined
def pick_kits(
    quantity: int,
    right_type: BoolArray,
    counts: IntArray,
    released: BoolArray,
    expiry_days: IntArray,
    pick_sequences: IntArray,
    lots: IntArray,
    days_before_expiry: int,
    today: int,
    must_stay_valid_until: int,
    short_dated_before_day: int,
    same_lot: int,
    piles: IntArray,
    taken: IntArray,
) -> int:
    """Choose up to `quantity` kits from piles of equal kits; fewer when not enough are usable.

    `counts` are the available kits of each pile: a kit that stands for itself is a pile of one, and one that is not available of none.
    The answer is the number of piles taken from: `piles[:n]` are their indexes in the order of taking, `taken[:n]` the kits of each. Both
    arrays are as long as the candidates, and what is behind n means nothing. Kits that expire before `short_dated_before_day` are
    taken last (`min_shipments`); NO_DAY leaves the plain order of expiry (`min_wastage`). Two piles equal in all respects keep the order
    of the arrays. `same_lot` is one of SAME_LOT_CODES, `lots` a number for each pile.
    """
    everything = quantity
    if same_lot != LOT_OFF and quantity > 1:
        for i in range(len(counts)):
            everything += counts[i]
    found = pick_earliest(
        everything,
        right_type,
        counts,
        released,
        expiry_days,
        pick_sequences,
        days_before_expiry,
        today,
        must_stay_valid_until,
        short_dated_before_day,
        piles,
        taken,
    )
    if same_lot == LOT_OFF or quantity < 2:
        return found
    return keep_one_lot(quantity, found, lots, same_lot, piles, taken)
