"""What a resupply decision about one site is made from: countable stock, pipeline, coming demand, parameters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime

import numpy as np
from sqlalchemy import Connection, bindparam, func, select

from allocation.commands.kit_candidates import is_released
from allocation.commands.paused_supply import paused_types, pauses_by_hand, why_all_paused
from allocation.commands.visit_facts import protocol_hole
from allocation.errors import RuleError
from allocation.ledger.schema import kit, lot, shipment, subject
from allocation.ledger.subject_paths import measured_at_sites, paths_at_sites
from allocation.ledger.versions import Protocols, protocol_of, schedule_of
from allocation.rules.amendments import VersionsByVisit
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
from allocation.rules.dosing import DispensingRow
from allocation.rules.expiry import ExpiryWindows
from allocation.rules.kit_status import KitStatus, Place
from allocation.rules.order_timing import Timing, TimingDecision, TimingPolicy, decide_timing
from allocation.rules.orders import (
    Consolidation,
    KitTypeSupply,
    LotChoice,
    OrderLine,
    OrderPolicy,
    plan_order,
    plan_seeding,
)
from allocation.rules.picking import SameLot
from allocation.rules.resupply import DueVisit, ResupplyDecision, countable_on_hand, decide_resupply
from allocation.rules.resupply_pause import Pause
from allocation.rules.shipment_status import COUNTED_AS, NEVER_CAME, ShipmentStatus
from allocation.rules.visits import VisitWindow
from allocation.study.buffers import ProvidedBuffers, provided_buffers
from allocation.study.dose_paths import dispensing_rows
from allocation.study.newcomers import newcomers
from allocation.study.parameters import EffectiveParameters, effective_parameters
from allocation.study.protocol import Protocol
from allocation.study.schedule import Visit
from allocation.study.subject_schedule import SubjectPath, planned_dispensings, visits_ahead

OPEN_STATUSES = tuple(one.value for one in COUNTED_AS)

_STOCK = (
    select(
        kit.c.place,
        kit.c.kit_type,
        kit.c.expiry_date,
        lot.c.status,
        lot.c.released_for,
        func.count().label("kits"),
    )
    .join_from(kit, lot, (lot.c.study_id == kit.c.study_id) & (lot.c.lot_id == kit.c.lot_id))
    .where(
        kit.c.study_id == bindparam("study"),
        kit.c.place_kind == Place.SITE.value,
        kit.c.place.in_(bindparam("sites", expanding=True)),
        kit.c.status == KitStatus.SITE_AVAILABLE.value,
    )
    .group_by(kit.c.place, kit.c.kit_type, kit.c.expiry_date, lot.c.status, lot.c.released_for)
)
_PIPELINE = (
    select(
        shipment.c.to_place.label("site_id"), shipment.c.status, kit.c.kit_type, func.count().label("kits")
    )
    .join_from(
        shipment, kit, (kit.c.study_id == shipment.c.study_id) & (kit.c.shipment_id == shipment.c.shipment_id)
    )
    .where(
        shipment.c.study_id == bindparam("study"),
        shipment.c.to_kind == Place.SITE.value,
        shipment.c.to_place.in_(bindparam("sites", expanding=True)),
        shipment.c.status.in_(OPEN_STATUSES),
        kit.c.status.in_((KitStatus.REQUESTED.value, KitStatus.IN_TRANSIT.value)),
    )
    .group_by(shipment.c.to_place, shipment.c.status, kit.c.kit_type)
)
_LAST_ORDERED = (
    select(shipment.c.to_place.label("site_id"), func.max(shipment.c.requested_on).label("last_on"))
    .where(
        shipment.c.study_id == bindparam("study"),
        shipment.c.to_kind == Place.SITE.value,
        shipment.c.to_place.in_(bindparam("sites", expanding=True)),
        shipment.c.status.not_in([one.value for one in NEVER_CAME]),
    )
    .group_by(shipment.c.to_place)
)
_SCREENED = (
    select(subject.c.site_id)
    .where(
        subject.c.study_id == bindparam("study"), subject.c.site_id.in_(bindparam("sites", expanding=True))
    )
    .distinct()
)


_WAITS = {
    Timing.TOO_SOON: "waits: the last order was {timing.days_since_order} days ago, less than {timing.policy.days_between_orders}",
    Timing.TOO_SMALL: "waits: {timing.kits} kits are fewer than the smallest shipment, {timing.policy.min_shipment_kits}",
}


@dataclass(frozen=True, slots=True)
class SiteAt:
    """A site on a date: `today` is the site's date of the run, `version` the protocol version in force in its country."""

    site_id: str
    country: str
    depot_id: str
    profile: str | None
    today: date
    version: int


