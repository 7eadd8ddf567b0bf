"""What a run lacks: kits that its orders ask of a depot and that this does not have, and kits that a site still needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection

from allocation.commands.satellite_supply import supplied_situations
from allocation.commands.shippable_kits import shippable_kits
from allocation.commands.site_supply import SiteAt, site_need
from allocation.ledger.versions import Protocols
from allocation.rules.fair_share import SharedKitType, share_kit_type

Short = Mapping[str, int]
"""Kit type -> kits that are missing."""


def shortage_at_depot(
    connection: Connection,
    study_id: str,
    depot_id: str,
    wanted: Mapping[str, Mapping[str, int]],
    countries: Mapping[str, tuple[str, ...]],
    now: datetime,
) -> dict[str, SharedKitType]:
    """Kit type -> how the depot's stock would be shared between all that ask for it (`wanted`: kits by site or depot). `now` is UTC.

    `countries`: where each of them uses its kits. Kits are counted singly here, since what is taken from a pool may complete a block.
    """
    stock = shippable_kits(connection, study_id, depot_id, sorted(wanted), now)
    found = {}
    for kit_type, by_asker in wanted.items():
        places = {asker: ",".join(countries[asker]) for asker in by_asker}
        usable = {
            place: sum(row.kits for row in stock[kit_type] if row.may_ship_to(*place.split(",")))
            for place in sorted(set(places.values()))
        }
        anywhere = sorted({country for asker in by_asker for country in countries[asker]})
        available = sum(row.kits for row in stock[kit_type] if row.may_ship_to(*anywhere))
        found[kit_type] = share_kit_type(kit_type, by_asker, places, usable, available)
    return found


def kits_missing(shared: SharedKitType) -> int:
    """What is wanted and not there."""
    return sum(shared.wanted.values()) - sum(shared.shares.values())


def top_ups_at_site(
    connection: Connection, study_id: str, at: SiteAt, now: datetime, known: Protocols
) -> dict[str, int]:
    """Kit type -> what would fill the site to its upper level, with all that lies there and is on its way. `now` is UTC.

    A site that waits for its first shipment: what that lacks beside the kits that lie there.
    """
    (situation,) = supplied_situations(connection, study_id, [at], now, known)
    need = site_need(situation)
    if need.decisions:
        return {one.kit_type: one.top_up for one in need.decisions}
    here = Counter[str]()
    for kit_type, _, released, kits in situation.stock:
        here[kit_type] += kits if released else 0
    return {line.kit_type: max(0, line.ordered - here[line.kit_type]) for line in need.lines}
