"""What a depot gives for the need of a site: the kits of one order, within its share where the depot is short (scarce_stock.py)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from sqlalchemy import Connection, Row, select

from allocation.commands.depot_zones import depot_zone
from allocation.commands.kit_candidates import (
    MARGIN,
    all_kits_at_depot,
    all_kits_at_site,
    candidates_from,
    is_released,
    kits_at_depot,
)
from allocation.commands.lot_expiry import any_country_dates, lot_expiries
from allocation.commands.site_supply import SiteAt, SiteNeed, kit_type_supplies, order_policy
from allocation.ledger.schema import site
from allocation.ledger.shipment_ends import ShipmentEnds
from allocation.rules.fair_share import SharedKitType
from allocation.rules.kit_status import Place
from allocation.rules.orders import LotChoice, OrderProposal, fill_order, limit_to_shares
from allocation.rules.picking import SameLot
from allocation.study.protocol import Protocol
from allocation.study.satellites import pharmacy_of

Shares = Mapping[str, SharedKitType]
"""Kit type -> how the run shared it out; only those that the place which supplies the site or depot is short of."""


def filled_order(
    connection: Connection,
    study_id: str,
    protocol: Protocol,
    need: SiteNeed,
    at: SiteAt,
    depot_today: date,
    shares: Shares,
) -> tuple[list[str], OrderProposal]:
    """The numbers of the kits to ship and the proposal, from the stock of the depot, or of the satellite's pharmacy, on the date there.

    A command locks that place before (`origin_zone`).
    """
    pharmacy = pharmacy_of(protocol, at.site_id)
    policy = order_policy(protocol)
    supplies = kit_type_supplies(protocol)
    lines = limit_to_shares(
        need.lines, {kit_type: one.shares[at.site_id] for kit_type, one in shares.items()}
    )
    any_of_it = policy.lot_choice == LotChoice.MIN_WASTAGE and policy.same_lot == SameLot.OFF
    rows: list[Row[Any]] = []
    if any_country_dates(connection, study_id):
        for line in lines:
            if pharmacy is None:
                rows += all_kits_at_depot(connection, study_id, at.depot_id, line.kit_type)
            else:
                rows += all_kits_at_site(connection, study_id, pharmacy, line.kit_type)
        expiries = lot_expiries(connection, study_id, {row.lot_id for row in rows})
        candidates = candidates_from(rows, at.country, lots=expiries, shipping=True)
        proposal = fill_order(lines, candidates, supplies, depot_today, policy)
        return [rows[index].kit_number for index in proposal.shipped], proposal
    for line in lines:
        if pharmacy is not None:
            rows += all_kits_at_site(connection, study_id, pharmacy, line.kit_type)
            continue
        stock = (connection, study_id, at.depot_id, line.kit_type, depot_today)
        # The rule takes the oldest first, as the rows come, so with a margin for unreleased lots it needs no more than this.
        first = 2 * line.ordered + MARGIN if any_of_it else None
        found = kits_at_depot(*stock, first)
        if (
            len(found) == first
            and sum(is_released(one, at.country, shipping=True) for one in found) < line.ordered
        ):
            found = kits_at_depot(*stock)
        rows += found
    proposal = fill_order(
        lines, candidates_from(rows, at.country, shipping=True), supplies, depot_today, policy
    )
    return [rows[index].kit_number for index in proposal.shipped], proposal


def origin_zone(
    connection: Connection, study_id: str, protocol: Protocol, at: SiteAt, *, lock: bool = False
) -> str:
    """The time zone of the place that the site's orders come from, its depot or pharmacy; with `lock` its stock stays locked.

    A pharmacy that is not open yet has no stock, and so no date that matters.
    """
    pharmacy = pharmacy_of(protocol, at.site_id)
    if pharmacy is None:
        return depot_zone(connection, study_id, at.depot_id, lock=lock)
    query = select(site.c.timezone).where(site.c.study_id == study_id, site.c.site_id == pharmacy)
    found = connection.execute(query.with_for_update() if lock else query).scalar()
    return str(found or "UTC")


def order_ends(protocol: Protocol, at: SiteAt) -> ShipmentEnds:
    """From which depot, or which pharmacy, the site's orders come."""
    pharmacy = pharmacy_of(protocol, at.site_id)
    if pharmacy is None:
        return ShipmentEnds(Place.DEPOT, at.depot_id, Place.SITE, at.site_id)
    return ShipmentEnds(Place.SITE, pharmacy, Place.SITE, at.site_id)
