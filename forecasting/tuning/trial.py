"""The trial that thresholds are tuned for: a scenario from its beginning, or a running study from its present state on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from allocation.ledger.database import open_database
from allocation.study.canonical import canonical_json, protocol_sha256
from allocation.study.parameters import EffectiveParameters, effective_parameters
from allocation.terminal import acting, the_study
from forecasting.calibration.scorecard import scorecard
from forecasting.census import census_at, fit_at
from forecasting.tuning.errors import BadTuning
from simulation.engines.other_thresholds import SiteStock, Thresholds, with_thresholds
from simulation.engines.plan import TrialPlan
from simulation.engines.plan_arrays import Floats, Ints
from simulation.live_start.live_plan import LiveStart, live_start
from simulation.replicates.run import Engine, Run, read_run
from simulation.scenario import DAYS_PER_MONTH, load_scenario_and_protocol


@dataclass(frozen=True)
class Trial:
    """What is played, and where it came from. `ledger_position` and `fit` are None of documents alone; `calibration` (how kept forecasts
    of the study came true until then) also where none can be scored yet.
    """

    run: Run
    ledger_position: int | None = None
    day_0: date | None = None
    fit: dict[str, Any] | None = None
    calibration: dict[str, Any] | None = None
    told: str = ""

    @property
    def plan(self) -> TrialPlan:
        """The plan with the protocol's own thresholds."""
        return self.run.plan

    def plan_under(self, thresholds: Thresholds) -> TrialPlan:
        """The plan under other thresholds."""
        start: SiteStock = self.run.scenario.site_stock_at_start
        return with_thresholds(self.plan, thresholds, start)

    @property
    def seeds(self) -> bool:
        """Whether what a site gets first depends on its `seed_quantity`."""
        return self.plan.resupply.seeds or self.run.scenario.site_stock_at_start == "seed_quantity"

    def held(self, name: str) -> Ints:
        """A parameter by site and kit type, as it holds from day 0 on."""
        found: Ints = getattr(self.plan.resupply, name)[self.plan.resupply.period[0]]
        return found

    def parameters_of(self, site: str, kit_type: str) -> EffectiveParameters:
        """The protocol's parameters that hold on day 0."""
        return effective_parameters(self.run.protocol, kit_type, self.run.scenario.starts_on, site=site)

    def enrolment_per_month(self) -> Floats:
        """Subjects that each site is expected to randomize in a month: as the scenario assumes, or the posterior of a running study."""
        sites, present = self.plan.sites, self.plan.present
        rate = sites.rate.copy()
        if present.there:
            rate = np.where(present.rate > 0, present.rate, rate)
        return np.round(rate * DAYS_PER_MONTH * (1 - self.plan.subjects.failure), 4)

    def facts(self) -> dict[str, Any]:
        """What a report says of the trial."""
        protocol, scenario = self.run.protocol, self.run.scenario
        return {
            "study": protocol.study.id,
            "protocol_version": protocol.study.version,
            "protocol_hash": protocol_sha256(protocol),
            "ledger_position": self.ledger_position,
            "day_0": None if self.day_0 is None else self.day_0.isoformat(),
            "scenario": scenario.name,
            "scenario_hash": hashlib.sha256(canonical_json(scenario).encode()).hexdigest(),
            "seed": self.run.seed,
        }


def trial_of_documents(scenario: Path, seed: int | None) -> Trial:
    """The trial of a scenario's file, from its beginning. Raises as `simulation.replicates.run.read_run`."""
    return Trial(read_run(scenario, Engine.COMPILED, seed))


def trial_of_study(
    study: str, scenario: Path | None, seed: int | None, at: date | None, days: int | None, actor: str | None
) -> Trial:
    """A running study from its state at the end of the day `at` on, by a scenario's file or by one that is fitted to its ledger.

    It tells arms: unblinded. Raises as `live_start` and `fit_at`, and BadTuning where a fitted scenario is not told how long to run.
    """
    if scenario is None and days is None:
        raise BadTuning(
            "a scenario that is fitted to a ledger does not say when the trial ends",
            field="--days",
            fix="say how many days from day 0 on are to be simulated, or name a SCENARIO",
        )
    database = open_database(create=False)
    try:
        who, code = acting(database, actor), the_study(database, study)
        fit = None
        if scenario is None:
            fitted = fit_at(database, who, census_at(database, code, at), 1 if seed is None else seed)
            read, protocol = fitted.scenario, fitted.observed.protocol
            fit = {name: value for name, value in fitted.as_json().items() if name != "scenario"}
        else:
            read, protocol = load_scenario_and_protocol(scenario)
        start: LiveStart = live_start(database, who, code, read, protocol, at, days)
        card = scorecard(database, who, code, start.state.position)
    finally:
        database.dispose()
    chosen = read.seed if seed is None else seed
    run = Run(start.scenario, protocol, start.plan, start.names, Engine.COMPILED, chosen)
    calibration = card.as_json() if card.groups else None
    return Trial(run, start.state.position, start.scenario.starts_on, fit, calibration, start.told())
