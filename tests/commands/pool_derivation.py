"""Deriving again what was lent from a pool: the stock of that moment and what was noted of the other study give the same kits."""

from collections import Counter
from dataclasses import asdict, replace
from datetime import date
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from allocation.commands.pool_shortages import top_ups_at_site
from allocation.commands.site_supply import SiteAt, kit_type_supplies, order_policy
from allocation.ledger.reader import SealedEntry
from allocation.ledger.schema import depot, kit
from allocation.rules.expiry import ExpiryWindows
from allocation.rules.expiry_change import LotExpiry, kit_dates
from allocation.rules.fair_share import share_kit_type
from allocation.rules.pooling import choose_kits_to_lend, quantities_at_site
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


def derive_taking(derivation: "Derivation", state: Connection, entry: SealedEntry) -> None:
    """What a run took is no more than it was short of, which is counted here again; one by hand was decided by a person."""
    after = entry.after
    if "basis" not in after:
        return
    protocol = derivation.protocol(entry)
    came = Counter(row[1] for row in after["kits"])
    assert {one["kit_type"]: len(one["kits"]) for one in after["tries"] if one["kits"]} == came
    assert sorted(number for one in after["tries"] for number in one["kits"]) == sorted(entry.kit_numbers)
    short = {}
    if after["level"] == "depot":
        zone = state.execute(select(depot.c.timezone).where(depot.c.depot_id == after["place"])).scalar_one()
        today = entry.recorded_at.astimezone(ZoneInfo(zone)).date()
        last_ship = {row.kit_number: row.last_ship_date for row in state.execute(select(kit))}
        for one in after["basis"]:
            usable: dict[str, set[str]] = {}
            for place in set(one["country"].values()):
                views = [
                    derivation.candidates(state, "depot_available", after["place"], country)
                    for country in place.split(",")
                ]
                usable[place] = {
                    kit.key
                    for view in views
                    for kit in view
                    if kit.kit_type == one["kit_type"] and kit.released and last_ship[kit.key] >= today
                }
            counts = {place: len(kits) for place, kits in usable.items()}
            available = len(set().union(*usable.values()))
            shared = share_kit_type(one["kit_type"], one["wanted"], one["country"], counts, available)
            assert asdict(shared) == one
            short[one["kit_type"]] = sum(shared.wanted.values()) - sum(shared.shares.values())
        assert all(came[code] <= short.get(code, 0) for code in came)
    else:
        row = derivation.site(state, after["place"])
        today = entry.recorded_at.astimezone(ZoneInfo(row.timezone)).date()
        at = SiteAt(row.site_id, row.country, row.depot_id, row.profile, today, entry.config_version)
        known = {(derivation.study_id, protocol.study.version): protocol}
        top_ups = top_ups_at_site(state, derivation.study_id, at, entry.recorded_at, known)
        for one in after["basis"]:
            assert one["top_up"] == top_ups.get(one["kit_type"], 0)
            short[one["kit_type"]] = min(one["shortfall"], one["top_up"])
        wanted = {code: kits for code, kits in short.items() if kits}
        made_up = quantities_at_site(wanted, came, kit_type_supplies(protocol), order_policy(protocol))
        assert dict(came) == made_up
    assert {one["kit_type"]: one["short"] for one in after["tries"]} == {
        one["kit_type"]: short.get(one["kit_type"], 0) for one in after["tries"]
    }
