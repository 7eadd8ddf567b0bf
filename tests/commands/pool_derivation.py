"""Deriving again what was lent from a pool: the stock of that moment and what was noted of the other study give the same kits."""

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select

from allocation.ledger.reader import SealedEntry
from allocation.ledger.schema import kit
from allocation.rules.expiry import ExpiryWindows
from allocation.rules.expiry_change import LotExpiry, kit_dates
from allocation.rules.pooling import choose_kits_to_lend
from allocation.study.pools import countries_supplied, pool_of

if TYPE_CHECKING:
    from tests.commands.derivation import Derivation


def derive_lending(derivation: "Derivation", state: Connection, entry: SealedEntry) -> None:
    """Each decision of the entry comes out of the state before it."""
    after, protocol = entry.after, derivation.protocol(entry)
    pool = pool_of(protocol, after["pool"])
    assert pool is not None
    assert pool.level == after["level"]
    status = {"depot": "depot_available", "site": "site_available"}[after["level"]]
    at_site = after["level"] == "site"
    countries = (
        (derivation.site(state, after["place"]).country,)
        if at_site
        else countries_supplied(protocol, after["place"])
    )
    lent = []
    for decided in after["decisions"]:
        (item,) = [one for one in pool.items if one.item == decided["item"]]
        views = [derivation.candidates(state, status, after["place"], country) for country in countries]
        released = {one.key for view in views for one in view if one.released}
        own = [
            replace(one, released=one.key in released)
            for one in views[0]
            if one.kit_type == item.kit_type == decided["kit_type"]
        ]
        there_facts = decided["there"]
        windows = ExpiryWindows(**there_facts["windows"])
        printed = {row.kit_number: row.printed_expiry for row in state.execute(select(kit))}
        there = []
        for one in own:
            lot = there_facts["lots"][one.lot]
            by_country = {code: date.fromisoformat(text) for code, text in lot["by_country"].items()}
            expiry = LotExpiry(date.fromisoformat(lot["expiry_date"]), by_country)
            dates = kit_dates(expiry, there_facts["country"], printed[one.key], windows)
            available = one.key not in there_facts["known_kits"]
            there.append(replace(one, available=available, released=lot["released"], expiry=dates.expiry))
        kit_type = protocol.kit_type(item.kit_type)
        assert kit_type is not None
        decision = choose_kits_to_lend(
            own,
            there,
            decided["quantity"],
            item.keep,
            date.fromisoformat(after["moved_on"]),
            ExpiryWindows(**kit_type.expiry.model_dump()),
            windows,
        )
        assert [own[index].key for index in decision.chosen] == decided["chosen"]
        assert (decision.keep, decision.usable, decision.spare) == tuple(
            decided[name] for name in ("keep", "usable", "spare")
        )
        assert decision.not_chosen == decided["not_chosen"]
        lent += decided["chosen"]
    assert lent == [row[0] for row in after["kits"]] == list(entry.kit_numbers)
