"""What is planned from: a trial that begins empty, or a running study's present state; and the trials that are played for the plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from allocation.access.permissions import authorize
from allocation.ledger.database import open_database
from allocation.study.protocol import Protocol
from allocation.study.refilled_depots import refilled_depots
from allocation.terminal import acting, the_study
from forecasting.calibration.scorecard import Scorecard, scorecard
from forecasting.census import census_at, fit_at
from forecasting.supply_plan.candidates import MOST_KITS, Choices, read_choices
from forecasting.supply_plan.errors import SupplyPlanError
from simulation.engines.plan import Names, TrialPlan
from simulation.engines.plan_of_study import names_of, plan_of
from simulation.live_start.live_plan import LiveStart, live_start, start_from
from simulation.production import Campaign, LotArrival, LotPlan
from simulation.scenario import Scenario, load_scenario_and_protocol

_MOST_DAYS: Final = 7305
_LASTS: Final = timedelta(days=100 * 366)
"""Longer than any trial: kits that do not expire."""


class Trial(NamedTuple):
    """What is played."""

    plan: TrialPlan
    names: Names


@dataclass(frozen=True)
class Beginning:
    """The assumptions with the campaigns that are made in any case, and where a running study stands (None: the trial begins empty).

    `day0` is the first day that is played, `until` the last; `source` says what the assumptions are from. `card`: how kept forecasts of the
    study came true until then.
    """

    scenario: Scenario
    protocol: Protocol
    live: LiveStart | None
    day0: date
    until: date
    source: str
    card: Scorecard | None = None

    @property
    def days(self) -> int:
        """Days that are played."""
        return (self.until - self.day0).days + 1

    def trial(self, lots: Sequence[LotPlan] = (), campaigns: Sequence[Campaign] = ()) -> Trial:
        """The trial with these lots and campaigns more than there are in any case."""
        more = self.scenario.model_copy(
            update={
                "lots": (*self.scenario.lots, *lots),
                "campaigns": (*self.scenario.campaigns, *campaigns),
            }
        )
        if self.live is not None:
            start = start_from(self.live.state, more, self.protocol, self.days)
            return Trial(start.plan, start.names)
        played = more.model_copy(update={"duration_days": self.days})
        return Trial(plan_of(self.protocol, played), names_of(self.protocol, played))

    def unlimited(self, campaigns: Sequence[Campaign] = ()) -> Trial:
        """The trial with depots that never run out: beside what is there and these campaigns make, a million kits that do not expire.

        They are taken last, since the earliest expiry goes first. Depots that another one refills are left as they are.
        """
        refilled = refilled_depots(self.protocol)
        depots = [depot.code for depot in self.protocol.depots if depot.code not in refilled]
        arrivals = tuple(LotArrival(depot=depot, on=self.day0, kits=MOST_KITS) for depot in depots)
        taken = {lot.code for lot in self.scenario.lots}
        lots = [
            LotPlan(
                code=_free(f"ALWAYS-{at}", taken),
                kit_type=one.code,
                manufactured_on=self.day0,
                expires_on=self.day0 + _LASTS,
                arrivals=arrivals,
            )
            for at, one in enumerate(self.protocol.kit_types)
        ]
        return self.trial(lots, campaigns)


def _free(code: str, taken: set[str]) -> str:
    while code in taken:
        code += "X"
    return code


def from_scenario(file: Path, campaigns: Path | None, until: date | None) -> tuple[Beginning, Choices]:
    """A trial that begins as the scenario in a file says, and what may be made for it."""
    scenario, protocol = load_scenario_and_protocol(file)
    choices = read_choices(campaigns, scenario, protocol, None)
    last = scenario.starts_on + timedelta(days=scenario.duration_days - 1)
    begins = Beginning(
        choices.scenario, protocol, None, scenario.starts_on, until or last, f"scenario {scenario.name}"
    )
    return _checked(begins), choices


def from_study(
    study: str,
    file: Path | None,
    campaigns: Path | None,
    at: date | None,
    until: date | None,
    actor: str | None,
    seed: int,
) -> tuple[Beginning, Choices]:
    """A running study from its state at the end of the day `at` (UTC; None: of its last entry), and what may be made for it.

    The assumptions are those of the scenario in `file`, else fitted to the study's ledger. It tells arms and kit types: unblinded.
    Raises NotPermitted, NotFound, FitError and LiveStartError as fit and live start do, and SupplyPlanError.
    """
    if at is not None and at > datetime.now(UTC).date():
        raise SupplyPlanError(
            f"{at} is still to come", field="--at", fix="leave it out, or give a day on which the study ran"
        )
    database = open_database(create=False)
    try:
        who, named = acting(database, actor), the_study(database, study)
        authorize(who, "scenario.fit", named)
        if file is not None:
            scenario, protocol = load_scenario_and_protocol(file)
            source = f"scenario {scenario.name}"
            last = scenario.starts_on + timedelta(days=scenario.duration_days - 1)
        else:
            fit = fit_at(database, who, census_at(database, named, at), seed)
            scenario, protocol, source = fit.scenario, fit.observed.protocol, fit.scenario.name
            last = date.min
        if protocol.study.id != named:
            raise SupplyPlanError(
                f"the scenario is of study {protocol.study.id}, not of {named}",
                field="--study",
                fix=f"name study {protocol.study.id}, or a scenario of {named}",
            )
        # What is made later is left out here: all that is asked of the ledger is where the study stands.
        bare = scenario.model_copy(update={"campaigns": ()})
        live = live_start(database, who, named, bare, protocol, at, 1)
        card = scorecard(database, who, named, live.state.position)
    finally:
        database.dispose()
    choices = read_choices(campaigns, scenario, protocol, live.state.at)
    day0 = live.state.at + timedelta(days=1)
    if until is None and last < day0:
        raise SupplyPlanError(
            f"nothing says how long {named} is to be supplied",
            field="--until",
            fix="name the last day of the plan, such as the last visit that is expected",
        )
    begins = _checked(Beginning(choices.scenario, protocol, live, day0, until or last, source, card))
    whole = start_from(live.state, bare, protocol, begins.days)
    return replace(begins, live=whole), choices


def _checked(found: Beginning) -> Beginning:
    if not 1 <= found.days <= _MOST_DAYS:
        raise SupplyPlanError(
            f"the plan would run from {found.day0} to {found.until}",
            field="--until",
            fix=f"name a day from {found.day0} on, at most {_MOST_DAYS} days later",
        )
    return found
