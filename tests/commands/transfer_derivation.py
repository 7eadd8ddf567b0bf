"""Deriving a transfer between sites again: what was asked for gives the same lines and kits of the stock of that moment."""

from datetime import date
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from allocation.commands.site_supply import SiteAt, kit_type_supplies, order_policy
from allocation.ledger.reader import SealedEntry
from allocation.ledger.schema import depot
from allocation.rules.orders import fill_order
from allocation.rules.picking import KitCandidate
from allocation.rules.site_transfer import plan_transfer

if TYPE_CHECKING:
    from tests.commands.derivation import Derivation


def derive_transfer(derivation: "Derivation", state: Connection, entry: SealedEntry) -> None:
    """The transfer comes out of the state before it as it is recorded, whole."""
    protocol, record = derivation.protocol(entry), entry.after["record"]
    (_, sender), (_, receiver) = entry.after["from"], entry.after["to"]
    supplies, policy = kit_type_supplies(protocol), order_policy(protocol)
    lines = plan_transfer(record["groups"], record["kit_types"], supplies, policy)
    assert record["lines"] == [
        [one.kit_type, one.needed, one.ordered, [why.value for why in one.raised]] for one in lines
    ]
    country = derivation.site(state, receiver).country
    stock = derivation.candidates(state, "site_available", sender, country)
    today = entry.recorded_at.astimezone(derivation.zone(state, sender)).date()
    proposal = fill_order(lines, stock, supplies, today, policy)
    assert proposal.shortfall == 0
    assert [stock[index].key for index in proposal.shipped] == entry.after["kits"]


def origin_stock(
    derivation: "Derivation", state: Connection, entry: SealedEntry, at: SiteAt
) -> tuple[list[KitCandidate], date]:
    """The kits that an order for a site was filled from, at its depot or the pharmacy that supplies it, and the date there."""
    if "from" in entry.after:
        (_, place) = entry.after["from"]
        zone, status = derivation.zone(state, place), "site_available"
    else:
        place, status = at.depot_id, "depot_available"
        query = select(depot.c.timezone).where(depot.c.depot_id == place)
        zone = ZoneInfo(state.execute(query).scalar_one())
    return derivation.candidates(state, status, place, at.country), entry.recorded_at.astimezone(zone).date()
