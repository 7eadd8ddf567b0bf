"""What a candidate is expected to come to, in closed form: where a search begins, how far its grid reaches, which lines it takes first.

Nothing is decided by it: what it says is far coarser than a simulation (a site's busy time stands for all of its time).

A site randomizes at a rate that is gamma among sites, so the kits of a type that it needs over a lead time are negative binomial (Poisson
without a spread). With r kits left when an order is made and Q kits ordered, of a demand at the rate l over the lead time L the share
n / (Q + n) is missed, with n = E(D(L) - r)+ = m P(D >= r) - r P(D >= r + 1), m = l L (Hadley & Whitin, Analysis of Inventory Systems, 1963,
section 4-11: lost sales, one order under way); the share of a group is its mean over the gamma law, weighted by demand.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv, pdtrc
from scipy.stats import nbinom, poisson

from allocation.rules.resupply import TRIGGER_AT
from allocation.study.newcomers import newcomers
from forecasting.tuning.candidates import Candidate
from forecasting.tuning.risk import Risk
from forecasting.tuning.trial import Trial
from simulation.engines.events import DISPENSED, NOT_DISPENSED
from simulation.engines.plan import Laws
from simulation.engines.trace import COLUMNS
from simulation.live_start.day_chances import of_law
from simulation.replicates.run import play_one
from simulation.scenario import DAYS_PER_MONTH

PILOTS: Final = 8
"""Replicates whose events are looked at."""
_NODES: Final = 24
"""Rates that stand for the gamma law, each of the same chance."""
_BUSY: Final = 1.3
"""The demand of a site's busy time against its mean over the trial."""
_IN_A_CLUSTER: Final = 1.5
"""Visits that lack a kit when a site runs out: they come together, so that fewer trials have any."""

Table = NDArray[np.float64]


@dataclass(frozen=True)
class Screening:
    """What is known by site and kit type: kits a day while the site is busy, and lead days."""

    trial: Trial
    lead_days: Table
    kits_a_day: Table
    days: float
    """How long the trial needs kits."""

    def missed_share(self, candidate: Candidate) -> float:
        """The expected share of visits that lack a kit."""
        held = self.trial.plan_under(candidate.thresholds).resupply
        period = held.period[0]
        least, most = held.min_buffer[period], held.max_buffer[period]
        reached = np.where(held.trigger[period] == TRIGGER_AT, least, least - 1)
        ordered = np.maximum(most - np.maximum(reached, 0), 1)
        window = held.short_window[period]
        rates = (
            np.where(window > 0, self.newcomers_a_day(window), self.kits_a_day)
            if window.any()
            else self.kits_a_day
        )
        nodes = nodes_of(self.trial.plan.sites.gamma_shape)
        left, sent = (one[:, :, np.newaxis] for one in (reached, ordered))
        mean = (rates * self.lead_days)[:, :, np.newaxis] * nodes
        lacking = mean * _above(left - 1, mean) - left * _above(left, mean)
        lacking = np.where(left < 0, sent + mean, np.maximum(lacking, 0.0))
        weight = self.kits_a_day[:, :, np.newaxis] * nodes
        total = float(weight.sum())
        return float((weight * lacking / (sent + lacking)).sum()) / total if total > 0 else 0.0

    def risk(self, candidate: Candidate, risk: Risk) -> float:
        """The expected risk."""
        share = self.missed_share(candidate)
        if risk.measure == "missed_share":
            return share
        return float(1 - np.exp(-share * self.kits() / _IN_A_CLUSTER))

    def cost(self, candidate: Candidate) -> float:
        """The expected cost of shipments and of the kits that are left, up to what all candidates have alike."""
        plan = self.trial.plan_under(candidate.thresholds)
        held, period = plan.resupply, plan.resupply.period[0]
        least, most = held.min_buffer[period], held.max_buffer[period]
        sent = np.maximum(most - least, 1)
        # One trigger tops up all kit types, of which the others are on average half way.
        together = (1 + plan.kits.size) / 2
        orders = self.kits_a_day * self.days / _BUSY / sent / together
        left = (least + sent / 2) * plan.kits.cost
        return float((orders * plan.lanes.cost[:, np.newaxis] + left).sum())

    def kits(self) -> float:
        """The kits that the trial is expected to need."""
        return float(self.kits_a_day.sum()) * self.days / _BUSY

    def lead_quantile(self, service: float, cells: NDArray[np.bool_]) -> int:
        """Kits that the demand of a typical cell over its lead time does not exceed with a chance of `service`: negative binomial."""
        mean = float((self.kits_a_day * self.lead_days)[cells].mean())
        shape = self.trial.plan.sites.gamma_shape
        if mean == 0:
            return 0
        found = (
            nbinom.ppf(service, shape, shape / (shape + mean)) if shape > 0 else poisson.ppf(service, mean)
        )
        return max(int(found), 0)

    def kits_over(self, days: float, cells: NDArray[np.bool_]) -> float:
        """The mean demand of a typical cell over so many days."""
        return float(self.kits_a_day[cells].mean()) * days

    def newcomers_a_day(self, window: NDArray[np.int64]) -> Table:
        """Kits a day of subjects who are not randomized yet, where the others are foreseen over a window."""
        coming = newcomers(self.trial.run.protocol)
        shares = np.array(coming.ratio) / sum(coming.ratio)
        found = np.zeros(self.kits_a_day.shape)
        for column, code in enumerate(self.trial.run.names.kit_types):
            for one in coming.dispensings[code]:
                found[:, column] += shares[one.arm] * one.quantity * (one.offset <= window[:, column])
        return found * self.trial.enrolment_per_month()[:, np.newaxis] / DAYS_PER_MONTH


