"""What the demand of a running study is forecast from: its state at the census, and the assumptions by which it goes on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from allocation.access.actors import Actor
from allocation.access.permissions import authorize
from allocation.ledger.database import Database
from allocation.study.protocol import Protocol
from forecasting.census import Census, census_at, fit_at
from forecasting.demand.assumption_draws import drawn_scenarios
from forecasting.demand.errors import BadRequest
from simulation.engines.plan import TrialPlan
from simulation.fitting.errors import FitError
from simulation.fitting.scenario_fit import ScenarioFit
from simulation.live_start.live_plan import LiveStart, live_start, start_from
from simulation.scenario import Scenario, load_scenario_and_protocol

DRAWS: Final = 50
"""Of the fitted assumptions: a plan is made of each, and a tenth of a second goes into it."""
_WEAK: Final = ("prior", "few data")
_OF_DEMAND: Final = (
    "recruitment",
    "activation",
    "screening",
    "visits",
    "drop_out",
    "titration",
)
"""Parts of a scenario that a demand depends on before all others."""


@dataclass(frozen=True)
class StudyStart:
    """The census and the live start; `fit` None: the scenario was given. `protocol`: in force at the census, or the given scenario's.

    `plans`: the plan under each draw of the fitted assumptions from their posteriors, replicates take turns; one where they were given.
    """

    census: Census
    protocol: Protocol
    scenario: Scenario
    live: LiveStart
    fit: ScenarioFit | None
    plans: tuple[TrialPlan, ...]

    @property
    def scenario_hash(self) -> str:
        """SHA-256 of the scenario before it goes on from the census."""
        return hashlib.sha256(self.scenario.model_dump_json().encode()).hexdigest()

    @property
    def weak(self) -> tuple[tuple[str, str, int], ...]:
        """The assumptions about demand that rest on few data or on the prior alone: place in the scenario, basis, observations."""
        return tuple(
            (one.path, one.basis, one.observations)
            for one in (self.fit.estimates if self.fit else ())
            if one.basis in _WEAK and one.path.partition(".")[0] in _OF_DEMAND
        )

    @property
    def basis(self) -> str:
        """What the assumptions are, in a sentence."""
        if self.fit is None:
            return f"Assumptions of the scenario {self.scenario.name}."
        found = self.fit.observed
        return (
            f"Assumptions fitted on {found.entries:,} ledger entries to {found.as_of}: {len(found.subjects)} screened, "
            f"{sum(1 for _ in found.randomized())} randomized, {len(found.sites)} sites."
        )


def study_start(
    database: Database,
    actor: Actor,
    study_id: str,
    at: date | None,
    scenario: Path | None,
    weeks: int,
    seed: int = 1,
) -> StudyStart:
    """The beginning of a forecast at the end of the day `at` (UTC; None: of the last entry), for so many weeks.

    Nothing that was recorded later is looked at. `scenario`: the file of the assumptions; None: they are fitted to the ledger until the
    census, and `seed` is that of their draws. It tells arms and kit types: unblinded.

    Raises NotPermitted; NotFound; ForecastError for another day; BadRequest where too little was recorded for a fit;
    LiveStartError and NotSimulated where the scenario cannot go on from this study.
    """
    authorize(actor, "forecast.demand", study_id)
    census = census_at(database, study_id, at)
    fit = None
    if scenario is None:
        fit = _fit(database, actor, census)
        assumed, protocol = fit.scenario, fit.observed.protocol
    else:
        assumed, protocol = load_scenario_and_protocol(scenario)
        if protocol.study.id != study_id:
            raise BadRequest(
                f"the scenario is of study {protocol.study.id}, not of {study_id}",
                code="other-protocol",
                field="--scenario",
                fix=f"name a scenario whose protocol is that of {study_id}, or leave it out",
            )
    live = live_start(database, actor, study_id, assumed, protocol, census.at, 7 * weeks)
    plans: tuple[TrialPlan, ...] = (live.plan,)
    if fit is not None:
        drawn = drawn_scenarios(fit, DRAWS, seed)
        plans = tuple(start_from(live.state, one, protocol, 7 * weeks).plan for one in drawn)
    return StudyStart(census, protocol, assumed, live, fit, plans)


def _fit(database: Database, actor: Actor, census: Census) -> ScenarioFit:
    try:
        return fit_at(database, actor, census)
    except FitError as lacking:
        raise BadRequest(
            f"no assumptions can be fitted at {census.at}: {lacking.message}",
            code=lacking.code,
            field="--scenario",
            fix="name a scenario file with your assumptions, like studies/demo-scenario.yaml",
        ) from lacking
