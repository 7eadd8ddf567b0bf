"""What an amendment would do to the running study: read once, for the blinded and the unblinded preview alike."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from allocation.errors import NotFound
from allocation.ledger.schema import IN_SCREENING, site, study, subject
from allocation.ledger.subject_paths import measured_at_sites
from allocation.ledger.versions import Protocols, protocol_of
from allocation.rules.amendments import VersionsByVisit, amended, version_at
from allocation.rules.demand import PlannedDispensing
from allocation.study.amendment_effects import (
    Plan,
    SubjectEffect,
    advanced,
    demand_by_week,
    effect_on_subject,
    plan_of,
)
from allocation.study.amendment_in_screening import ScreeningEffect, effect_in_screening
from allocation.study.effective_moments import effective_moments
from allocation.study.followed_schedule import followed_schedule
from allocation.study.protocol import MOVES_SUBJECTS, Protocol
from allocation.study.subject_schedule import SubjectPath
from allocation.views.followed_versions import FollowedVersions, followed_versions

Demand = Counter[tuple[str, date, str]]
"""Kits by country, Monday of the week, and kit type."""


@dataclass(frozen=True, slots=True)
class SubjectChange:
    """A subject for whom something changes: where, and which version its visits would follow until then."""

    site_id: str
    country: str
    version: int
    effect: SubjectEffect


@dataclass(frozen=True, slots=True)
class ScreeningChange:
    """A subject in screening for whom something changes: where, and under which version it would be randomized without the new one."""

    site_id: str
    country: str
    version: int
    effect: ScreeningEffect


@dataclass(frozen=True, slots=True)
class AmendmentEffects:
    """The effects of `new` after `old`, the latest loaded version.

    `moments`: country -> from when it counts (UTC); countries of the protocol that are not among them wait. Subjects on study are those
    randomized and not ended: `staying` stay on their version by the amendment rule, `waiting` are in countries that wait.
    """

    old: Protocol
    new: Protocol
    moments: Mapping[str, datetime]
    on_study: int
    staying: int
    waiting: int
    in_screening: int
    changes: tuple[SubjectChange, ...]
    screening: tuple[ScreeningChange, ...]
    before: Demand
    after: Demand


def amendment_effects(
    connection: Connection,
    study_id: str,
    new: Protocol,
    effective_at: datetime | None,
    countries: Mapping[str, datetime],
    now: datetime,
) -> AmendmentEffects:
    """Compare every subject on study or in screening, and the demand, with and without `new`.

    Each subject is compared, from the moment at which `new` counts in its country, with the version that it would follow then: also one
    that is loaded and not in force yet at `now` (UTC). Until then its visits go by the versions in force in turn. Raises NotFound,
    DomainRefusal for a wrong country.
    """
    latest = connection.execute(select(study.c.latest_version).where(study.c.study_id == study_id)).scalar()
    if latest is None:
        raise NotFound(
            f"study {study_id!r} is not loaded", field="study_id", fix="load it with `rtsm study load FILE`"
        )
    moments = effective_moments(new, effective_at, countries, now)
    sites = connection.execute(select(site).where(site.c.study_id == study_id).order_by(site.c.site_id)).all()
    comparison = _Comparison(connection, study_id, new, latest, now, tuple(row.site_id for row in sites))
    changes: list[SubjectChange] = []
    screening: list[ScreeningChange] = []
    counts: Counter[str] = Counter()
    demand: dict[str, Demand] = defaultdict(Counter)
    for row in sites:
        moment = moments.get(row.country)
        today = now.astimezone(ZoneInfo(row.timezone)).date()
        for path in comparison.subjects.in_screening[row.site_id]:
            counts["in screening"] += 1
            if moment is not None:
                screening += comparison.in_screening(row, path, today, moment)
        for path in comparison.subjects.on_study[row.site_id]:
            counts["on study"] += 1
            counts["waiting"] += moment is None
            counts["staying"] += moment is not None and not comparison.moves_anybody
            version, effect = comparison.on_study(row, path, today, moment)
            for name, dispensings in (("before", effect.before), ("after", effect.after)):
                if path.on_hold:  # supply plans nothing while dosing is on hold
                    continue
                for (week, kit_type), kits in demand_by_week(dispensings, today).items():
                    demand[name][row.country, week, kit_type] += kits
            if effect.changes:
                changes.append(SubjectChange(row.site_id, row.country, version, effect))
    return AmendmentEffects(
        comparison.protocols[latest],
        new,
        moments,
        counts["on study"],
        counts["staying"],
        counts["waiting"],
        counts["in screening"],
        tuple(changes),
        tuple(screening),
        demand["before"],
        demand["after"],
    )


class _Comparison:
    """The study's subjects with the versions that they follow in turn, each to be compared with and without the new version."""

    def __init__(
        self,
        connection: Connection,
        study_id: str,
        new: Protocol,
        latest: int,
        now: datetime,
        sites: tuple[str, ...],
    ) -> None:
        self.new = new
        self.latest = latest
        self.subjects: FollowedVersions = followed_versions(connection, study_id, sites, now)
        known: Protocols = {}
        self.protocols = {
            version: protocol_of(connection, study_id, version, known) for version in range(1, latest + 1)
        }
        everything = [new, *self.protocols.values()]
        self.measured = measured_at_sites(connection, study_id, sites, "randomized", everything)
        query = select(subject.c.subject_id, subject.c.age, subject.c.factors_json).where(
            subject.c.study_id == study_id, subject.c.status.in_(IN_SCREENING)
        )
        self.screened = {row.subject_id: row for row in connection.execute(query)}
        self.plans: dict[tuple[VersionsByVisit, bool], Plan] = {}

    @property
    def moves_anybody(self) -> bool:
        """Whether the new version moves subjects on study, at once or at a visit."""
        return self.new.amendment_rule == MOVES_SUBJECTS or self.new.moves_from is not None

    def plan(self, versions: VersionsByVisit, *, with_new: bool = False) -> Plan:
        """The plan by which subjects of these versions are treated; `with_new`: the last of them is the new one."""
        key = (versions, with_new)
        if key not in self.plans:
            number = versions[-1][1]
            protocols = {**self.protocols, self.new.study.version: self.new} if with_new else self.protocols
            used = {version: protocols[version] for _, version in versions}
            self.plans[key] = plan_of(followed_schedule(versions, used, number))
        return self.plans[key]

    def on_study(
        self, row: Any, path: SubjectPath, today: date, moment: datetime | None
    ) -> tuple[int, SubjectEffect]:
        """The version that the subject at the site in `row` would follow at `moment` without the new one, and what the new one changes.

        `moment` None: the new version waits in the country, and changes nothing.
        """
        versions, day, path, passed = self._until(row, path, today, moment)
        old = self.plan(versions)
        new, effective_on = old, day
        if moment is not None:
            visit = self.new.moves_from
            then = amended(
                versions,
                self.new.study.version,
                self.new.amendment_rule == MOVES_SUBJECTS,
                None if visit is None else visit.number,
            )
            new = old if then == versions else self.plan(then, with_new=True)
            effective_on = max(day, moment.astimezone(ZoneInfo(row.timezone)).date())
        measures = self.measured.planned(path, new.protocol).measures
        known_of = self.measured.planned(path, old.protocol)
        effect = effect_on_subject(old, new, known_of, day, effective_on, measures)
        number = max((visit.number for visit in old.protocol.visits if visit.code in path.done), default=None)
        return version_at(versions, number), replace(
            effect, before=(*passed, *effect.before), after=(*passed, *effect.after)
        )

    def in_screening(
        self, row: Any, path: SubjectPath, today: date, moment: datetime
    ) -> list[ScreeningChange]:
        """What changes for a subject in screening, who goes by the version in force in any case; empty where nothing does."""
        versions, day, path, _ = self._until(row, path, today, moment)
        new = self.plan(((None, self.new.study.version),), with_new=True)
        stated = self.screened[path.subject_id]
        effect = effect_in_screening(
            self.plan(versions),
            new,
            path,
            stated.age,
            json.loads(stated.factors_json),
            day,
            max(day, moment.astimezone(ZoneInfo(row.timezone)).date()),
        )
        if not effect.changes:
            return []
        return [ScreeningChange(row.site_id, row.country, versions[-1][1], effect)]

    def _until(
        self, row: Any, path: SubjectPath, today: date, moment: datetime | None
    ) -> tuple[VersionsByVisit, date, SubjectPath, tuple[PlannedDispensing, ...]]:
        """The versions that the subject follows at `moment` (None: in the end), the day at the site on which the last of them took effect,
        how far the subject will be then, and what it was dispensed from `today` until then.
        """
        versions: VersionsByVisit = path.versions or ((None, self.latest),)
        passed: tuple[PlannedDispensing, ...] = ()
        for one in self.subjects.later.get(row.country, ()):
            if moment is not None and one > moment:
                break
            plan, on = self.plan(versions), one.astimezone(ZoneInfo(row.timezone)).date()
            path, dispensed = advanced(plan, self.measured.planned(path, plan.protocol), today, on)
            passed += dispensed
            versions = self.subjects.at[one][path.subject_id] or versions
            today = max(today, on)
        return versions, today, path, passed
