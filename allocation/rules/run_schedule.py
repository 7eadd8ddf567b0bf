"""When the resupply runs of a study are due: on the weekdays and at the hour (UTC) of the protocol version in force at that moment.

A run that was missed is caught up once, whatever the number of moments that passed: what is ordered is decided by the state of now, so
that two runs at once would order no more than one. Source: field note resupply.md, "Cadence".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import numpy as np

from allocation.rules.compilable import BoolArray, compilable

_DAY = timedelta(days=1)
_DAYS_OF_A_WEEK = 7


@compilable
def weekday_of(day: int) -> int:
    """Return the weekday of a day (ordinal): 0 Monday to 6 Sunday. Day 1 of the calendar, 1 January of year 1, is a Monday."""
    return (day - 1) % 7


@compilable
def is_run_day(day: int, run_weekdays: BoolArray) -> bool:
    """Return whether a run is scheduled on a day; `run_weekdays` has a flag for each weekday from Monday."""
    return bool(run_weekdays[weekday_of(day)])


@dataclass(frozen=True, slots=True)
class Cadence:
    """The run days of one protocol version: `weekdays` 0 Monday to 6 Sunday, the hour in UTC, from the moment `effective_at` (UTC)."""

    effective_at: datetime
    weekdays: tuple[int, ...]
    hour_utc: int

    def runs_on(self, day: date) -> bool:
        """Whether a run is scheduled on this day (UTC)."""
        flags = np.array([weekday in self.weekdays for weekday in range(_DAYS_OF_A_WEEK)], dtype=np.bool_)
        return is_run_day(day.toordinal(), flags)


def latest_moment(cadences: Sequence[Cadence], now: datetime) -> datetime | None:
    """The last scheduled moment (UTC) up to and with `now`; None before the first. `cadences` in the order of their versions.

    A moment counts under the version that was in force at it: a later version neither makes up moments of before nor takes them back.
    """
    found = [
        moment
        for one, ends in _periods(cadences)
        if (moment := _last_in(one, min(now, ends - timedelta.resolution) if ends else now)) is not None
    ]
    return max(found, default=None)


def next_moment(cadences: Sequence[Cadence], now: datetime) -> datetime | None:
    """The first scheduled moment (UTC) after `now`, also of a version that is still to come; None where there is none."""
    found = [
        moment
        for one, ends in _periods(cadences)
        if (moment := _first_after(one, now)) is not None and (ends is None or moment < ends)
    ]
    return min(found, default=None)


def due_moment(cadences: Sequence[Cadence], now: datetime, last_run: datetime | None) -> datetime | None:
    """The scheduled moment that a run is due for now; None where the run of the latest one has been.

    `last_run`: the latest moment (UTC) that a run was made for.
    """
    latest = latest_moment(cadences, now)
    return latest if latest is not None and (last_run is None or latest > last_run) else None


def _periods(cadences: Sequence[Cadence]) -> Iterator[tuple[Cadence, datetime | None]]:
    """Each cadence with the moment from which a later version holds in its place."""
    for index, one in enumerate(cadences):
        yield one, min((later.effective_at for later in cadences[index + 1 :]), default=None)


def _last_in(cadence: Cadence, until: datetime) -> datetime | None:
    today = datetime.combine(until.astimezone(UTC).date(), time(cadence.hour_utc), UTC)
    for back in range(_DAYS_OF_A_WEEK + 1):
        moment = today - back * _DAY
        if moment <= until and cadence.runs_on(moment.date()):
            return moment if moment >= cadence.effective_at else None
    return None


def _first_after(cadence: Cadence, after: datetime) -> datetime | None:
    start = max(after, cadence.effective_at - timedelta.resolution).astimezone(UTC)
    today = datetime.combine(start.date(), time(cadence.hour_utc), UTC)
    for ahead in range(_DAYS_OF_A_WEEK + 1):
        moment = today + ahead * _DAY
        if moment > start and cadence.runs_on(moment.date()):
            return moment
    return None
