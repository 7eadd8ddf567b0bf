"""How many days a stock lasts at the demand that is projected for the days ahead."""

from __future__ import annotations

from typing import Final

from allocation.errors import InvalidParameter

WINDOW_DAYS: Final = 28
"""The window over which demand is averaged where a site has no long window."""


def days_of_supply(stock: int, demand: int, window_days: int) -> int | None:
    """Whole days that `stock` kits last when `demand` kits are due within `window_days`; None where nothing is due.

    stock / (demand / window), rounded down: the stock cover of inventory management. Raises InvalidParameter for a negative number.
    """
    for name, value in (("stock", stock), ("demand", demand), ("window_days", window_days)):
        if value < 0:
            raise InvalidParameter(f"{name} is {value}, which no stock has", field=name)
    return None if demand == 0 else stock * window_days // demand
