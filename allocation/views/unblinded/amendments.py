"""The preview of an amendment for whoever may load it: it names arms' kit types, subject by subject."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from allocation.access.actors import Actor
from allocation.access.permissions import authorize
from allocation.ledger.database import Database
from allocation.rules.visits import VisitWindow
from allocation.study.amendment import version_errors
from allocation.study.amendment_effects import Kits, VisitEffect
from allocation.study.amendment_of_randomization import effects_on_randomization
from allocation.study.canonical import protocol_sha256
from allocation.study.diff import diff_protocols
from allocation.study.protocol import Protocol
from allocation.views.amendment_effects import (
    AmendmentEffects,
    ScreeningChange,
    SubjectChange,
    amendment_effects,
)
from allocation.views.unblinded.amendment_models import (
    AmendmentPreview,
    ChangedEvent,
    ChangedInScreening,
    ChangedKits,
    ChangedSubject,
    ChangedVisit,
    DemandChange,
    DemandTotal,
    KitCount,
    LastDays,
    ProtocolChange,
    Window,
)


def preview_amendment(
    database: Database,
    actor: Actor,
    protocol: Protocol,
    now: datetime,
    effective_at: datetime | None = None,
    countries: Mapping[str, datetime] | None = None,
    cannot_run: Sequence[str] = (),
) -> AmendmentPreview:
    """What loading `protocol` would change in its running study; `effective_at` and `countries` as when it is loaded.

    `cannot_run`: what the service would not carry out (commands/studies.py), for the obstacles.

    Raises NotPermitted, NotFound for a study that is not loaded, DomainRefusal for a country that the protocol does not have.
    """
    study_id = protocol.study.id
    authorize(actor, "study.load", study_id)
    with database.read() as connection:
        effects = amendment_effects(connection, study_id, protocol, effective_at, countries or {}, now)
    old, moments = effects.old, effects.moments
    obstacles = [str(one) for one in version_errors(old, protocol)]
    obstacles += cannot_run
    return AmendmentPreview(
        study_id=study_id,
        moment=now,
        from_version=old.study.version,
        to_version=protocol.study.version,
        sha256=protocol_sha256(protocol),
        amendment_rule=protocol.amendment_rule,
        amendment_visit=protocol.amendment_visit,
        countries={one.code: moments.get(one.code) for one in protocol.countries},
        obstacles=tuple(obstacles),
        changes=tuple(
            ProtocolChange(**change.as_json(), text=str(change)) for change in diff_protocols(old, protocol)
        ),
        randomization=tuple(
            ChangedEvent(
                event=one.event,
                change=one.change,
                differs=one.differs,
                needs=one.needs,
                balance_begins_anew=one.balance_begins_anew,
            )
            for one in effects_on_randomization(old, protocol)
        ),
        subjects_on_study=effects.on_study,
        subjects_staying=effects.staying,
        subjects_waiting=effects.waiting,
        subjects_in_screening=effects.in_screening,
        subjects=tuple(map(_subject, effects.changes)),
        screening=tuple(map(_in_screening, effects.screening)),
        demand=_demand(effects),
        demand_totals=_totals(effects),
    )


def _subject(change: SubjectChange) -> ChangedSubject:
    effect = change.effect
    return ChangedSubject(
        subject_id=effect.subject_id,
        site_id=change.site_id,
        country=change.country,
        version=change.version,
        visits=_visits(effect.visits),
        kits=tuple(
            ChangedKits(visit_code=one.visit, old=_kits(one.old), new=_kits(one.new)) for one in effect.kits
        ),
        hole=effect.hole,
    )


def _in_screening(change: ScreeningChange) -> ChangedInScreening:
    effect, days = change.effect, change.effect.randomize_by
    return ChangedInScreening(
        subject_id=effect.subject_id,
        site_id=change.site_id,
        country=change.country,
        version=change.version,
        visits=_visits(effect.visits),
        randomize_by=None if days is None else LastDays(old=days[0], new=days[1]),
        factors=effect.factors,
        age_refused=effect.age_refused,
    )


def _visits(effects: Sequence[VisitEffect]) -> tuple[ChangedVisit, ...]:
    return tuple(
        ChangedVisit(visit_code=one.visit, change=one.change, old=_window(one.old), new=_window(one.new))
        for one in effects
    )


def _window(window: VisitWindow | None) -> Window | None:
    if window is None:
        return None
    return Window(target=window.target, opens=window.opens, closes=window.closes)


def _kits(kits: Kits) -> tuple[KitCount, ...]:
    return tuple(KitCount(kit_type=kit_type, quantity=quantity) for kit_type, quantity in kits)


def _demand(effects: AmendmentEffects) -> tuple[DemandChange, ...]:
    before, after = effects.before, effects.after
    return tuple(
        DemandChange(country=key[0], week=key[1], kit_type=key[2], before=before[key], after=after[key])
        for key in sorted(before.keys() | after.keys())
        if before[key] != after[key]
    )


def _totals(effects: AmendmentEffects) -> tuple[DemandTotal, ...]:
    before: Counter[tuple[str, str]] = Counter()
    after: Counter[tuple[str, str]] = Counter()
    for totals, demand in ((before, effects.before), (after, effects.after)):
        for (country, _, kit_type), kits in demand.items():
            totals[country, kit_type] += kits
    return tuple(
        DemandTotal(country=key[0], kit_type=key[1], before=before[key], after=after[key])
        for key in sorted(before.keys() | after.keys())
    )
