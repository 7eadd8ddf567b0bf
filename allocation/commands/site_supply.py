"""What a resupply decision about one site is made from: countable stock, pipeline, coming demand, parameters."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from sqlalchemy import Connection, func, select

from allocation.commands.dispensing import released_for
from allocation.commands.subject_paths import paths_at_site
from allocation.ledger.schema import kit, lot, shipment, subject
from allocation.rules.demand import (
    Counted,
    DemandPolicy,
    EligibleSubjects,
    PlannedDispensing,
    SubjectDemandFacts,
    SubjectState,
    demand_status,
    due_visits,
)
from allocation.rules.expiry import ExpiryWindows
from allocation.rules.kit_status import KitStatus, Place
from allocation.rules.orders import (
    Consolidation,
    KitTypeSupply,
    LotChoice,
    OrderLine,
    OrderPolicy,
    plan_order,
    plan_seeding,
)
from allocation.rules.resupply import ResupplyDecision, countable_on_hand, decide_resupply
from allocation.study.dose_paths import dispensing_rows
from allocation.study.parameters import EffectiveParameters, effective_parameters
from allocation.study.protocol import Protocol
from allocation.study.subject_schedule import SubjectPath, planned_dispensings, visits_ahead

OPEN_STATUSES = ("requested", "in_transit")


@dataclass(frozen=True, slots=True)
class SiteAt:
    """A site on a date: `today` is the site's date of the run."""

    site_id: str
    country: str
    depot_id: str
    profile: str | None
    today: date


@dataclass(frozen=True, slots=True)
class SiteNeed:
    """What one site needs: the decision for each kit type, the order lines (empty: no order), and why there is none."""

    decisions: tuple[ResupplyDecision, ...]
    lines: tuple[OrderLine, ...]
    why: str
    parameters: dict[str, EffectiveParameters]
    ignored_subjects: tuple[tuple[str, str], ...] = ()


def kit_type_supplies(protocol: Protocol) -> dict[str, KitTypeSupply]:
    """What ordering must know of each kit type of the protocol."""
    return {
        one.code: KitTypeSupply(
            one.code, one.blinding_group, ExpiryWindows(**one.expiry.model_dump()), one.block_size
        )
        for one in protocol.kit_types
    }


def order_policy(protocol: Protocol) -> OrderPolicy:
    """How the protocol puts orders together; a blinded study never ships what would expose a group."""
    return OrderPolicy(
        consolidation=Consolidation(protocol.supply.consolidation),
        lot_choice=LotChoice(protocol.supply.lot_choice),
        single_kit_protection=protocol.supply.single_kit_protection,
        single_type_protection=protocol.supply.single_type_protection,
    )


def site_need(connection: Connection, study_id: str, protocol: Protocol, at: SiteAt) -> SiteNeed:
    """Decide what the site needs on its date; reads only. Every decision is a rule's (allocation/rules)."""
    parameters = {
        one.code: effective_parameters(
            protocol, one.code, at.today, country=at.country, site=at.site_id, profile=at.profile
        )
        for one in protocol.kit_types
    }
    active = {code: found for code, found in parameters.items() if not found.paused}
    if not active:
        return SiteNeed((), (), "paused", parameters)
    seeding = _seeding(connection, study_id, protocol, at, active)
    if seeding is not None:
        return SiteNeed((), seeding[0], seeding[1], parameters)
    on_hand = _countable(connection, study_id, protocol, at)
    pipeline = _pipeline(connection, study_id, protocol, at)
    facts, planned = _demand(connection, study_id, protocol, at)
    policy = DemandPolicy(
        EligibleSubjects(protocol.supply.eligible_subjects),
        protocol.supply.ignore_if_last_dispensing_skipped,
        protocol.supply.ignore_if_overdue_days,
    )
    decisions = tuple(
        decide_resupply(
            code,
            on_hand[code],
            pipeline[code],
            due_visits(planned, facts, code, at.today, policy),
            found.for_rule(),
        )
        for code, found in active.items()
    )
    lines = plan_order(decisions, kit_type_supplies(protocol), order_policy(protocol))
    ignored = tuple(
        (one.subject, status.value)
        for one in facts
        if (status := demand_status(one, at.today, policy)) != Counted.COUNTED
    )
    why = "triggered" if lines else "no kit type reached its trigger level"
    return SiteNeed(decisions, lines, why, parameters, ignored)


