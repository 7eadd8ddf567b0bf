"""What an amendment would do to the running study: read once, for the blinded and the unblinded preview alike."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select

from allocation.errors import NotFound
from allocation.ledger.schema import site, study, subject
from allocation.ledger.subject_paths import measured_at_sites, paths_at_sites
from allocation.ledger.versions import Protocols, protocol_of
from allocation.study.amendment_effects import (
    SubjectEffect,
    demand_by_week,
    effect_on_subject,
    plan_of,
)
from allocation.study.effective_moments import effective_moments
from allocation.study.protocol import MOVES_SUBJECTS, Protocol

Demand = Counter[tuple[str, date, str]]
"""Kits by country, Monday of the week, and kit type."""


@dataclass(frozen=True, slots=True)
class SubjectChange:
    """A subject for whom something changes: where, and which version its visits followed so far."""

    site_id: str
    country: str
    version: int
    effect: SubjectEffect


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
    """Compare every subject on study, and the demand, with and without `new`. Raises NotFound, DomainRefusal for a wrong country.

    Each subject is compared with the version that it follows at `now` (UTC).
    """
    latest = connection.execute(select(study.c.latest_version).where(study.c.study_id == study_id)).scalar()
    if latest is None:
        raise NotFound(
            f"study {study_id!r} is not loaded", field="study_id", fix="load it with `rtsm study load FILE`"
        )
    known: Protocols = {}
    moments = effective_moments(new, effective_at, countries, now)
    moves = new.amendment_rule == MOVES_SUBJECTS
    sites = connection.execute(select(site).where(site.c.study_id == study_id).order_by(site.c.site_id)).all()
    here = [row.site_id for row in sites]
    paths = paths_at_sites(connection, study_id, here, "randomized", now)
    versions = {
        latest if path.version is None else path.version for found in paths.values() for path in found
    }
    plans = {version: plan_of(protocol_of(connection, study_id, version, known)) for version in versions}
    plan = plan_of(new)
    protocols = [new, *(one.protocol for one in plans.values())]
    measured = measured_at_sites(connection, study_id, here, "randomized", protocols)
    changes: list[SubjectChange] = []
    counts: Counter[str] = Counter()
    demand: dict[str, Demand] = defaultdict(Counter)
    for row in sites:
        zone = ZoneInfo(row.timezone)
        today = now.astimezone(zone).date()
        moment = moments.get(row.country)
        for path in paths[row.site_id]:
            version = latest if path.version is None else path.version
            counts["on study"] += 1
            counts["waiting"] += moment is None
            counts["staying"] += moment is not None and not moves
            stays = moment is None or not moves
            effective_on = today if moment is None else max(today, moment.astimezone(zone).date())
            old, then = plans[version], plans[version] if stays else plan
            known_of = measured.planned(path, old.protocol)
            measures = measured.planned(path, then.protocol).measures
            effect = effect_on_subject(old, then, known_of, today, effective_on, measures)
            for name, dispensings in (("before", effect.before), ("after", effect.after)):
                if path.on_hold:  # supply plans nothing while dosing is on hold
                    continue
                for (week, kit_type), kits in demand_by_week(dispensings, today).items():
                    demand[name][row.country, week, kit_type] += kits
            if effect.changes:
                changes.append(SubjectChange(row.site_id, row.country, version, effect))
    return AmendmentEffects(
        protocol_of(connection, study_id, latest, known),
        new,
        moments,
        counts["on study"],
        counts["staying"],
        counts["waiting"],
        _in_screening(connection, study_id),
        tuple(changes),
        demand["before"],
        demand["after"],
    )


def _in_screening(connection: Connection, study_id: str) -> int:
    query = (
        select(func.count())
        .select_from(subject)
        .where(subject.c.study_id == study_id, subject.c.status.in_(("screening", "eligible")))
    )
    return int(connection.execute(query).scalar_one())
