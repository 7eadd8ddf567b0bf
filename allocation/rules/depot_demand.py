"""What a place asks of the depot that supplies it: the demand of a depot, made from that of its sites and of the depots it refills.

    spare   = SAI - min_buffer                          kits that the place has beyond what it must keep
    asks at once          max(-spare, 0)                to be back at its minimum
    asks for each visit   what the spare kits, used up in the order of the visits, do not cover
                          lead_time_days before the visit is due: the depot must have the kit when it leaves

A site's surplus serves nobody elsewhere, so places are netted one by one and never pooled: an echelon inventory (all stock below a depot
against all demand below it; Clark and Scarf, Management Science 6, 1960) would let one site's surplus hide another's need. The result is a
list of due visits as the resupply rule takes them, so a depot is decided by the same function as a site (resupply.py), with its own
windows and buffers, and depots chain: what a depot asks of its own supplier is made here from its demand and stock in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from allocation.errors import InvalidParameter
from allocation.rules.compilable import IntArray, compilable
from allocation.rules.resupply import DueVisit

RULE_VERSION: Final = "depot-demand/1"

MINIMUM: Final = "minimum"
"""In place of a visit: what the place lacks to its own minimum."""


@compilable
def uncovered(quantities: IntArray, spare: int, open_quantities: IntArray) -> int:
    """Fill `open_quantities` with what of each quantity the `spare` kits do not cover, when they are used up in this order.

    Returns what is asked at once: a negative `spare` covers nothing, and is what the place lacks to its minimum.
    """
    left = max(spare, 0)
    for i in range(len(quantities)):
        covered = min(left, quantities[i])
        left -= covered
        open_quantities[i] = quantities[i] - covered
    return max(-spare, 0)


def asked_of_depot(
    place: str, due_visits: Sequence[DueVisit], sai: int, min_buffer: int, lead_time_days: int
) -> tuple[DueVisit, ...]:
    """What `place` will ask of its depot of one kit type, with offsets from the run date at which the kits must leave the depot.

    `sai`: its on hand and pipeline, `min_buffer`: what it is to keep, both in kits. Raises InvalidParameter for a negative lead time.
    """
    if lead_time_days < 0:
        raise InvalidParameter(f"must be 0 days or more, not {lead_time_days}", field="lead_time_days")
    ordered = sorted(due_visits, key=lambda visit: (visit.due_offset, visit.subject, visit.visit))
    quantities = np.array([visit.quantity for visit in ordered], dtype=np.int64)
    open_quantities = np.zeros(len(ordered), dtype=np.int64)
    at_once = uncovered(quantities, sai - min_buffer, open_quantities)
    asked = [DueVisit(place, MINIMUM, 0, at_once)] if at_once else []
    asked += [
        DueVisit(visit.subject, visit.visit, visit.due_offset - lead_time_days, int(quantity))
        for visit, quantity in zip(ordered, open_quantities, strict=True)
        if quantity
    ]
    return tuple(asked)