def _seeding(
    connection: Connection,
    study_id: str,
    protocol: Protocol,
    at: SiteAt,
    active: dict[str, EffectiveParameters],
) -> tuple[tuple[OrderLine, ...], str] | None:
    """The lines of the site's first shipment and why; None once it had one, or when the study does not seed."""
    if protocol.supply.seeding == "none":
        return None
    here = (shipment.c.study_id == study_id, shipment.c.site_id == at.site_id)
    sent = (
        select(shipment.c.shipment_id).where(*here, shipment.c.status.not_in(("cancelled", "lost"))).limit(1)
    )
    if connection.execute(sent).first() is not None:
        return None
    if protocol.supply.seeding == "on_first_screening":
        screened = (
            select(subject.c.subject_id)
            .where(subject.c.study_id == study_id, subject.c.site_id == at.site_id)
            .limit(1)
        )
        if connection.execute(screened).first() is None:
            return (), "not seeded yet: nobody has been screened"
    quantities = {code: found.seed_quantity for code, found in active.items()}
    windows = {code: found.long_window for code, found in active.items()}
    lines = plan_seeding(quantities, windows, kit_type_supplies(protocol), order_policy(protocol))
    return (lines, "seeding") if lines else None


def _countable(connection: Connection, study_id: str, protocol: Protocol, at: SiteAt) -> Counter[str]:
    rows = connection.execute(
        select(kit.c.kit_type, kit.c.expiry_date, lot.c.status, lot.c.released_for)
        .join_from(kit, lot, (lot.c.study_id == kit.c.study_id) & (lot.c.lot_id == kit.c.lot_id))
        .where(
            kit.c.study_id == study_id,
            kit.c.place_kind == Place.SITE.value,
            kit.c.place == at.site_id,
            kit.c.status == KitStatus.SITE_AVAILABLE.value,
        )
    )
    by_type: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        by_type[row.kit_type].append(row)
    counted: Counter[str] = Counter()
    for one in protocol.kit_types:
        here = by_type[one.code]
        released = [row.status == "released" and released_for(row.released_for, at.country) for row in here]
        days = np.array([row.expiry_date.toordinal() for row in here], dtype=np.int64)
        available = np.array(released, dtype=np.bool_)
        counted[one.code] = int(countable_on_hand(available, days, one.expiry.dnc_days, at.today.toordinal()))
    return counted


def _pipeline(connection: Connection, study_id: str, protocol: Protocol, at: SiteAt) -> Counter[str]:
    counted = [status for status in OPEN_STATUSES if status in protocol.supply.pipeline_statuses]
    moving = (KitStatus.REQUESTED.value, KitStatus.IN_TRANSIT.value)
    rows = connection.execute(
        select(kit.c.kit_type, func.count())
        .join_from(
            shipment,
            kit,
            (kit.c.study_id == shipment.c.study_id) & (kit.c.shipment_id == shipment.c.shipment_id),
        )
        .where(
            shipment.c.study_id == study_id,
            shipment.c.site_id == at.site_id,
            shipment.c.status.in_(counted),
            kit.c.status.in_(moving),
        )
        .group_by(kit.c.kit_type)
    )
    return Counter({kit_type: int(count) for kit_type, count in rows})


def _demand(
    connection: Connection, study_id: str, protocol: Protocol, at: SiteAt
) -> tuple[list[SubjectDemandFacts], list[PlannedDispensing]]:
    rows = dispensing_rows(protocol)
    dispensing = [
        visit.code for visit in sorted(protocol.visits, key=lambda visit: visit.number) if visit.dispensing
    ]
    facts: list[SubjectDemandFacts] = []
    planned: list[PlannedDispensing] = []
    for path in paths_at_site(connection, study_id, at.site_id, "randomized"):
        ahead = visits_ahead(protocol, path)
        facts.append(
            SubjectDemandFacts(
                subject=path.subject_id,
                state=SubjectState.RANDOMIZED,
                skipped_last_dispensing=_skipped_latest(path, dispensing),
                oldest_open_window_closes=ahead[0][1].closes if ahead else None,
            )
        )
        planned += planned_dispensings(protocol, rows, path)
    return facts, planned


def _skipped_latest(path: SubjectPath, dispensing: list[str]) -> bool:
    """Whether the last dispensing visit that is on record was marked missed."""
    on_record = [code for code in dispensing if code in path.done or code in path.missed]
    return bool(on_record) and on_record[-1] in path.missed
