"""Stock that is short, shared by a run between all that ask for it: of a depot its sites and lower depots, of a pharmacy its satellites.

A place with several countries (a lower depot) shares as one of its own: its country in the record is the list of them, and usable to it is
what may be shipped to any.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from allocation.commands.depot_supply import DepotSituation
from allocation.commands.order_filling import Shares
from allocation.commands.shippable_kits import ShippableKits, shippable_kits
from allocation.commands.site_supply import SiteAt, SiteNeed
from allocation.ledger.versions import Protocols, protocol_of
from allocation.rules.fair_share import SharedKitType, share_kit_type
from allocation.rules.kit_status import Place
from allocation.study.protocol import Protocol
from allocation.study.satellites import pharmacy_of

Origin = tuple[Place, str]


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks for kits: a site by its code, a depot as `depot D1`. `countries`: where it uses them."""

    name: str
    countries: tuple[str, ...]
    protocol: Protocol
    need: SiteNeed


def depot_asker(depot_id: str) -> str:
    """How a depot stands among those that share."""
    return f"depot {depot_id}"


def shares_of_run(
    connection: Connection,
    study_id: str,
    sites: Sequence[tuple[SiteAt, SiteNeed]],
    depots: Sequence[tuple[DepotSituation, SiteNeed]],
    now: datetime,
    known: Protocols,
) -> dict[str, Shares]:
    """Who asks -> the scarce kit types of the place that supplies it, each shared between all of the run that are to get it.

    Only those whose protocol version says `fair_share` take part, and only where two or more ask one place for the same kit type. `now`
    is UTC.
    """
    asking: dict[Origin, list[Asker]] = defaultdict(list)
    for at, need in sites:
        protocol = protocol_of(connection, study_id, at.version, known)
        pharmacy = pharmacy_of(protocol, at.site_id)
        origin = (Place.DEPOT, at.depot_id) if pharmacy is None else (Place.SITE, pharmacy)
        asking[origin].append(Asker(at.site_id, (at.country,), protocol, need))
    for found, need in depots:
        origin = (Place.DEPOT, found.at.supplied_by)
        asking[origin].append(Asker(depot_asker(found.at.depot_id), found.at.countries, found.protocol, need))
    shares: dict[str, dict[str, SharedKitType]] = defaultdict(dict)
    for (kind, place), askers in asking.items():
        wanted: dict[str, dict[str, int]] = defaultdict(dict)
        taking_part = {one.name: one for one in askers if one.protocol.supply.depot_shortage == "fair_share"}
        for asker in taking_part.values():
            for line in asker.need.lines:
                wanted[line.kit_type][asker.name] = line.ordered
        several = {kit_type: by_name for kit_type, by_name in wanted.items() if len(by_name) > 1}
        stock = shippable_kits(connection, study_id, place, list(several), now, kind) if several else {}
        for kit_type, by_name in several.items():
            shared = _share(kit_type, by_name, taking_part, stock.get(kit_type, []))
            if shared is not None:
                for name in by_name:
                    shares[name][kit_type] = shared
    return dict(shares)


def _share(
    kit_type: str, wanted: Mapping[str, int], askers: Mapping[str, Asker], stock: Sequence[ShippableKits]
) -> SharedKitType | None:
    """The shares, where somebody gets less than was wanted."""
    countries = {name: askers[name].countries for name in wanted}
    usable = {
        ",".join(some): sum(alike.kits for alike in stock if alike.may_ship_to(*some))
        for some in sorted(set(countries.values()))
    }
    anywhere = {country for some in countries.values() for country in some}
    available = sum(alike.kits for alike in stock if alike.may_ship_to(*anywhere))
    block = _largest_block([askers[name].protocol for name in wanted], kit_type)
    places = {name: ",".join(some) for name, some in countries.items()}
    shared = share_kit_type(kit_type, wanted, places, usable, available, block)
    return shared if shared.shares != shared.wanted else None


def _largest_block(protocols: Sequence[Protocol], kit_type: str) -> int:
    """The block size of the kit type; 1 where an amendment changed it between the countries, so that orders are no whole blocks."""
    sizes = {one.block_size for found in protocols if (one := found.kit_type(kit_type)) is not None}
    return sizes.pop() if len(sizes) == 1 else 1