@dataclass(frozen=True, slots=True)
class SiteSituation:
    """What is on record about a site: `stock` as (kit type, expiry, released here, kits), `pipeline` by kit type, its subjects.

    `protocol` is the one in force there, `followed` that of the versions that a subject's visits follow. `last_ordered_on`: the site's
    date of its last order that was neither cancelled nor lost. `asked`: of a central pharmacy, what its satellites will ask of it.
    """

    at: SiteAt
    protocol: Protocol
    followed: Mapping[VersionsByVisit, Protocol]
    stock: tuple[tuple[str, date, bool, int], ...]
    pipeline: Mapping[str, int]
    paths: tuple[SubjectPath, ...]
    last_ordered_on: date | None
    screened: bool
    pauses: tuple[Pause, ...] = ()
    asked: Mapping[str, tuple[DueVisit, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SiteNeed:
    """What one site needs: the decision for each kit type, the order lines (empty: no order), and why there is none.

    `paused`: kit type -> why it is not ordered automatically.
    """

    decisions: tuple[ResupplyDecision, ...]
    lines: tuple[OrderLine, ...]
    why: str
    parameters: dict[str, EffectiveParameters]
    ignored_subjects: tuple[tuple[str, str], ...] = ()
    buffers: Mapping[str, ProvidedBuffers] = field(default_factory=dict)
    timing: TimingDecision | None = None
    paused: Mapping[str, str] = field(default_factory=dict)


def kit_type_supplies(protocol: Protocol) -> dict[str, KitTypeSupply]:
    """What ordering must know of each kit type of the protocol."""
    return {
        one.code: KitTypeSupply(
            one.code, one.blinding_group, ExpiryWindows(**one.expiry.model_dump()), one.block_size
        )
        for one in protocol.kit_types
    }


def order_policy(protocol: Protocol) -> OrderPolicy:
    """How the protocol puts orders together, and what happens where a depot's shortage would expose a blinding group."""
    return OrderPolicy(
        consolidation=Consolidation(protocol.supply.consolidation),
        lot_choice=LotChoice(protocol.supply.lot_choice),
        single_kit_protection=protocol.supply.single_kit_protection,
        single_type_protection=protocol.supply.single_type_protection,
        withhold_exposed=protocol.supply.withhold_exposed,
        same_lot=SameLot(protocol.supply.same_lot_shipments),
    )


def demand_policy(protocol: Protocol) -> DemandPolicy:
    """Who counts as coming demand in this study."""
    return DemandPolicy(
        EligibleSubjects(protocol.supply.eligible_subjects),
        protocol.supply.ignore_if_last_dispensing_skipped,
        protocol.supply.ignore_if_overdue_days,
    )


def site_situations(
    connection: Connection, study_id: str, sites: Sequence[SiteAt], now: datetime, known: Protocols
) -> list[SiteSituation]:
    """Read the situation of several sites at once, in their order. `now` is UTC; `known` keeps the protocols that were read."""
    keys = {"study": study_id, "sites": [at.site_id for at in sites]}
    country = {at.site_id: at.country for at in sites}
    stock: dict[str, list[tuple[str, date, bool, int]]] = defaultdict(list)
    for row in connection.execute(_STOCK, keys):
        released = is_released(row, country[row.place])
        stock[row.place].append((row.kit_type, row.expiry_date, released, row.kits))
    protocols = {at.site_id: protocol_of(connection, study_id, at.version, known) for at in sites}
    pipeline: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in connection.execute(_PIPELINE, keys):
        if COUNTED_AS[ShipmentStatus(row.status)] in protocols[row.site_id].supply.pipeline_statuses:
            pipeline[row.site_id][row.kit_type] += row.kits
    last_on = {row.site_id: row.last_on for row in connection.execute(_LAST_ORDERED, keys)}
    screened = set(connection.execute(_SCREENED, keys).scalars())
    pauses = pauses_by_hand(connection, study_id)
    paths = paths_at_sites(connection, study_id, keys["sites"], "randomized", now)
    follow = {path.versions: path.version for found in paths.values() for path in found}
    followed = {
        versions: schedule_of(connection, study_id, versions, version, known)
        for versions, version in follow.items()
        if version is not None
    }
    measured = measured_at_sites(
        connection, study_id, keys["sites"], "randomized", [*protocols.values(), *followed.values()]
    )
    return [
        SiteSituation(
            at,
            protocols[at.site_id],
            followed,
            tuple(stock[at.site_id]),
            pipeline[at.site_id],
            tuple(
                measured.planned(path, followed.get(path.versions, protocols[at.site_id]))
                for path in paths[at.site_id]
            ),
            last_on.get(at.site_id),
            at.site_id in screened,
            pauses,
        )
        for at in sites
    ]


def site_need(situation: SiteSituation) -> SiteNeed:
    """Decide what the site needs on its date. Every decision is a rule's (allocation/rules)."""
    at, protocol = situation.at, situation.protocol
    parameters = site_parameters(protocol, at)
    paused = paused_types(at.site_id, parameters, situation.pauses)
    active = {code: found for code, found in parameters.items() if code not in paused}
    if not active:
        why = why_all_paused(paused)
        return SiteNeed((), (), why, parameters, paused=paused)
    if protocol.supply.seeding != "none" and situation.last_ordered_on is None:
        lines, why = _seeding(protocol, situation, active)
        return SiteNeed((), lines, why, parameters, paused=paused)
    facts, planned = site_demand(situation)
    policy = demand_policy(protocol)
    on_hand = countable_kits(situation)
    buffers = _buffers(protocol, active, len(situation.paths))
    decisions = tuple(
        decide_resupply(
            code,
            on_hand[code],
            situation.pipeline.get(code, 0),
            (*due_visits(planned, facts, code, at.today, policy), *situation.asked.get(code, ())),
            buffers[code].parameters,
        )
        for code in active
    )
    lines = plan_order(decisions, kit_type_supplies(protocol), order_policy(protocol))
    ignored = tuple(
        (one.subject, status.value)
        for one in facts
        if (status := demand_status(one, at.today, policy)) != Counted.COUNTED
    )
    why = "triggered" if lines else "no kit type reached its trigger level"
    timing = _timing(situation, decisions, lines) if lines else None
    if timing is not None and timing.timing != Timing.GOES:
        lines, why = (), _WAITS[timing.timing].format(timing=timing)
    return SiteNeed(decisions, lines, why, parameters, ignored, buffers, timing, paused)


def site_parameters(protocol: Protocol, at: SiteAt) -> dict[str, EffectiveParameters]:
    """The resupply parameters of each kit type at the site, on its date."""
    return {
        one.code: effective_parameters(
            protocol, one.code, at.today, country=at.country, site=at.site_id, profile=at.profile
        )
        for one in protocol.kit_types
    }


def _timing(
    situation: SiteSituation, decisions: tuple[ResupplyDecision, ...], lines: tuple[OrderLine, ...]
) -> TimingDecision:
    supply, last_on = situation.protocol.supply, situation.last_ordered_on
    return decide_timing(
        decisions,
        sum(line.ordered for line in lines),
        None if last_on is None else (situation.at.today - last_on).days,
        TimingPolicy(supply.min_shipment_kits, supply.days_between_orders),
    )


def _buffers(
    protocol: Protocol, active: Mapping[str, EffectiveParameters], active_subjects: int
) -> dict[str, ProvidedBuffers]:
    """The thresholds of each kit type, from the provider that its parameters name."""
    computed = any(found.buffer_from == "computed" for found in active.values())
    coming = newcomers(protocol) if computed else None
    return {
        code: provided_buffers(protocol, code, found, active_subjects, coming)
        for code, found in active.items()
    }


def _seeding(
    protocol: Protocol, situation: SiteSituation, active: dict[str, EffectiveParameters]
) -> tuple[tuple[OrderLine, ...], str]:
    """The lines of the site's first shipment, and why there are none; before it there is no resupply."""
    if protocol.supply.seeding == "on_first_screening" and not situation.screened:
        return (), "not seeded yet: nobody has been screened"
    lines = seeding_lines(protocol, active)
    return lines, "seeding" if lines else "not seeded: every seed_quantity is 0"


def seeding_lines(protocol: Protocol, parameters: Mapping[str, EffectiveParameters]) -> tuple[OrderLine, ...]:
    """The lines of a first shipment by the seed quantities of these kit types; empty where all are 0."""
    quantities = {code: found.seed_quantity for code, found in parameters.items()}
    windows = {code: found.long_window for code, found in parameters.items()}
    return plan_seeding(quantities, windows, kit_type_supplies(protocol), order_policy(protocol))


def countable_kits(situation: SiteSituation) -> dict[str, int]:
    """The kits on hand that count, by kit type, on the site's date."""
    counted = {}
    for one in situation.protocol.kit_types:
        here = [row for row in situation.stock if row[0] == one.code]
        days = np.array([row[1].toordinal() for row in here], dtype=np.int64)
        kits = np.array([row[3] if row[2] else 0 for row in here], dtype=np.int64)
        today = situation.at.today.toordinal()
        counted[one.code] = int(countable_on_hand(kits, days, one.expiry.dnc_days, today))
    return counted


def site_demand(situation: SiteSituation) -> tuple[list[SubjectDemandFacts], list[PlannedDispensing]]:
    """Who may count and what each is to receive, by the version that the subject follows."""
    rows = {path.versions: dispensing_rows(_followed(situation, path)) for path in situation.paths}
    facts: list[SubjectDemandFacts] = []
    planned: list[PlannedDispensing] = []
    for path in situation.paths:
        protocol = _followed(situation, path)
        ahead = visits_ahead(protocol, path)
        facts.append(
            SubjectDemandFacts(
                subject=path.subject_id,
                state=SubjectState.RANDOMIZED,
                on_dose_hold=path.on_hold,
                skipped_last_dispensing=_skipped_latest(protocol, path),
                oldest_open_window_closes=ahead[0][1].closes if ahead else None,
            )
        )
        planned += _planned(protocol, rows[path.versions], path, ahead)
    return facts, planned


def _followed(situation: SiteSituation, path: SubjectPath) -> Protocol:
    return situation.followed.get(path.versions, situation.protocol)


def _planned(
    protocol: Protocol,
    rows: tuple[DispensingRow, ...],
    path: SubjectPath,
    ahead: list[tuple[Visit, VisitWindow]],
) -> tuple[PlannedDispensing, ...]:
    """What the subject is to receive. The rule's own error names its arm, so the refusal is raised outside of the handler."""
    with suppress(RuleError, ValueError):
        return planned_dispensings(protocol, rows, path, ahead)
    raise protocol_hole()


def _skipped_latest(protocol: Protocol, path: SubjectPath) -> bool:
    """Whether the last dispensing visit that is on record was marked missed."""
    dispensing = [visit for visit in protocol.visits if visit.dispensing]
    on_record = [visit for visit in dispensing if visit.code in path.done or visit.code in path.missed]
    return bool(on_record) and max(on_record, key=lambda visit: visit.number).code in path.missed