@cache
def nodes_of(shape: float) -> Table:
    """Rates that stand for a gamma law of mean 1, each of the same chance; 1 where there is no spread."""
    if shape == 0:
        return np.ones(1)
    middles = (np.arange(_NODES) + 0.5) / _NODES
    return np.asarray(gammaincinv(shape, middles) / shape)


def screening_of(trial: Trial) -> Screening:
    """What the plan says about lead times, and what a few replicates (PILOTS) need of each kit type.

    Newcomers' planned visits would not do: doses are titrated, subjects leave. Sites share the need by the rates that are expected of them.
    """
    plan, lanes, laws = trial.plan, trial.plan.lanes, trial.plan.laws
    lead = np.array(
        [
            days + _mean(laws, law) + hold * _mean(laws, customs)
            for days, law, hold, customs in zip(
                lanes.lead_days, lanes.delay_law, lanes.customs_hold, lanes.customs_law, strict=True
            )
        ]
    ) + _mean(laws, lanes.dispatch_law)
    runs = float(plan.resupply.run.mean())
    if not plan.resupply.on_event and runs > 0:
        lead += (1 / runs - 1) / 2 + 0.5
    needed, days = _needed(trial)
    rates = trial.enrolment_per_month()
    share = rates / rates.sum() if rates.sum() > 0 else np.full(len(rates), 1 / len(rates))
    shape = len(rates), plan.kits.size
    return Screening(
        trial,
        np.broadcast_to(np.maximum(lead, 0.5)[:, np.newaxis], shape).astype(np.float64),
        share[:, np.newaxis] * needed * _BUSY / days,
        days,
    )


def _needed(trial: Trial) -> tuple[Table, float]:
    """Mean kits of each type that visits asked for, and the days in which they did."""
    needed, last = np.zeros(trial.plan.kits.size), 1
    kind, kit_type, quantity, day = (COLUMNS.index(name) for name in ("kind", "kit_type", "quantity", "day"))
    for replicate in range(PILOTS):
        played = play_one(trial.plan, trial.run.engine, trial.run.seed, replicate, trace=True)
        trace = np.zeros((0, len(COLUMNS)), dtype=np.int64) if played.trace is None else played.trace
        asked = trace[np.isin(trace[:, kind], (DISPENSED, NOT_DISPENSED))]
        if len(asked):
            kits = np.where(asked[:, kind] == DISPENSED, asked[:, quantity], 1)
            np.add.at(needed, asked[:, kit_type], kits / PILOTS)
            last = max(last, int(asked[:, day].max()) + 1)
    return needed, float(last)


def _above(kits: NDArray[np.int64], mean: Table) -> Table:
    """P(D > kits) of a Poisson demand."""
    found: Table = pdtrc(np.maximum(kits, 0), mean)
    return np.where(kits < 0, 1.0, found)


def _mean(laws: Laws, law: int) -> float:
    return sum(day * chance for day, chance in of_law(laws, law))
