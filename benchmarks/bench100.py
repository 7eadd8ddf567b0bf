"""RTSM-BENCH-100: a trial that is small enough to state in ten lines, with reference means to hold any simulator of it against.

100 sites, each with `up_to` kits of both arms on its shelf from day 0 (counted as kits, not as shipments). Site i opens after U(0, 90)
days and then recruits as a Poisson process of rate Gamma(shape 1.2, mean 0.0187 a day); recruitment stops at 600 subjects in all.
Two arms, by one central permuted block of 4. A subject has its first of 12 visits on the day of enrolment, visit v at that day + 28 v and
-3 to 3 days, each equally likely; after each visit but the last the subject leaves with probability 0.02. A visit takes one kit of the
subject's arm from the site, and counts as a stock-out where there is none. A day runs: shipments arrive; enrolments; visits; review of
the sites whose inventory position (on hand and on the way) changed: if that of either arm is at or below `trigger`, one shipment
takes both arms to `up_to` and arrives at the start of the day 6, 7 or 8 days later. The depot never runs out, nothing expires, and the
trial ends when all subjects have finished.

The reference means are of 20,000 and more replicates of an independent program (the project's field notes); each with its standard error.
"""

from __future__ import annotations

from typing import NamedTuple

SITES = 100
SUBJECTS = 600
OPENS_WITHIN_DAYS = 90
RATE_SHAPE = 1.2
RATE_PER_DAY = 0.0187
BLOCK = (0, 0, 1, 1)
VISITS = 12
DAYS_BETWEEN_VISITS = 28
JITTER_DAYS = 3
LEAVES = 0.02
LEAD_DAYS = (6, 7, 8)
"""From the day of the review to the start of the day of arrival, each equally likely."""
EXPECTED_VISITS = SUBJECTS * (1 - (1 - LEAVES) ** VISITS) / LEAVES


class Thresholds(NamedTuple):
    """When a site is resupplied, and up to how many kits of each arm."""

    trigger: int
    up_to: int


class Outcome(NamedTuple):
    """What a trial comes to (in a table of references: a mean, or its standard error)."""

    dispensed: float
    stock_outs: float
    shipments: float
    kits: float
    """With those that the sites began with."""


class Reference(NamedTuple):
    """Means and their standard errors."""

    mean: Outcome
    error: Outcome


REFERENCES = {
    Thresholds(2, 5): Reference(Outcome(6293.70, 165.28, 1502.79, 7202.23), Outcome(0.60, 0.40, 0.19, 0.60)),
    Thresholds(3, 8): Reference(Outcome(6420.26, 38.19, 857.20, 7787.40), Outcome(0.52, 0.17, 0.11, 0.53)),
    Thresholds(5, 14): Reference(Outcome(6456.51, 2.821, 449.97, 8797.73), Outcome(0.49, 0.034, 0.07, 0.56)),
    Thresholds(8, 17): Reference(Outcome(6459.45, 0.1231, 450.23, 9400.7), Outcome(0.49, 0.0062, 0.07, 0.6)),
}
"""By thresholds. The error of the stock-outs of (8, 17) was not written down; here it is that of 20,000 replicates of the floor."""
