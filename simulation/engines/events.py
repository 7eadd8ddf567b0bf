"""What can happen in a replicate: the kinds of the events of a trace."""

from __future__ import annotations

from typing import Final

LOT_ARRIVED: Final = 0
KITS_EXPIRED: Final = 1
STOCKED: Final = 2
RECEIVED: Final = 3
OPENED: Final = 4
SCREENED: Final = 5
SCREEN_FAILED: Final = 6
RANDOMIZED: Final = 7
REFUSED: Final = 8
VISITED: Final = 9
DISPENSED: Final = 10
NOT_DISPENSED: Final = 11
COMPLETED: Final = 12
DISCONTINUED: Final = 13
ORDERED: Final = 14

KINDS: Final = (
    "lot_arrived",
    "kits_expired",
    "stocked",
    "received",
    "opened",
    "screened",
    "screen_failed",
    "randomized",
    "refused",
    "visited",
    "dispensed",
    "not_dispensed",
    "completed",
    "discontinued",
    "ordered",
)
"""The names of the kinds, in their order.

`stocked`: kits that a site has from the beginning. `randomized`: the quantity is the arm. `visited`: the quantity is the visit (from 0, the
first one after randomization). `not_dispensed`: the quantity is 1 where kits were upstream, 0 where nothing was. `ordered`: by kit type
and lot, taken from the depot.
"""
