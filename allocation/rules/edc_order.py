"""Which of two facts that an EDC sent about one item is the newer one.

Messages come late, twice and out of order. The order is total and looks at nothing but the facts themselves, so whatever the order of
arrival, the same facts end in the same state (the newest of them: a join, in the words of Shapiro et al., Conflict-free Replicated Data
Types, 2011).
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

RULE_VERSION: Final = "edc-order/1"

Stamp = tuple[datetime, datetime, str, int, str]
"""Moment of the fact by the EDC, moment of its message, id of the message, place in it, value: compared in this order."""


def stamp_of(at: datetime, message_at: datetime, message_id: str, ordinal: int, value: str | None) -> Stamp:
    """What a fact is compared by. Moments are aware; `value` only decides between facts that agree in all else."""
    return (at, message_at, message_id, ordinal, value or "")
