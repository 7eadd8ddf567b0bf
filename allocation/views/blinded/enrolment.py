"""Enrolment against plan, in four aggregate queries over the subjects."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from typing import Any

from sqlalchemy import Connection, func, select

from allocation.ledger.schema import site, subject
from allocation.study.protocol import Protocol
from allocation.views.blinded.overview_models import (
    CountryEnrolment,
    DayCount,
    Enrolment,
    EnrolmentCounts,
    EnrolmentPlan,
    SiteEnrolment,
)
from allocation.views.study_at import StudyAt
from allocation.views.visible import Visible

_COUNT_OF_STATUS = {
    "screening": "in_screening",
    "eligible": "in_screening",
    "screen_failed": "screen_failed",
    "randomized": "on_study",
    "discontinued": "discontinued",
    "completed": "completed",
}


def enrolment(connection: Connection, at: StudyAt, seen: Visible) -> Enrolment:
    """Enrolment of the visible sites against the protocol's plan."""
    by_site: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    rows = connection.execute(
        select(
            subject.c.site_id,
            subject.c.status,
            func.count().label("subjects"),
            func.count(subject.c.randomized_on).label("randomized"),
        )
        .where(subject.c.study_id == at.study_id, seen.at_site(subject.c.site_id))
        .group_by(subject.c.site_id, subject.c.status)
    )
    for row in rows:
        counts = by_site[row.site_id]
        counts["screened"] += row.subjects
        counts["randomized"] += row.randomized
        counts[_COUNT_OF_STATUS[row.status]] += row.subjects
    sites = _sites(connection, at, seen, by_site)
    protocol = at.protocol
    return Enrolment(
        plan=EnrolmentPlan(
            planned_subjects=protocol.study.planned_subjects,
            planned_start=protocol.study.planned_start,
            planned_enrolment_end=protocol.study.planned_enrolment_end,
            expected_by_now=expected_enrolment(protocol, at.today),
        ),
        total=_sum([one.counts for one in sites]),
        countries=_countries(protocol, sites),
        sites=sites,
        screened_by_day=_by_day(connection, at, seen, subject.c.screened_on),
        randomized_by_day=_by_day(connection, at, seen, subject.c.randomized_on),
    )


def expected_enrolment(protocol: Protocol, today: date) -> float | None:
    """Subjects that should be randomized by `today` if enrolment were even from planned start to planned end.

    None where the protocol does not state the period.
    """
    start, end = protocol.study.planned_start, protocol.study.planned_enrolment_end
    if start is None or end is None or end <= start:
        return None
    share = (today - start).days / (end - start).days
    return round(min(max(share, 0.0), 1.0) * protocol.study.planned_subjects, 1)


def _sites(
    connection: Connection, at: StudyAt, seen: Visible, by_site: dict[str, dict[str, int]]
) -> tuple[SiteEnrolment, ...]:
    planned = {one.code: one for one in at.protocol.sites}
    opened = connection.execute(
        select(site.c.site_id, site.c.name, site.c.country, site.c.status, site.c.opened_on).where(
            site.c.study_id == at.study_id, seen.at_site(site.c.site_id)
        )
    ).all()
    found = [
        SiteEnrolment(
            site_id=row.site_id,
            name=row.name,
            country=row.country,
            status=row.status,
            opened_on=row.opened_on,
            planned_subjects=planned[row.site_id].planned_subjects if row.site_id in planned else 0,
            counts=EnrolmentCounts(**by_site.get(row.site_id, {})),
        )
        for row in opened
    ]
    known = {row.site_id for row in opened}
    found += [
        SiteEnrolment(
            site_id=one.code,
            name=one.name,
            country=one.country,
            status="planned",
            opened_on=None,
            planned_subjects=one.planned_subjects,
            counts=EnrolmentCounts(),
        )
        for one in at.protocol.sites
        if one.code not in known and (seen.whole_study or one.code in seen.sites)
    ]
    return tuple(sorted(found, key=lambda one: one.site_id))


def _countries(protocol: Protocol, sites: tuple[SiteEnrolment, ...]) -> tuple[CountryEnrolment, ...]:
    """The countries of the visible sites; the plan is the country's own, whatever part of it is visible."""
    in_country: dict[str, list[SiteEnrolment]] = defaultdict(list)
    for one in sites:
        in_country[one.country].append(one)
    return tuple(
        CountryEnrolment(
            country=country.code,
            name=country.name,
            planned_subjects=country.planned_subjects,
            planned_sites=country.planned_sites,
            open_sites=sum(one.opened_on is not None for one in in_country[country.code]),
            counts=_sum([one.counts for one in in_country[country.code]]),
        )
        for country in sorted(protocol.countries, key=lambda country: country.code)
        if country.code in in_country
    )


def _sum(parts: list[EnrolmentCounts]) -> EnrolmentCounts:
    return EnrolmentCounts(
        **{name: sum(getattr(part, name) for part in parts) for name in EnrolmentCounts.model_fields}
    )


def _by_day(connection: Connection, at: StudyAt, seen: Visible, column: Any) -> tuple[DayCount, ...]:
    rows = connection.execute(
        select(column.label("day"), func.count().label("subjects"))
        .where(subject.c.study_id == at.study_id, column.is_not(None), seen.at_site(subject.c.site_id))
        .group_by(column)
        .order_by(column)
    )
    return tuple(DayCount(day=row.day, subjects=row.subjects) for row in rows)
