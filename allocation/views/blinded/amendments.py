"""The preview of an amendment in blinded words, for the study team to be told: visits, and kits by what they look like.

What is dispensed to whom may follow the arm, so kits are counted over the whole study and by blinding group only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime

from allocation.access.actors import Actor
from allocation.access.permissions import authorize
from allocation.ledger.database import Database
from allocation.rules.visits import VisitWindow
from allocation.study.amendment_effects import VisitEffect
from allocation.study.protocol import Protocol
from allocation.views.amendment_effects import (
    AmendmentEffects,
    Demand,
    ScreeningChange,
    SubjectChange,
    amendment_effects,
)
from allocation.views.shape import View


class BlindedWindow(View):
    """A visit's window: calendar dates at the site, both ends inside."""

    target: date
    opens: date
    closes: date


class BlindedVisit(View):
    """A coming visit that is added, dropped or moved."""

    visit_code: str
    change: str
    old: BlindedWindow | None
    new: BlindedWindow | None


class RescheduledSubject(View):
    """A subject on study whose coming visits change."""

    subject_id: str
    site_id: str
    country: str
    visits: tuple[BlindedVisit, ...]


class BlindedLastDays(View):
    """The last day for a subject's first randomization, without and with the amendment; None: no such day."""

    old: date | None
    new: date | None


class RescheduledInScreening(View):
    """A subject in screening for whom something changes; days and factors as in the unblinded preview."""

    subject_id: str
    site_id: str
    country: str
    visits: tuple[BlindedVisit, ...]
    randomize_by: BlindedLastDays | None
    factors: tuple[str, ...]
    age_refused: bool


class GroupDemand(View):
    """Kits of a look due in the whole study in the week from Monday `week`, where before and after differ."""

    kit_group: str
    week: date
    before: int
    after: int


class BlindedAmendmentPreview(View):
    """What a version would change, as of `moment` (UTC), without arms, kit types and doses."""

    study_id: str
    moment: datetime
    from_version: int
    to_version: int
    amendment_rule: str
    amendment_visit: str | None
    countries: dict[str, datetime | None]
    subjects_on_study: int
    subjects_staying: int
    subjects_waiting: int
    subjects_in_screening: int
    subjects: tuple[RescheduledSubject, ...]
    screening: tuple[RescheduledInScreening, ...]
    demand: tuple[GroupDemand, ...]


def blinded_amendment_preview(
    database: Database,
    actor: Actor,
    protocol: Protocol,
    now: datetime,
    effective_at: datetime | None = None,
    countries: Mapping[str, datetime] | None = None,
) -> BlindedAmendmentPreview:
    """As the unblinded preview, in what blinded people may be told. Whoever holds the document asks for it.

    Raises NotPermitted, NotFound for a study that is not loaded, DomainRefusal for a country that the protocol does not have.
    """
    study_id = protocol.study.id
    authorize(actor, "study.load", study_id)
    with database.read() as connection:
        effects = amendment_effects(connection, study_id, protocol, effective_at, countries or {}, now)
    return BlindedAmendmentPreview(
        study_id=study_id,
        moment=now,
        from_version=effects.old.study.version,
        to_version=protocol.study.version,
        amendment_rule=protocol.amendment_rule,
        amendment_visit=protocol.amendment_visit,
        countries={one.code: effects.moments.get(one.code) for one in protocol.countries},
        subjects_on_study=effects.on_study,
        subjects_staying=effects.staying,
        subjects_waiting=effects.waiting,
        subjects_in_screening=effects.in_screening,
        subjects=tuple(_subject(one) for one in effects.changes if one.effect.visits),
        screening=tuple(map(_in_screening, effects.screening)),
        demand=_demand(effects),
    )


def _subject(change: SubjectChange) -> RescheduledSubject:
    return RescheduledSubject(
        subject_id=change.effect.subject_id,
        site_id=change.site_id,
        country=change.country,
        visits=_visits(change.effect.visits),
    )


def _in_screening(change: ScreeningChange) -> RescheduledInScreening:
    effect, days = change.effect, change.effect.randomize_by
    return RescheduledInScreening(
        subject_id=effect.subject_id,
        site_id=change.site_id,
        country=change.country,
        visits=_visits(effect.visits),
        randomize_by=None if days is None else BlindedLastDays(old=days[0], new=days[1]),
        factors=effect.factors,
        age_refused=effect.age_refused,
    )


def _visits(effects: Sequence[VisitEffect]) -> tuple[BlindedVisit, ...]:
    return tuple(
        BlindedVisit(
            visit_code=one.visit,
            change=one.change,
            old=None if one.old is None else BlindedWindow(**_days(one.old)),
            new=None if one.new is None else BlindedWindow(**_days(one.new)),
        )
        for one in effects
    )


def _days(window: VisitWindow) -> dict[str, date]:
    return {"target": window.target, "opens": window.opens, "closes": window.closes}


def _demand(effects: AmendmentEffects) -> tuple[GroupDemand, ...]:
    look = _looks(effects.old) | _looks(effects.new)
    before, after = _by_group(effects.before, look), _by_group(effects.after, look)
    return tuple(
        GroupDemand(kit_group=key[0], week=key[1], before=before[key], after=after[key])
        for key in sorted(before.keys() | after.keys())
        if before[key] != after[key]
    )


def _looks(protocol: Protocol) -> dict[str, str]:
    labels = {group.code: group.label for group in protocol.blinding_groups}
    return {one.code: labels.get(one.blinding_group, one.blinding_group) for one in protocol.kit_types}


def _by_group(demand: Demand, look: Mapping[str, str]) -> Counter[tuple[str, date]]:
    groups: Counter[tuple[str, date]] = Counter()
    for (_, week, kit_type), kits in demand.items():
        groups[look[kit_type], week] += kits
    return groups
