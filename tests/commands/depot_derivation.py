"""Deriving the order of a depot again: its stock is counted by hand, what its sites ask of it and the kits come from the rules."""

import json
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from allocation.commands.depot_supply import depot_need, depot_situations
from allocation.commands.order_record import decision_record
from allocation.commands.site_supply import kit_type_supplies, order_policy
from allocation.ledger.reader import SealedEntry
from allocation.ledger.schema import depot
from allocation.rules.expiry import may_ship
from allocation.rules.orders import fill_order, limit_to_shares

if TYPE_CHECKING:
    from tests.commands.derivation import Derivation


def derive_depot_order(derivation: "Derivation", state: Connection, entry: SealedEntry) -> None:
    """The order comes out of the state before it as it is recorded."""
    protocol = derivation.protocol(entry)
    after, (_, code), (_, supplier) = entry.after, entry.after["to"], entry.after["from"]
    known = {(derivation.study_id, protocol.study.version): protocol}
    situations = depot_situations(state, derivation.study_id, entry.config_version, entry.recorded_at, known)
    (situation,) = [one for one in situations if one.at.depot_id == code]
    here = derivation.candidates(state, "depot_available", code, *situation.at.countries)
    supplies = kit_type_supplies(protocol)
    for decided in after["record"]["decisions"]:
        kit_type = decided["kit_type"]
        assert decided["on_hand"] == sum(
            one.kit_type == kit_type
            and one.released
            and may_ship(situation.at.today, one.expiry, supplies[kit_type].windows)
            for one in here
        )
        assert decided["pipeline"] == derivation.pipeline(state, protocol, code, kit_type)
    need = depot_need(situation)
    stock = derivation.candidates(state, "depot_available", supplier, *situation.at.countries)
    zone = state.execute(select(depot.c.timezone).where(depot.c.depot_id == supplier)).scalar_one()
    today = entry.recorded_at.astimezone(ZoneInfo(zone)).date()
    shared = {one["kit_type"]: derivation.shared(one) for one in after["record"]["fair_share"]}
    own = {kit_type: one.shares[f"depot {code}"] for kit_type, one in shared.items()}
    proposal = fill_order(limit_to_shares(need.lines, own), stock, supplies, today, order_policy(protocol))
    assert [stock[index].key for index in proposal.shipped] == after["kits"]
    assert json.loads(json.dumps(decision_record(need, proposal, shared), default=str)) == after["record"]
