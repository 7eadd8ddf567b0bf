"""Depots: lots arrive, and shipments take from their stock what may be shipped, earliest expiry first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from allocation.rules.compilable import NO_DAY
from allocation.rules.pile_picking import USABLE, kit_usability
from simulation.engines import events, phases
from simulation.engines import outcomes as out

if TYPE_CHECKING:
    from simulation.engines.simpy_twin.twin import Twin


class Depots:
    """The stock of every depot, by lot."""

    def __init__(self, twin: Twin) -> None:
        self.twin = twin
        self.stock = [[0] * twin.plan.lots.size for _ in range(twin.plan.depots)]

    @property
    def kits(self) -> int:
        """Kits in stock at all depots."""
        return sum(sum(stock) for stock in self.stock)

    def may_ship(self, depot: int, kit_type: int) -> int:
        """Kits of a type that a depot may ship today."""
        lots = lots_of(self.twin, kit_type)
        return sum(self.stock[depot][lot] for lot in lots if self._shippable(kit_type, lot))

    def take(self, depot: int, kit_type: int, wanted: int) -> dict[int, int]:
        """Take up to `wanted` kits for a site; gives how many of which lot."""
        twin, taken = self.twin, {}
        for lot in lots_of(twin, kit_type):
            kits = min(self.stock[depot][lot], wanted)
            if kits > 0 and self._shippable(kit_type, lot):
                self.stock[depot][lot] -= kits
                wanted -= kits
                taken[lot] = kits
                twin.count(out.KITS_SHIPPED, kits)
                twin.count(out.COST_KITS, kits * float(twin.plan.kits.cost[kit_type]))
        return taken

    def _shippable(self, kit_type: int, lot: int) -> bool:
        plan = self.twin.plan
        return may_be_taken(self.twin, lot, int(plan.kits.dns_days[kit_type]))


def may_be_taken(twin: Twin, lot: int, days_before_expiry: int) -> bool:
    """Whether kits of a lot may be taken today: shipped (with DNS days) or dispensed (with DND days)."""
    expiry = int(twin.plan.lots.expiry_ordinal[lot])
    return kit_usability(True, True, True, expiry, days_before_expiry, twin.today, NO_DAY) == USABLE


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
