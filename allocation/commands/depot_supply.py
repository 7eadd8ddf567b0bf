"""What a resupply decision about a depot is made from: its stock and pipeline, and what will be asked of it by sites and other depots."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from allocation.commands.counted_stock import pipeline_to
from allocation.commands.depot_zones import depot_zones
from allocation.commands.open_sites import open_sites, site_at
from allocation.commands.satellite_supply import asked_of_supplier, supplied_situations
from allocation.commands.shippable_kits import shippable_kits
from allocation.commands.site_supply import (
    SiteNeed,
    SiteSituation,
    kit_type_supplies,
    order_policy,
)
from allocation.errors import InvalidParameter
from allocation.ledger.versions import Protocols, protocol_of
from allocation.rules.depot_demand import asked_of_depot
from allocation.rules.kit_status import Place
from allocation.rules.orders import plan_order
from allocation.rules.resupply import DueVisit, decide_resupply
from allocation.study.buffers import provided_buffers
from allocation.study.parameters import depot_lead_time_days, effective_parameters, lead_time_days
from allocation.study.protocol import Protocol
from allocation.study.refilled_depots import refilled_depots
from allocation.study.satellites import pharmacy_of


@dataclass(frozen=True, slots=True)
class DepotAt:
    """A depot on its date: who refills it, and the countries that its kits go to, by way of other depots, too."""

    depot_id: str
    supplied_by: str
    countries: tuple[str, ...]
    today: date


@dataclass(frozen=True, slots=True)
class DepotSituation:
    """What is on record about a depot by kit type: kits that may still ship, kits on their way to it, and what will be asked of it."""

    at: DepotAt
    protocol: Protocol
    on_hand: Mapping[str, int]
    pipeline: Mapping[str, int]
    asked: Mapping[str, tuple[DueVisit, ...]]


def depot_situations(
    connection: Connection, study_id: str, version: int, now: datetime, known: Protocols
) -> list[DepotSituation]:
    """Read the situation of every refilled depot, lower ones first. `now` is UTC; `version`: the one in force in the study."""
    protocol = protocol_of(connection, study_id, version, known)
    refilled = refilled_depots(protocol)
    if not refilled:
        return []
    rows = open_sites(connection, study_id, (), now)
    situations = supplied_situations(connection, study_id, [site_at(row, now) for row in rows], now, known)
    asked: dict[str, dict[str, list[DueVisit]]] = defaultdict(lambda: defaultdict(list))
    countries: dict[str, set[str]] = defaultdict(set)
    for country in protocol.countries:
        countries[country.depot].add(country.code)
    for situation in situations:
        countries[situation.at.depot_id].add(situation.at.country)
        if pharmacy_of(situation.protocol, situation.at.site_id) is not None:
            continue  # what satellites need is asked of the depot by their pharmacy
        for kit_type, visits in _asked_by_site(situation).items():
            asked[situation.at.depot_id][kit_type] += visits
    zones = depot_zones(connection, study_id)
    found = []
    for code in refilled:
        defined = next(one for one in protocol.depots if one.code == code)
        supplier = defined.supplied_by or ""
        today = now.astimezone(ZoneInfo(zones[code])).date()
        at = DepotAt(code, supplier, tuple(sorted(countries[code])), today)
        at_depot = _situation(connection, study_id, protocol, at, asked[code], now)
        found.append(at_depot)
        countries[supplier] |= countries[code]
        lead_time = depot_lead_time_days(protocol, supplier, code)
        for kit_type, visits in _asked_by_depot(at_depot, lead_time).items():
            asked[supplier][kit_type] += visits
    return found


def _asked_by_site(situation: SiteSituation) -> dict[str, tuple[DueVisit, ...]]:
    at = situation.at
    lead_time = 0
    with suppress(InvalidParameter):  # a site may have been opened with a depot that no lane joins it to
        lead_time = lead_time_days(situation.protocol, at.depot_id, at.country, at.site_id)
    return asked_of_supplier(situation, lead_time)


def _asked_by_depot(situation: DepotSituation, lead_time: int) -> dict[str, tuple[DueVisit, ...]]:
    at = situation.at
    return {
        code: asked_of_depot(
            at.depot_id,
            situation.asked.get(code, ()),
            situation.on_hand.get(code, 0) + situation.pipeline.get(code, 0),
            effective_parameters(situation.protocol, code, at.today, depot=at.depot_id).min_buffer,
            lead_time,
        )
        for code in (one.code for one in situation.protocol.kit_types)
    }


def _situation(
    connection: Connection,
    study_id: str,
    protocol: Protocol,
    at: DepotAt,
    asked: Mapping[str, Sequence[DueVisit]],
    now: datetime,
) -> DepotSituation:
    codes = [one.code for one in protocol.kit_types]
    stock = shippable_kits(connection, study_id, at.depot_id, codes, now)
    on_hand = {
        code: sum(alike.kits for alike in of_type if alike.may_ship_to(*at.countries))
        for code, of_type in stock.items()
    }
    pipeline = Counter[str]()
    for line in pipeline_to(connection, study_id, Place.DEPOT, at.depot_id, protocol):
        pipeline[line.kit_type] += line.kits if line.counted else 0
    return DepotSituation(
        at, protocol, on_hand, pipeline, {code: tuple(asked.get(code, ())) for code in codes}
    )


def depot_need(situation: DepotSituation) -> SiteNeed:
    """Decide what the depot needs on its date, by the rule that decides sites."""
    at, protocol = situation.at, situation.protocol
    parameters = {
        one.code: effective_parameters(protocol, one.code, at.today, depot=at.depot_id)
        for one in protocol.kit_types
    }
    paused = {
        code: f"paused by the protocol ({found.sources['paused']})"
        for code, found in parameters.items()
        if found.paused
    }
    buffers = {code: provided_buffers(protocol, code, found, 0, None) for code, found in parameters.items()}
    decisions = tuple(
        decide_resupply(
            code,
            situation.on_hand.get(code, 0),
            situation.pipeline.get(code, 0),
            situation.asked[code],
            buffers[code].parameters,
        )
        for code in parameters
        if code not in paused
    )
    lines = plan_order(decisions, kit_type_supplies(protocol), order_policy(protocol))
    why = "triggered" if lines else "no kit type reached its trigger level"
    return SiteNeed(decisions, lines, why if decisions else "paused", parameters, (), buffers, None, paused)
