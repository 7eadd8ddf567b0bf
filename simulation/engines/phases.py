"""The order of things within a day. Time is whole days; day 0 is the first day of the scenario.

The live rules judge by date too, so a day is all that matters, and one documented order makes both engines agree event for event:

    LOTS            lots arrive at depots and are released, in the order of the scenario
    EXPIRIES        what may not be used any more leaves the stock of depots and sites
    RECEIPTS        shipments arrive at depots and sites, in the order in which they were made
    EXCURSIONS      kits in quarantine whose review ends are released or rejected; then, what a storage excursion has exposed goes there
    OPENINGS        sites open
    SCREENINGS      by site, in the order of the protocol, then by arrival; subjects are numbered in this order
    RANDOMIZATIONS  subjects whose screening ends today, in the order of screening: screen failure, refusal, or an arm
    VISITS          by subject, in the order of screening; the first visit is on the day of randomization
    DROP_OUTS       by subject, in the order of screening
    RETURNS         what sites have is returned unused, when the trial is over
    RESUPPLY        the scheduled run over every site, or the review of the sites whose inventory fell today; by depot, then site
    DISPATCH        shipments leave, in the order in which they were made
    CLOSE           the day's books: weekly series, and whether the trial has ended

A replicate ends with the last day of the scenario, or before it with the day on which the trial is over: nobody can be screened any more,
and nobody is in screening or on study. On that day no site is resupplied.
"""

from __future__ import annotations

from typing import Final

LOTS: Final = 0
EXPIRIES: Final = 1
RECEIPTS: Final = 2
EXCURSIONS: Final = 3
OPENINGS: Final = 4
SCREENINGS: Final = 5
RANDOMIZATIONS: Final = 6
VISITS: Final = 7
DROP_OUTS: Final = 8
RETURNS: Final = 9
RESUPPLY: Final = 10
DISPATCH: Final = 11
CLOSE: Final = 12

PHASES: Final = (
    "lots",
    "expiries",
    "receipts",
    "excursions",
    "openings",
    "screenings",
    "randomizations",
    "visits",
    "drop_outs",
    "returns",
    "resupply",
    "dispatch",
    "close",
)
"""The names of the phases, in their order."""
