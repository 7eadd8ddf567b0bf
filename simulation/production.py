"""Where kits come from: lots that arrive at depots, and campaigns that make them in the course of the trial."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated

from pydantic import Field, model_validator

from allocation.study.model import Code, ProtocolPart
from simulation.day_law import DayLaw, Probability


class LotArrival(ProtocolPart):
    """Kits of a lot that arrive at a depot; on or before the start of the scenario they are its first stock."""

    depot: Code
    on: date
    kits: int = Field(ge=1, le=1_000_000)


class LotPlan(ProtocolPart):
    """A lot of a kit type: when it is made, when it expires, where it may be used, and when which depot gets how many kits."""

    code: Code
    kit_type: Code
    manufactured_on: date
    expires_on: date
    released_for: tuple[str, ...] = Field(
        default=("*",), min_length=1, description="countries; * is every one"
    )
    arrivals: tuple[LotArrival, ...] = Field(min_length=1)
    release_delay_days: DayLaw | None = Field(
        default=None,
        description="from each arrival until it may be used, drawn once for the lot; only in the simulator's engines",
    )


class Campaign(ProtocolPart):
    """Production in the course of the trial: each run makes a lot, which is at its depots on the day on which it is released.

    A run begins on `starts_on` and, with `every_days`, again after so many days each, the last on `until` or before. It is manufactured,
    labelled and packed, and released by a qualified person, by laws of days of which each begins when the one before it ends. Of the kits
    planned, `yield_share` (rounded down to whole kits) become kits that can be used. They are planned as `kits` in all, which depots get by
    `shares`, or as `kits_by_depot`. A lot expires its shelf life after the day on which its run begins by plan, whatever is drawn, so that
    the order of lots by expiry is known beforehand. Only in the simulator's engines.
    """

    code: Code
    kit_type: Code
    starts_on: date
    every_days: int | None = Field(default=None, ge=1, le=3650)
    until: date | None = None
    lead_days: DayLaw = Field(description="manufacture")
    label_days: DayLaw = Field(default=DayLaw(), description="labelling and packaging, after manufacture")
    release_days: DayLaw = Field(default=DayLaw(), description="to the release by the QP, after labelling")
    kits: int | None = Field(default=None, ge=1, le=1_000_000)
    shares: dict[Code, Probability] = Field(default_factory=dict, description="depot -> share of kits")
    kits_by_depot: dict[Code, Annotated[int, Field(le=1_000_000)]] = Field(
        default_factory=dict, description="depot -> kits"
    )
    yield_share: float = Field(default=1.0, gt=0, le=1)
    shelf_life_days: int | None = Field(default=None, ge=1, le=7305)
    shelf_life_months: int | None = Field(default=None, ge=1, le=240)
    released_for: tuple[str, ...] = Field(
        default=("*",), min_length=1, description="countries; * is every one"
    )

    @model_validator(mode="after")
    def _complete(self) -> Campaign:
        if (self.shelf_life_days is None) == (self.shelf_life_months is None):
            raise ValueError("has no shelf life, or two; give one of shelf_life_days and shelf_life_months")
        if (self.every_days is None) != (self.until is None):
            raise ValueError("repeats only with both every_days and until; give the other one, too")
        return self

    def begins(self) -> list[date]:
        """The days on which its runs begin by plan."""
        if self.every_days is None or self.until is None:
            return [self.starts_on]
        runs = (self.until - self.starts_on).days // self.every_days + 1
        return [self.starts_on + timedelta(days=self.every_days * run) for run in range(runs)]

    def expires(self, begins: date) -> date:
        """When the lot of a run expires that begins on a day; at the end of a month that is too short, on its last day."""
        if self.shelf_life_days is not None:
            return begins + timedelta(days=self.shelf_life_days)
        months = begins.month - 1 + (self.shelf_life_months or 0)
        first = date(begins.year + months // 12, months % 12 + 1, 1)
        last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        return min(first + timedelta(days=begins.day - 1), last)

    def lot_code(self, run: int) -> str:
        """The code of the lot that a run (from 1) makes: with its number where the campaign repeats."""
        return self.code if self.every_days is None else f"{self.code}-{run}"

    def kits_at(self) -> dict[str, int]:
        """The kits that each of its depots gets of a run."""
        if self.kits_by_depot:
            return {depot: self._good(kits) for depot, kits in self.kits_by_depot.items()}
        total, given, share = self._good(self.kits or 0), 0, 0.0
        kits = {}
        for depot, part in self.shares.items():
            share += part
            kits[depot] = round(total * share) - given
            given += kits[depot]
        return kits

    def _good(self, kits: int) -> int:
        # Rounded first: 0.29 x 100 is 28.999999999999996.
        return int(round(kits * self.yield_share, 6))

    @property
    def shortest_days(self) -> int:
        """The fewest days from the beginning of a run to its release."""
        return sum(law.min_days for law in (self.lead_days, self.label_days, self.release_days))

    def lots(self) -> list[LotPlan]:
        """A lot for each run that makes kits: what is planned, with the arrivals on the day on which the run begins."""
        return [
            LotPlan(
                code=self.lot_code(run),
                kit_type=self.kit_type,
                manufactured_on=begins,
                expires_on=self.expires(begins),
                released_for=self.released_for,
                arrivals=tuple(
                    LotArrival(depot=depot, on=begins, kits=kits)
                    for depot, kits in self.kits_at().items()
                    if kits > 0
                ),
            )
            for run, begins in enumerate(self.begins(), start=1)
        ]
