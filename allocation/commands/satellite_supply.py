"""Central pharmacies in a resupply run: what satellites will ask of their pharmacy is its demand, beside that of its own subjects."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from allocation.commands.paused_supply import paused_types
from allocation.commands.site_supply import (
    SiteAt,
    SiteSituation,
    countable_kits,
    demand_policy,
    site_demand,
    site_need,
    site_situations,
)
from allocation.ledger.schema import site
from allocation.ledger.versions import Protocols, version_in_country
from allocation.rules.demand import due_visits
from allocation.rules.depot_demand import asked_of_depot
from allocation.rules.resupply import DueVisit
from allocation.study.protocol import Protocol
from allocation.study.satellites import days_from_pharmacy, satellites_of


def supplied_situations(
    connection: Connection, study_id: str, sites: Sequence[SiteAt], now: datetime, known: Protocols
) -> list[SiteSituation]:
    """As `site_situations`, and each central pharmacy with what its open satellites will ask of it. `now` is UTC."""
    found = site_situations(connection, study_id, sites, now, known)
    below = {
        one.code: situation.at.site_id
        for situation in found
        for one in satellites_of(situation.protocol, situation.at.site_id)
    }
    if not below:
        return found
    query = select(site, version_in_country(site.c.country)).where(
        site.c.study_id == study_id, site.c.status == "open", site.c.site_id.in_(below)
    )
    rows = connection.execute(query.order_by(site.c.site_id), {"study": study_id, "now": now})
    places = [
        SiteAt(
            row.site_id,
            row.country,
            row.depot_id,
            row.profile,
            now.astimezone(ZoneInfo(row.timezone)).date(),
            row.version,
        )
        for row in rows
        if row.version is not None
    ]
    asked: dict[str, dict[str, tuple[DueVisit, ...]]] = defaultdict(dict)
    for satellite in site_situations(connection, study_id, places, now, known):
        days = days_from_pharmacy(satellite.protocol, satellite.at.site_id)
        of_pharmacy = asked[below[satellite.at.site_id]]
        for kit_type, visits in asked_of_supplier(satellite, days).items():
            of_pharmacy[kit_type] = (*of_pharmacy.get(kit_type, ()), *visits)
    return [replace(one, asked=asked.get(one.at.site_id, {})) for one in found]


def asked_of_supplier(situation: SiteSituation, lead_time_days: int) -> dict[str, tuple[DueVisit, ...]]:
    """Kit type -> what the site will ask of the depot or pharmacy that supplies it, `lead_time_days` before its kits are due.

    A site that waits for its first shipment asks for that; what is paused is not asked for.
    """
    at, protocol = situation.at, situation.protocol
    need = site_need(situation)
    paused = paused_types(at.site_id, need.parameters, situation.pauses)
    if protocol.supply.seeding != "none" and situation.last_ordered_on is None:
        seeds = {code: found.seed_quantity for code, found in need.parameters.items() if code not in paused}
        return {code: asked_of_depot(at.site_id, (), 0, seed, lead_time_days) for code, seed in seeds.items()}
    facts, planned = site_demand(situation)
    on_hand, policy = countable_kits(situation), demand_policy(protocol)
    return {
        one.kit_type: asked_of_depot(
            at.site_id,
            (
                *due_visits(planned, facts, one.kit_type, at.today, policy),
                *situation.asked.get(one.kit_type, ()),
            ),
            on_hand[one.kit_type] + one.pipeline,
            one.parameters.min_buffer,
            lead_time_days,
        )
        for one in need.decisions
    }


def lock_satellites(connection: Connection, study_id: str, protocol: Protocol, site_id: str) -> None:
    """Lock the satellites of a central pharmacy, whose stock and subjects its demand is made from."""
    codes = [one.code for one in satellites_of(protocol, site_id)]
    if codes:
        query = select(site.c.site_id).where(site.c.study_id == study_id, site.c.site_id.in_(codes))
        connection.execute(query.order_by(site.c.site_id).with_for_update()).all()
