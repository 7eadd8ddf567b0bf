"""What every fold shares: its type, its error, and the check that a change met the state that it expects."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, CursorResult

from allocation.errors import RTSMError

Fold = Callable[[Connection, str, str, str, dict[str, Any]], None]
"""(connection, study_id, subject_id, site_id, after) -> None"""


class ProjectionConflict(RTSMError):
    """An entry does not fit the state that it is folded into, such as a kit that is not where the entry takes it from."""

    default_code = "state-changed"


def expect_rows(result: CursorResult[Any], expected: int, what: str) -> None:
    """Raise ProjectionConflict unless `result` changed exactly `expected` rows."""
    expect_count(result.rowcount, expected, what)


def expect_count(changed: int, expected: int, what: str) -> None:
    """Raise ProjectionConflict unless `expected` rows were changed."""
    if changed != expected:
        raise ProjectionConflict(
            f"{what}: {changed} of {expected} rows were in the state that this needs",
            fix="read the present state and try again",
        )


def day(text: str | None) -> date | None:
    """An ISO date of a payload, or None."""
    return None if text is None else date.fromisoformat(text)


def moment(text: str | None) -> datetime | None:
    """An ISO moment (UTC) of a payload, or None."""
    return None if text is None else datetime.fromisoformat(text)
