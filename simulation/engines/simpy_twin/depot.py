"""Depots: lots arrive, and shipments take from their stock what may be shipped, earliest expiry first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from allocation.rules.compilable import NO_DAY
from allocation.rules.pile_picking import USABLE, kit_usability
from simulation.engines import events, phases
from simulation.engines import outcomes as out

if TYPE_CHECKING:
    from simulation.engines.simpy_twin.ordering import OnTheWay
    from simulation.engines.simpy_twin.twin import Twin


class Depots:
    """The stock of every depot, by lot."""

    def __init__(self, twin: Twin) -> None:
        self.twin = twin
        self.stock = [[0] * twin.plan.lots.size for _ in range(twin.plan.depots)]
        self.on_the_way: list[list[OnTheWay]] = [[] for _ in range(twin.plan.depots)]

    @property
    def kits(self) -> int:
        """Kits in stock at all depots."""
        return sum(sum(stock) for stock in self.stock)

    def may_ship(self, depot: int, kit_type: int, country: int) -> dict[int, int]:
        """Kits of a type that a depot may ship to a country today, by lot, earliest expiry first."""
        days = int(self.twin.plan.kits.dns_days[kit_type])
        return {
            lot: self.stock[depot][lot]
            for lot in lots_of(self.twin, kit_type)
            if may_be_taken(self.twin, lot, country, days)
        }

    def take(self, depot: int, kit_type: int, country: int, wanted: int) -> dict[int, int]:
        """Take up to `wanted` kits for a site; gives how many of which lot."""
        chosen = {}
        for lot, there in self.may_ship(depot, kit_type, country).items():
            kits = min(there, wanted)
            if kits > 0:
                wanted -= kits
                chosen[lot] = kits
        return self.give(depot, chosen)

    def kits_above(self, depot: int, kit_type: int, country: int) -> int:
        """Kits of a type that may still come to a country: at its depot, on their way there, and so on up the chain of depots."""
        kits, lots = 0, lots_of(self.twin, kit_type)
        while depot >= 0:
            kits += sum(self.may_ship(depot, kit_type, country).values())
            coming = (order.contents for order in self.on_the_way[depot])
            kits += sum(each for contents in coming for lot, each in contents.items() if lot in lots)
            depot = int(self.twin.plan.refills.supplier[depot])
        return kits

    def give(self, depot: int, chosen: dict[int, int]) -> dict[int, int]:
        """Take these kits, by lot, out of a depot's stock."""
        for lot, kits in chosen.items():
            self.stock[depot][lot] -= kits
        return chosen


def may_be_taken(twin: Twin, lot: int, country: int, days_before_expiry: int, until: int = NO_DAY) -> bool:
    """Whether kits of a lot may be taken today for a country: shipped (with DNS days) or dispensed (with DND days).

    `until`: they must stay valid until then (an ordinal).
    """
    lots = twin.plan.lots
    released, expiry = bool(lots.released[lot, country]), int(lots.expiry_ordinal[lot])
    return kit_usability(True, True, released, expiry, days_before_expiry, twin.today, until) == USABLE


def lots_of(twin: Twin, kit_type: int) -> range:
    """The lots of a kit type, earliest expiry first."""
    return range(int(twin.plan.kits.lot_start[kit_type]), int(twin.plan.kits.lot_start[kit_type + 1]))


def lot_arrivals(twin: Twin) -> Any:
    """Lots arrive at depots; on the first day, each site is given what it has from the beginning."""
    lots = twin.plan.lots
    for arrival, day in enumerate(lots.arrival_day.tolist()):
        if day >= twin.plan.calendar.days:
            break
        yield twin.until(day, phases.LOTS, arrival)
        lot, depot = int(lots.arrival_lot[arrival]), int(lots.arrival_depot[arrival])
        kits = int(lots.arrival_kits[arrival])
        twin.depots.stock[depot][lot] += kits
        twin.count(out.KITS_PRODUCED, kits)
        twin.record(phases.LOTS, events.LOT_ARRIVED, -2 - depot, -1, int(lots.kit_type[lot]), lot, kits)


def expiries(twin: Twin) -> Any:
    """A lot expires everywhere: what is in stock of it is stock no more."""
    lots = twin.plan.lots
    for day, lot in sorted((int(day), lot) for lot, day in enumerate(lots.expiry_day)):
        if not 0 <= day < twin.plan.calendar.days:
            continue
        yield twin.until(day, phases.EXPIRIES, lot)
        kit_type = int(lots.kit_type[lot])
        places = [(-2 - depot, stock) for depot, stock in enumerate(twin.depots.stock)]
        places += [(site.index, site.stock) for site in twin.sites]
        for place, stock in places:
            if stock[lot] > 0:
                twin.count(out.KITS_EXPIRED_DEPOT if place < 0 else out.KITS_EXPIRED_SITE, stock[lot])
                twin.record(phases.EXPIRIES, events.KITS_EXPIRED, place, -1, kit_type, lot, stock[lot])
                stock[lot] = 0
                if place >= 0 and twin.sites[place].opened_on is not None:
                    twin.changed.add(place)
