"""What can happen in a replicate: the kinds of the events of a trace."""

from __future__ import annotations

from typing import Final

LOT_ARRIVED: Final = 0
KITS_EXPIRED: Final = 1
STOCKED: Final = 2
RECEIVED: Final = 3
LOST: Final = 4
DAMAGED: Final = 5
OPENED: Final = 6
SCREENED: Final = 7
SCREEN_FAILED: Final = 8
RANDOMIZED: Final = 9
REFUSED: Final = 10
VISITED: Final = 11
MISSED: Final = 12
DISPENSED: Final = 13
NOT_DISPENSED: Final = 14
COMPLETED: Final = 15
DISCONTINUED: Final = 16
ORDERED: Final = 17
RETURNED: Final = 18
QUARANTINED: Final = 19
RELEASED: Final = 20
REJECTED: Final = 21
REFUSED_FOR_SUPPLY: Final = 22
FORCED: Final = 23
REPLACED: Final = 24
KIT_REPLACED: Final = 25

KINDS: Final = (
    "lot_arrived",
    "kits_expired",
    "stocked",
    "received",
    "lost",
    "damaged",
    "opened",
    "screened",
    "screen_failed",
    "randomized",
    "refused",
    "visited",
    "missed",
    "dispensed",
    "not_dispensed",
    "completed",
    "discontinued",
    "ordered",
    "returned",
    "quarantined",
    "released",
    "rejected",
    "refused_for_supply",
    "forced",
    "replaced",
    "kit_replaced",
)
"""The names of the kinds, in their order.

`stocked`: kits that a site has from the beginning. `randomized`: the quantity is the arm. `visited`: the quantity is the visit (from 0, the
first one after randomization), and that of `missed`.
`not_dispensed`: the quantity is 1 where kits were upstream, 0 where nothing was. `ordered`: by kit type
and lot, taken from the depot. `returned`: unused, when the trial is over.
`quarantined`, `released`, `rejected`: because of an excursion, at receipt or in storage.
and lot, taken from the depot. `refused_for_supply`: the quantity is 1 where the subject leaves, 0 where it waits and is asked for again.
`forced`: beside `randomized`, the quantity is the arm that was scheduled.
`replaced`: beside `randomized`, the quantity is the subject whose place is taken. `kit_replaced`: beside `dispensed`, which has them
too.
"""
