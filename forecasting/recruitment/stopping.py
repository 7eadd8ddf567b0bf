"""Where recruitment of a running study has stopped: pauses, the end, and sites that are full or closed. It tells no arm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from forecasting.errors import ForecastError
from forecasting.recruitment.record import check_closed
from simulation.fitting.observed import Observed
from simulation.fitting.recruiting import recruitment_gaps


@dataclass(frozen=True)
class Stopping:
    """`pauses` of the whole study (first and last day), the last day of recruitment before it stopped (None: it goes on), the sites that
    have stopped, and what of it is to be told."""

    pauses: tuple[tuple[date, date], ...] = ()
    stopped_on: date | None = None
    sites: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def is_out(self, day: date) -> bool:
        """Whether nobody could be recruited on a day."""
        return (self.stopped_on is not None and day > self.stopped_on) or any(
            first <= day <= last for first, last in self.pauses
        )


def stopping_of(
    found: Observed, closed_sites: Sequence[str] = (), paused_until: date | None = None
) -> Stopping:
    """What has stopped: gaps without any screening that are too long to be chance (simulation/fitting/recruiting.py), caps that are
    reached, and the sites that are named. `paused_until`: the study has only paused, and recruits again after that day.

    A service records no end of recruitment: a cap or the silence tells it. Raises ForecastError for a site that is not open, or a day that
    is past.
    """
    check_closed(closed_sites, found.sites, found.study_id)
    if paused_until is not None and paused_until < found.as_of:
        raise ForecastError(
            f"{paused_until} is past: the study has come to {found.as_of}",
            field="--paused-until",
            fix="name the last day of the pause, or leave it out",
        )
    on = sorted(one.screened_on for one in found.subjects.values() if one.site in found.sites)
    stopped_on, pauses = recruitment_gaps(on, found)
    pauses = [pause for pause in pauses if stopped_on is None or pause[1] < stopped_on]
    notes = [f"Paused from {first} to {last}: these days are left out." for first, last in pauses]
    full, why = _full_sites(found)
    if paused_until is not None:
        stopped_on = stopped_on or found.as_of
        notes.append(f"Paused until {paused_until}: nobody is expected before.")
        sites = {*full, *closed_sites}
    elif stopped_on is not None:
        notes.append(
            f"RECRUITMENT HAS STOPPED: (almost) nobody was screened after {stopped_on}, which at the rate before is no chance. Nobody is "
            "expected; say --paused-until if it goes on."
        )
        sites = set(found.sites)
    else:
        sites = {*full, *closed_sites}
    notes += why
    if closed_sites:
        notes.append(f"Closed, as was said: {', '.join(sorted(closed_sites))}.")
    return Stopping(tuple(pauses), stopped_on, tuple(sorted(sites)), tuple(notes))


def _full_sites(found: Observed) -> tuple[set[str], list[str]]:
    """The sites that nobody can be screened at because a cap of the study, the country or the site is reached, and what is told of it."""
    screened = [one.site for one in found.subjects.values() if one.site in found.sites]
    randomized = [one.site for one, _ in found.randomized() if one.site in found.sites]
    full: set[str] = set()
    notes = []
    for cap in found.protocol.caps if found.protocol is not None else ():
        counted = {"screening": screened, "randomization": randomized}.get(cap.kind)
        if counted is None or cap.scope not in ("study", "country", "site"):
            continue
        counts, sites = Counter(counted), found.sites.values()
        mine = {
            "study": set(found.sites),
            "country": {site.code for site in sites if site.country == cap.key},
            "site": {site.code for site in sites if site.code == cap.key},
        }[cap.scope]
        if mine and sum(counts[site] for site in mine) >= cap.limit:
            full |= mine
            where = "the study" if cap.scope == "study" else f"{cap.scope} {cap.key}"
            notes.append(
                f"The {cap.kind} cap of {where}, {cap.limit}, is reached: nobody more is expected there."
            )
    return full, notes


def days_out(stopping: Stopping, first: date, days: int) -> int:
    """How many of the days from `first` on nobody could be recruited on."""
    return sum(stopping.is_out(first + timedelta(days=day)) for day in range(days))
