"""Inventories under continuous review that are solved exactly: what a simulation of unit demands must come to.

Demands are a Poisson process of `rate` a day, the lead time `lead` is in days and fixed unless said otherwise, D is the demand during a
lead time, stocks are in units. Sources: Palm 1938 and Erlang 1917 (base stock), Hadley & Whitin 1963 ((r, Q)), Schmidt & Nahmias 1985
(perishable base stock with lead time), Zipkin 2000 and Snyder & Shen 2019 for the notation.
"""

from __future__ import annotations

from math import exp, factorial, sqrt
from typing import NamedTuple

from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.stats import norm, poisson


class Backordered(NamedTuple):
    """What an inventory that backorders comes to in the long run."""

    ready: float
    """The share of demands that are met at once."""
    backorders: float
    on_hand: float


class Lost(NamedTuple):
    """What an inventory that loses what it cannot meet comes to in the long run."""

    loss: float
    """The share of demands that are lost."""
    on_hand: float
    orders: float
    """A day."""


def base_stock_backordered(rate: float, lead: float, up_to: int) -> Backordered:
    """Base stock: each demand orders one unit. By Palm's theorem, for any law of independent lead times with that mean."""
    mean = rate * lead
    short = mean * poisson.sf(up_to - 1, mean) - up_to * poisson.sf(up_to, mean)
    return Backordered(poisson.cdf(up_to - 1, mean), short, up_to - mean + short)


def erlang_b(servers: int, load: float) -> float:
    """The share of calls that find all servers busy, by the recursion that does not overflow."""
    blocked = 1.0
    for one in range(1, servers + 1):
        blocked = load * blocked / (one + load * blocked)
    return blocked


def base_stock_lost(rate: float, lead: float, up_to: int) -> Lost:
    """Base stock with lost sales is Erlang's loss system, insensitive to the law of the lead time."""
    loss = erlang_b(up_to, rate * lead)
    return Lost(loss, up_to - rate * lead * (1 - loss), rate * (1 - loss))


def reorder_backordered(rate: float, lead: float, trigger: int, quantity: int) -> Backordered:
    """(r, Q) with backorders: the inventory position is uniform on r + 1 to r + Q, so it averages base stocks."""
    levels = [base_stock_backordered(rate, lead, trigger + one) for one in range(1, quantity + 1)]
    return Backordered(*(sum(column) / quantity for column in zip(*levels, strict=True)))


def reorder_lost(rate: float, lead: float, trigger: int, quantity: int) -> Lost:
    """(r, Q), lost sales, quantity > trigger, so that one order at most is on the way (Hadley & Whitin 1963).

    A cycle goes from one order to the next: the level falls from r during the lead time, then from what is left and Q down to r.
    """
    mean = rate * lead
    lost = mean * poisson.sf(trigger - 1, mean) - trigger * poisson.sf(trigger, mean)
    cycle = (quantity + lost) / rate
    level_days = sum((trigger - j) * poisson.sf(j, mean) / rate for j in range(trigger))
    for left in range(trigger + 1):
        chance = poisson.pmf(trigger - left, mean) if left else poisson.sf(trigger - 1, mean)
        level_days += chance * sum(range(trigger + 1, left + quantity + 1)) / rate
    return Lost(lost / (quantity + lost), level_days / cycle, 1 / cycle)


class Perished(NamedTuple):
    """What a perishable base stock comes to."""

    loss: float
    outdates: float
    """Units a day that expire."""
    waste: float
    """The share of all units that expire."""


def perishable_base_stock(rate: float, lead: float, shelf_life: float, up_to: int) -> Perished:
    """Base stock, lost sales, first in first out; a unit expires `shelf_life` days after its arrival.

    The joint density of the ages of the ordered units, counted from their orders, is C exp(-rate (oldest - lead)+).
    """
    waiting = lead**up_to / factorial(up_to)
    usable, _ = quad(
        lambda age: age ** (up_to - 1) / factorial(up_to - 1) * exp(-rate * (age - lead)),
        lead,
        lead + shelf_life,
    )
    scale = 1 / (waiting + usable)
    loss = waiting * scale
    outdates = scale * exp(-rate * shelf_life) * (lead + shelf_life) ** (up_to - 1) / factorial(up_to - 1)
    return Perished(loss, outdates, outdates / (outdates + rate * (1 - loss)))


class NormalReorder(NamedTuple):
    """(r, Q) with backorders and normal lead time demand; costs a year: holding and shortage per unit, and per order."""

    demand: float
    sd: float
    lead: float
    holding: float
    shortage: float
    per_order: float

    def _lead_time_demand(self) -> tuple[float, float]:
        return self.demand * self.lead, self.sd * sqrt(self.lead)

    def _level_cost(self, level: float) -> float:
        mean, sd = self._lead_time_demand()
        z = (level - mean) / sd
        short = sd * (norm.pdf(z) - z * norm.sf(z))
        return self.holding * (level - mean + short) + self.shortage * short

    def cost(self, trigger: float, quantity: float) -> float:
        """The expected cost: of the orders, and of the inventory position's uniform law on r to r + Q."""
        levels, _ = quad(self._level_cost, trigger, trigger + quantity)
        return (self.per_order * self.demand + levels) / quantity

    def best_trigger(self, quantity: float) -> float:
        """The trigger that is best for a quantity: where the costs at r and r + Q are equal."""
        mean, sd = self._lead_time_demand()
        return brentq(
            lambda trigger: self._level_cost(trigger) - self._level_cost(trigger + quantity),
            mean - quantity,
            mean + 4 * sd,
        )

    def expected_shortage_policy(self) -> tuple[float, float, float]:
        """(r, Q, cost) of the textbook approximation that charges each cycle's expected shortage (Hadley & Whitin 1963)."""
        mean, sd = self._lead_time_demand()
        trigger, quantity, before = mean, sqrt(2 * self.per_order * self.demand / self.holding), 0.0
        while abs(quantity - before) > 1e-9:
            before = quantity
            trigger = mean + sd * norm.isf(quantity * self.holding / (self.shortage * self.demand))
            z = (trigger - mean) / sd
            short = sd * (norm.pdf(z) - z * norm.sf(z))
            quantity = sqrt(2 * self.demand * (self.per_order + self.shortage * short) / self.holding)
        cost = self.holding * (trigger - mean + quantity / 2)
        return (
            trigger,
            quantity,
            cost + self.demand / quantity * (self.per_order + self.shortage * short),
        )
