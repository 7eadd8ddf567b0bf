"""What every translation shares: its type, and the reading of dates."""

from collections.abc import Callable
from datetime import date
from typing import Any

from allocation.ledger.reader import SealedEntry

Row = tuple[str, tuple[Any, ...]]
"""Name of the frame, and the values of its columns after `position` and `line`."""

Translation = Callable[[SealedEntry], list[Row]]


def day(text: str | None) -> date | None:
    """The calendar date of an ISO text such as 2026-01-31; None stays None. Raises ValueError for anything else."""
    return None if text is None else date.fromisoformat(text)
