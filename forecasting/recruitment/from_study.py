"""The record of accrual of a running study, from its ledger: randomizations by site and period until the last entry."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from allocation.access.actors import Actor
from allocation.access.permissions import authorize
from allocation.ledger.database import Database
from allocation.ledger.reader import iter_sealed, protocol_at
from forecasting.census import Census
from forecasting.errors import ForecastError
from forecasting.recruitment.record import AccrualRecord
from simulation.fitting.observed import Observed, observe


def study_record(
    database: Database, actor: Actor, study_id: str, days: int, census: Census | None = None
) -> AccrualRecord:
    """The record in periods of so many days, the last of which ends on the date (UTC) of the last sealed entry. It tells no arm.

    `census`: as known then, the last period ending with its day.

    Raises NotPermitted; NotFound for an unknown study; ForecastError where no site was opened yet.
    """
    authorize(actor, "forecast.recruitment", study_id)
    protocol = protocol_at(database, study_id)
    position = None if census is None else census.position
    found = observe(study_id, protocol, iter_sealed(database, study_id, up_to=position))
    if census is not None:
        found.as_of = max(found.as_of, census.at)
    return observed_record(found, days)


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


def observed_record(found: Observed, days: int) -> AccrualRecord:
    """As `study_record`, from facts. A site can randomize from its opening on, and the median time from screening to randomization later.

    It counts as open in the period of that day if half of it is left, or as soon as somebody was randomized.
    """
    if not found.sites:
        raise ForecastError(
            f"no site of study {found.study_id} is open yet",
            code="nothing-to-forecast",
            field="--study",
            fix="forecast it once a site is open",
        )
    sites = list(found.sites.values())
    ends_on = found.as_of
    first = min(site.opened_on for site in sites)
    periods = max(-(-((ends_on - first).days + 1) // days), 1)
    begins_on = ends_on - timedelta(days=periods * days - 1)
    of_site = {site.code: column for column, site in enumerate(sites)}
    waits = [(on - subject.screened_on).days for subject, on in found.randomized()]
    lag = float(np.median(waits)) if waits else 0.0
    counts = np.zeros((periods, len(sites)))
    for subject, on in found.randomized():
        if subject.site in of_site:
            row = min(max((on - begins_on).days // days, 0), periods - 1)
            counts[row, of_site[subject.site]] += 1
    middles = (np.arange(periods) + 0.5) * days
    opened = np.array([(site.opened_on - begins_on).days + lag for site in sites])
    is_open = (middles[:, None] >= opened) | (np.cumsum(counts, axis=0) > 0)
    # A site that has just opened is one that goes on: no forecast could be made without it.
    is_open[-1] = True
    return AccrualRecord(found.study_id, tuple(of_site), counts, is_open, float(days), ends_on)
