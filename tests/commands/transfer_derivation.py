"""Deriving a transfer between sites again: what was asked for gives the same lines and kits of the stock of that moment."""

from typing import TYPE_CHECKING

from sqlalchemy import Connection

from allocation.commands.site_supply import kit_type_supplies, order_policy
from allocation.ledger.reader import SealedEntry
from allocation.rules.orders import fill_order
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
