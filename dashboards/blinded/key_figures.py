"""The key figures of a study: what a sponsor asks first, each with the one fact that puts it in proportion."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from allocation.views.blinded.overview_models import StudyOverview
from dashboards.look import count_of, day, number, share

NEARLY = 0.95
"""From this share of what the plan expects by now, being behind it is no alarm."""


@dataclass(frozen=True, slots=True)
class KeyFigure:
    """A figure: its label, its value and a note. `tone`: neutral, good, or alert for what needs somebody."""

    label: str
    value: str
    note: str
    tone: Literal["neutral", "good", "alert"] = "neutral"
    explained: str = ""


def key_figures(overview: StudyOverview, *, whole_study: bool) -> tuple[KeyFigure, ...]:
    """The figures of what the reader may see; the plan is compared only where that is the `whole_study`."""
    of_subjects = (
        (_randomized(overview, whole_study), _screened(overview), _on_study(overview), _sites(overview))
        if overview.enrolment.sites
        else ()  # a depot's reader sees no site
    )
    return (*of_subjects, _stock(overview, whole_study), _under_way(overview), _expiring(overview))


def _randomized(overview: StudyOverview, whole_study: bool) -> KeyFigure:
    enrolment = overview.enrolment
    randomized, plan = enrolment.total.randomized, enrolment.plan
    if not whole_study:
        planned = sum(site.planned_subjects for site in enrolment.sites)
        return KeyFigure("Randomized", number(randomized), f"of {number(planned)} planned here")
    explained = "Even enrolment from the planned start to the planned end is what the plan expects by now."
    if plan.expected_by_now is None:
        return KeyFigure("Randomized", number(randomized), f"of {number(plan.planned_subjects)} planned")
    ahead = round(randomized - plan.expected_by_now)
    note = "on plan" if ahead == 0 else f"{number(abs(ahead))} {'ahead of' if ahead > 0 else 'behind'} plan"
    return KeyFigure(
        f"Randomized of {number(plan.planned_subjects)}",
        number(randomized),
        note,
        "good" if ahead >= 0 else "neutral" if randomized >= NEARLY * plan.expected_by_now else "alert",
        explained,
    )


def _screened(overview: StudyOverview) -> KeyFigure:
    total = overview.enrolment.total
    decided = total.screened - total.in_screening
    return KeyFigure(
        "Screened",
        number(total.screened),
        f"{share(total.screen_failed, decided)} failed screening" if decided else "none decided yet",
        explained=f"{number(total.screen_failed)} of {number(decided)} whose screening has ended; "
        f"{number(total.in_screening)} are in screening.",
    )


def _on_study(overview: StudyOverview) -> KeyFigure:
    total = overview.enrolment.total
    return KeyFigure(
        "On study",
        number(total.on_study),
        f"{number(total.completed)} completed, {number(total.discontinued)} left",
    )


def _sites(overview: StudyOverview) -> KeyFigure:
    sites = overview.enrolment.sites
    opened = [site for site in sites if site.opened_on is not None]
    idle = sum(site.counts.randomized == 0 for site in opened)
    note = (
        f"{count_of(idle, 'site')} without a subject"
        if idle
        else "all have randomized"
        if opened
        else "none open yet"
    )
    return KeyFigure(f"Sites open of {number(len(sites))}", number(len(opened)), note)


def _stock(overview: StudyOverview, whole_study: bool) -> KeyFigure:
    at_sites = _usable(overview, "site", "site_available")
    at_depots = _usable(overview, "depot", "depot_available")
    explained = "Available, and not past the last day on which they may be dispensed."
    if not overview.enrolment.sites:
        return KeyFigure("Kits ready at depots", number(at_depots), "to be shipped", explained=explained)
    note = f"{number(at_depots)} at depots" if whole_study else "to be dispensed"
    return KeyFigure("Kits ready at sites", number(at_sites), note, explained=explained)


def _usable(overview: StudyOverview, place_kind: str, status: str) -> int:
    there = _kits(one.kits for one in overview.stock if (one.place_kind, one.status) == (place_kind, status))
    passed = _kits(
        one.kits for one in overview.expiries_ahead if one.place_kind == place_kind and one.days_left < 0
    )
    return max(there - passed, 0)


def _under_way(overview: StudyOverview) -> KeyFigure:
    under_way = overview.shipments_under_way
    late = sum(one.late for one in under_way)
    note = count_of(_kits(one.kits for one in under_way), "kit")
    if late:
        return KeyFigure("Shipments under way", number(len(under_way)), f"{number(late)} late", "alert")
    return KeyFigure("Shipments under way", number(len(under_way)), note if under_way else "none late")


def _expiring(overview: StudyOverview) -> KeyFigure:
    ahead = [one for one in overview.expiries_ahead if one.days_left >= 0]
    passed = _kits(one.kits for one in overview.expiries_ahead if one.days_left < 0)
    explained = "Usable kits whose last day of dispensing lies in the next 90 days."
    label, value = "Expiring in 90 days", number(_kits(one.kits for one in ahead))
    if passed:
        return KeyFigure(label, value, f"{number(passed)} past it", "alert", explained)
    return KeyFigure(
        label, value, f"next on {day(ahead[0].last_dispense_date)}" if ahead else "none", explained=explained
    )


def _kits(counts: Iterable[int]) -> int:
    return sum(counts)
