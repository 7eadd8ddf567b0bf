"""What a replicate ends with: one table of outcomes, one of weekly series, and what both engines give back.

The constants are the columns; OUTCOMES and SERIES say what they mean, in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from simulation.engines.trace import Trace

N_OUTCOMES: Final = 40
(
    SCREENED,
    SCREEN_FAILURES,
    RANDOMIZED,
    COMPLETED,
    DISCONTINUED,
    VISITS,
    MISSED_VISITS,
    LATE_VISITS,
    KITS_DISPENSED,
    KITS_REPLACED,
    MISSED_DISPENSINGS,
    OUT_OF_STOCK,
    REFUSED_RANDOMIZATIONS,
    SUBJECTS_LOST_TO_STOCKOUT,
    REFUSED_FOR_SUPPLY,
    FORCED_RANDOMIZATIONS,
    REPLACED,
    ORDERS,
    SHIPMENTS,
    KITS_SHIPPED,
    KITS_LOST,
    KITS_DAMAGED,
    KITS_EXPIRED_SITE,
    KITS_EXPIRED_DEPOT,
    KITS_RETURNED_UNUSED,
    KITS_QUARANTINED,
    KITS_EXCURSION_REJECTED,
    KITS_LEFT,
    KITS_LEFT_SITES,
    KITS_LEFT_TRANSIT,
    KITS_PRODUCED,
    KIT_DAYS,
    COST_KITS,
    COST_SHIPMENTS,
    COST_STORAGE,
    COST_DESTRUCTION,
    COST_LOST_SUBJECTS,
    CO2_KG,
    DAY_LAST_RANDOMIZED,
    DAY_LAST_VISIT,
) = range(N_OUTCOMES)


class Column(NamedTuple):
    """A column of a table of results."""

    name: str
    unit: str
    meaning: str


OUTCOMES: Final = (
    Column("screened", "subjects", "screened"),
    Column("screen_failures", "subjects", "screened, and not eligible"),
    Column("randomized", "subjects", "randomized"),
    Column("completed", "subjects", "had their last visit"),
    Column("discontinued", "subjects", "left after randomization, before their last visit"),
    Column("visits", "visits", "took place, from randomization on"),
    Column("missed_visits", "visits", "were missed by the subject"),
    Column("late_visits", "visits", "took place after their window"),
    Column("kits_dispensed", "kits", "handed out to subjects"),
    Column("kits_replaced", "kits", "of these, in place of one that the subject lost or damaged"),
    Column("missed_dispensings", "visits", "lacked a kit at the site while there were kits upstream"),
    Column("out_of_stock", "visits", "lacked a kit at the site, and nothing was upstream either"),
    Column("refused_randomizations", "subjects", "eligible, and not randomized because of a cap"),
    Column(
        "subjects_lost_to_stockout", "subjects", "left because a dispensing was missed; discontinued, too"
    ),
    Column("refused_for_supply", "subjects", "eligible, and not randomized for want of supply at the site"),
    Column("forced_randomizations", "subjects", "given another arm than the scheduled one by supply"),
    Column("replaced", "subjects", "left, and their replacement was randomized"),
    Column("orders", "orders", "made for sites and depots"),
    Column("shipments", "shipments", "left a depot; the stock that sites start with is none"),
    Column("kits_shipped", "kits", "left a depot for a site, the stock that sites start with included"),
    Column("kits_lost", "kits", "lost on the way"),
    Column("kits_damaged", "kits", "arrived damaged"),
    Column("kits_expired_site", "kits", "expired at sites"),
    Column("kits_expired_depot", "kits", "expired at depots"),
    Column("kits_returned_unused", "kits", "unused at sites when the trial is over, returned and destroyed"),
    Column("kits_quarantined", "kits", "put into quarantine at sites because of an excursion"),
    Column("kits_excursion_rejected", "kits", "rejected after an excursion, and destroyed"),
    Column("kits_left", "kits", "at depots when the replicate ends"),
    Column(
        "kits_left_sites",
        "kits",
        "at sites when the replicate ends, in quarantine too, of a trial that is not over",
    ),
    Column("kits_left_transit", "kits", "on their way when the replicate ends"),
    Column("kits_produced", "kits", "arrived at depots from production"),
    Column("kit_days", "kit days", "in stock at depots and sites at the end of each day"),
    Column("cost_kits", "currency", "kits shipped to sites, at their cost in the protocol"),
    Column("cost_shipments", "currency", "shipments, at the cost of their lanes"),
    Column("cost_storage", "currency", "kit days, at the scenario's cost of storage"),
    Column("cost_destruction", "currency", "kits expired, damaged, rejected or returned unused"),
    Column("cost_lost_subjects", "currency", "subjects lost to a missed dispensing, at the scenario's cost"),
    Column("co2_kg", "kg", "CO2 of shipments"),
    Column("day_last_randomized", "day", "of the last randomization, from 0; -1: none"),
    Column("day_last_visit", "day", "of the last visit, from 0; -1: none"),
)
"""Kits are conserved: produced = left at depots, at sites and in transit + dispensed + expired + lost + damaged + rejected + returned."""

N_SERIES: Final = 13
(
    WEEKLY_SCREENED,
    WEEKLY_RANDOMIZED,
    WEEKLY_ENDED,
    WEEKLY_DISPENSED,
    WEEKLY_MISSED,
    WEEKLY_SHIPMENTS,
    WEEKLY_EXPIRED,
    WEEKLY_AT_SITES,
    WEEKLY_IN_TRANSIT,
    WEEKLY_AT_DEPOTS,
    WEEKLY_LOST,
    WEEKLY_RETURNED,
    WEEKLY_REJECTED,
) = range(N_SERIES)

SERIES: Final = (
    Column("screened", "subjects", "screened so far"),
    Column("randomized", "subjects", "randomized so far"),
    Column("ended", "subjects", "completed or discontinued so far"),
    Column("kits_dispensed", "kits", "dispensed so far"),
    Column("missed_dispensings", "visits", "without the kit that was due, so far, for whatever reason"),
    Column("shipments", "shipments", "made so far"),
    Column("kits_expired", "kits", "expired so far, anywhere"),
    Column("kits_at_sites", "kits", "in stock at sites"),
    Column("kits_in_transit", "kits", "ordered and not received"),
    Column("kits_at_depots", "kits", "in stock at depots"),
    Column("kits_lost_damaged", "kits", "lost or damaged on the way so far"),
    Column("kits_returned", "kits", "returned unused so far"),
    Column("kits_rejected", "kits", "rejected after an excursion so far"),
)
"""At the end of the last day of each week from day 0 on; after the end of a replicate its last values."""


@dataclass(frozen=True, slots=True)
class Replicate:
    """One replicate: outcomes (columns OUTCOMES), weekly series (weeks x SERIES), and its trace where that was asked for."""

    outcomes: NDArray[np.float64]
    weekly: NDArray[np.int64]
    trace: Trace | None


@dataclass(frozen=True, slots=True)
class Batch:
    """Replicates `first` to `first` + count - 1: outcomes (count x OUTCOMES) and weekly series (count x weeks x SERIES)."""

    first: int
    outcomes: NDArray[np.float64]
    weekly: NDArray[np.int64]

    def frame(self) -> pl.DataFrame:
        """The outcomes as a frame, a row a replicate."""
        columns = {column.name: self.outcomes[:, index] for index, column in enumerate(OUTCOMES)}
        replicates = np.arange(self.first, self.first + len(self.outcomes))
        return pl.DataFrame({"replicate": replicates, **columns})
