"""Deriving orders by hand and exchanges of kits again from a ledger: the rules are asked in the state before each entry."""

from collections import Counter
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from allocation.commands.site_supply import (
    SiteAt,
    kit_type_supplies,
    order_policy,
    seeding_lines,
    site_parameters,
)
from allocation.commands.stock_indents import indent_record, planned_indent
from allocation.ledger.reader import SealedEntry
from allocation.ledger.schema import depot, kit
from allocation.rules.manual_orders import RULE_VERSION, IndentPlan
from allocation.rules.orders import LotChoice, fill_order
from allocation.rules.packing import choose_exchange
from tests.commands.transfer_derivation import origin_stock


def derive_indent(derivation: Any, state: Connection, entry: SealedEntry) -> None:
    """What was asked for gives the same lines, and the depot's stock the same kits."""
    after, protocol = entry.after, derivation.protocol(entry)
    row = derivation.site(state, entry.site_id)
    today = entry.recorded_at.astimezone(ZoneInfo(row.timezone)).date()
    at = SiteAt(row.site_id, row.country, row.depot_id, row.profile, today, entry.config_version)
    parameters, record = site_parameters(protocol, at), after["record"]
    plan = planned_indent(protocol, parameters, record["asked_by_group"], record["asked_by_type"])
    if record["seed"]:
        plan = IndentPlan(RULE_VERSION, {}, {}, seeding_lines(protocol, parameters))
    stock, depot_today = origin_stock(derivation, state, entry, at)
    proposal = fill_order(plan.lines, stock, kit_type_supplies(protocol), depot_today, order_policy(protocol))
    assert [stock[index].key for index in proposal.shipped] == after["kits"]
    assert dict(Counter(stock[index].kit_type for index in proposal.shipped)) == after["quantities"]
    assert indent_record(plan, proposal, seed=record["seed"]) == record


def derive_exchange(derivation: Any, state: Connection, entry: SealedEntry) -> None:
    """The picking rule gives the same kit in place of the one that could not be packed."""
    after, protocol = entry.after, derivation.protocol(entry)
    row = derivation.site(state, entry.site_id)
    stock, depot_today = _depot_stock(derivation, state, entry, row)
    rows = state.execute(select(kit).where(kit.c.shipment_id == after["shipment_id"])).all()
    (gone,) = [one for one in rows if one.kit_number == after["kit_number"]]
    lots = {one.lot_id for one in rows if one.kit_type == gone.kit_type and one is not gone}
    policy = order_policy(protocol)
    windows = kit_type_supplies(protocol)[gone.kit_type].windows
    window = None
    if policy.lot_choice == LotChoice.MIN_SHIPMENTS:
        today = entry.recorded_at.astimezone(ZoneInfo(row.timezone)).date()
        at = SiteAt(row.site_id, row.country, row.depot_id, row.profile, today, entry.config_version)
        window = site_parameters(protocol, at)[gone.kit_type].long_window
    decision = choose_exchange(stock, gone.kit_type, lots, depot_today, windows, window, policy.same_lot)
    assert [stock[index].key for index in decision.chosen] == [
        number for number in (after["replacement"],) if number is not None
    ]


def _depot_stock(derivation: Any, state: Connection, entry: SealedEntry, row: Any) -> tuple[Any, Any]:
    supplier = state.execute(select(depot).where(depot.c.depot_id == row.depot_id)).one()
    stock = derivation.candidates(state, "depot_available", supplier.depot_id, row.country)
    return stock, entry.recorded_at.astimezone(ZoneInfo(supplier.timezone)).date()
