"""The records of accrual of a running study, from its ledger: randomizations and screenings by site and period until the last entry."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np

from allocation.access.actors import Actor
from allocation.access.permissions import authorize
from allocation.ledger.database import Database
from allocation.ledger.reader import iter_sealed, protocol_at
from forecasting.census import Census
from forecasting.errors import ForecastError
from forecasting.recruitment.record import AccrualRecord
from forecasting.recruitment.screening import FailureShare, ScreeningRecord
from forecasting.recruitment.stopping import Stopping, days_out, stopping_of
from simulation.fitting.observed import Observed, observe

_GOES_ON: Final = Stopping()


@dataclass(frozen=True)
class StudyAccrual:
    """What a study's ledger tells of recruitment. `delay`: periods from the census until it goes on, where it is paused."""

    randomized: AccrualRecord
    screening: ScreeningRecord
    delay: float


def study_accrual(
    database: Database,
    actor: Actor,
    study_id: str,
    days: int,
    closed_sites: Sequence[str] = (),
    paused_until: date | None = None,
    census: Census | None = None,
) -> StudyAccrual:
    """The records in periods of so many days, the last of which ends on the date (UTC) of the last sealed entry. They tell no arm.

    `census`: as known then, the last period ending with its day. `closed_sites`, `paused_until`: as `stopping_of` has them. Raises
    NotPermitted; NotFound for an unknown study; ForecastError where no site was opened yet, or a site or day cannot be.
    """
    found = _observed(database, actor, study_id, census)
    _require_sites(found)
    stopping = stopping_of(found, closed_sites, paused_until)
    delay = 0.0 if paused_until is None else (paused_until - found.as_of).days / days
    return StudyAccrual(
        observed_record(found, days, stopping), observed_screening(found, days, stopping), delay
    )


def study_record(
    database: Database, actor: Actor, study_id: str, days: int, census: Census | None = None
) -> AccrualRecord:
    """The record of randomizations alone, as `study_accrual`."""
    return study_accrual(database, actor, study_id, days, census=census).randomized


def _observed(database: Database, actor: Actor, study_id: str, census: Census | None) -> Observed:
    authorize(actor, "forecast.recruitment", study_id)
    protocol = protocol_at(database, study_id)
    position = None if census is None else census.position
    found = observe(study_id, protocol, iter_sealed(database, study_id, up_to=position))
    if census is not None:
        found.as_of = max(found.as_of, census.at)
    return found


def came_since(database: Database, actor: Actor, study_id: str, days: int, census: Census) -> list[int]:
    """The randomizations by period after the census, in the whole periods that are over, at the sites that were open at it. No arm.

    What was recorded after the census counts from the day after it on, as it was forecast. Raises NotPermitted, NotFound.
    """
    authorize(actor, "forecast.recruitment", study_id)
    found = observe(study_id, protocol_at(database, study_id), iter_sealed(database, study_id))
    then = observe(study_id, found.protocol, iter_sealed(database, study_id, up_to=census.position))
    known = {subject.code for subject, _ in then.randomized()}
    counts = [0] * ((found.as_of - census.at).days // days)
    for subject, on in found.randomized():
        row = max((on - census.at).days - 1, 0) // days
        if subject.code not in known and subject.site in then.sites and row < len(counts):
            counts[row] += 1
    return counts


def _require_sites(found: Observed) -> None:
    if not found.sites:
        raise ForecastError(
            f"no site of study {found.study_id} is open yet",
            code="nothing-to-forecast",
            field="--study",
            fix="forecast it once a site is open",
        )


def observed_record(found: Observed, days: int, stopping: Stopping = _GOES_ON) -> AccrualRecord:
    """The record of randomizations, from facts. A site can randomize from its opening on, and the median time from screening later.

    It counts as open in the period of that day if half of it is left, or as soon as somebody was randomized.
    """
    _require_sites(found)
    on = [(one.site, day) for one, day in found.randomized()]
    return _record(found, on, days, waiting_days(found), stopping)


def observed_screening(found: Observed, days: int, stopping: Stopping = _GOES_ON) -> ScreeningRecord:
    """The record of screenings, from facts, with the share of those decided that failed."""
    subjects = [one for one in found.subjects.values() if one.site in found.sites]
    decided = [one for one in subjects if one.eligible is not None]
    failed = sum(not one.eligible for one in decided)
    over = sum(one.randomized_on is not None or one.eligible is False for one in subjects)
    record = _record(found, [(one.site, one.screened_on) for one in subjects], days, 0.0, stopping)
    return ScreeningRecord(
        record,
        FailureShare(len(decided), failed),
        len(subjects) - over,
        sum(one.randomized_on is not None for one in subjects),
        waiting_days(found) / days,
    )


def waiting_days(found: Observed) -> float:
    """The median of the days from screening to randomization; 0 where nobody was randomized yet."""
    waits = [(on - subject.screened_on).days for subject, on in found.randomized()]
    return float(np.median(waits)) if waits else 0.0


def _record(
    found: Observed, on: Iterable[tuple[str, date]], days: int, lag: float, stopping: Stopping
) -> AccrualRecord:
    """Counts of (site, day). Periods of which half or more is paused, or after the end, are left out, unless they have somebody."""
    sites = list(found.sites.values())
    ends_on = found.as_of
    first = min(site.opened_on for site in sites)
    periods = max(-(-((ends_on - first).days + 1) // days), 1)
    begins_on = ends_on - timedelta(days=periods * days - 1)
    of_site = {site.code: column for column, site in enumerate(sites)}
    counts = np.zeros((periods, len(sites)))
    for site, day in on:
        if site in of_site:
            row = min(max((day - begins_on).days // days, 0), periods - 1)
            counts[row, of_site[site]] += 1
    middles = (np.arange(periods) + 0.5) * days
    opened = np.array([(site.opened_on - begins_on).days + lag for site in sites])
    is_open = (middles[:, None] >= opened) | (np.cumsum(counts, axis=0) > 0)
    out = [days_out(stopping, begins_on + timedelta(days=row * days), days) for row in range(periods)]
    kept = (np.array(out) < days / 2) | (counts.sum(axis=1) > 0)
    if not kept.any():
        kept[-1] = True
    counts, is_open = counts[kept], is_open[kept]
    # A site that has just opened is one that goes on: no forecast could be made without it.
    is_open[-1] = True
    return AccrualRecord(
        found.study_id,
        tuple(of_site),
        counts,
        is_open,
        float(days),
        ends_on,
        stopping.sites,
        stopping.notes,
    )
