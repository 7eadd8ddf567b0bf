"""What the thresholds of a kit type give away by themselves: how small its orders can be, and whether each replaces one kit.

    up-to level - trigger level >= max_buffer - min_buffer      (the long window never predicts less than the short one)

So the smallest order that a trigger can make is max_buffer - min_buffer, and one kit more with trigger `below`. Source: field note
resupply.md (blinding protections: max - min >= 2; no shipment of a single kit).
"""

from __future__ import annotations

from allocation.errors import InvalidParameter
from allocation.rules.resupply import LongWindowFrom, ResupplyParameters, Trigger


def smallest_order(parameters: ResupplyParameters, block_size: int = 1) -> int:
    """Return the fewest kits that a triggered order of the kit type can have, rounded up to its block size.

    0 means that the trigger can be reached with nothing to order. Raises InvalidParameter for a block size below 1.
    """
    if block_size < 1:
        raise InvalidParameter(f"must be 1 or more, not {block_size}", field="block_size")
    gap = parameters.max_buffer - parameters.min_buffer + (parameters.trigger == Trigger.BELOW)
    return -(-gap // block_size) * block_size


def follows_each_dispensing(parameters: ResupplyParameters) -> bool:
    """Whether orders replace kits one for one: the up-to level is the trigger level, so one kit less orders one kit.

    That is so where nothing lies between the two levels: neither buffer kits nor demand of a longer window.
    """
    if smallest_order(parameters) > 1:
        return False
    if parameters.long_window_from == LongWindowFrom.END_OF_SHORT_WINDOW:
        return parameters.long_window == 0
    return parameters.long_window == parameters.short_window
