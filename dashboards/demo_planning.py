"""The demo's planning: forecasts of past days that can be scored, thresholds tuned on the ledger, and their proposal signed into effect.

It comes after the play, whose ledger has what a forecast of a past day is scored by. What is tuned is the trial from the last of these days
on; its thresholds then are those of a new protocol version.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from allocation.access.actors import SYSTEM_ACTOR
from allocation.ledger.database import Database
from dashboards.demo_people import DEMO_PASSWORD, STATISTICIAN
from dashboards.demo_progress import DemoProgress
from forecasting.census import census_at
from forecasting.demand.kept_tables import keep_demand
from forecasting.demand.study_demand import forecast_study_demand
from forecasting.demand.study_start import study_start
from forecasting.proposal.filing import file_proposal
from forecasting.recruitment.forecast import Question, forecast
from forecasting.recruitment.from_study import study_accrual
from forecasting.recruitment.kept_numbers import keep_recruitment
from forecasting.recruitment.screening import forecast_screening
from forecasting.tuning.run import Request, run_tuning
from simulation.driver import ServiceTrial
from simulation.scenario import Scenario

CENSUSES: Final = (0.3, 0.4, 0.5)
"""Parts of the trial's time after which it is forecast."""
WEEKS: Final = 13
REPLICATES: Final = 200
"""Of each forecast of demand."""
RISK: Final = "missed_share<=0.002"
TUNED_WITH: Final = 12_000
"""Replicates that the tuning may use."""
PERIOD_DAYS: Final = 7


@dataclass(frozen=True, slots=True)
class Planned:
    """What was planned: how many forecasts are kept, and the proposal that is in effect (None: nothing met the risk)."""

    forecasts: int
    proposal_id: str | None
    protocol_version: int | None


def plan_demo(
    database: Database, trial: ServiceTrial, scenario: Scenario, file: Path, shown: DemoProgress
) -> Planned:
    """Forecast, tune, file and sign in a demo that was played; `file` is its scenario's."""
    days = [scenario.starts_on + timedelta(days=int(part * scenario.duration_days)) for part in CENSUSES]
    with shown.step("forecasts", f"Forecasting recruitment and demand on {len(days)} past days"):
        for day in days:
            _forecast_recruitment(database, trial.study_id, day)
            _forecast_demand(database, trial.study_id, day)
    with shown.step("tuning", f"Tuning thresholds for {RISK} from {days[-1]} on"):
        request = Request(
            risk=RISK,
            scenario=file,
            study=trial.study_id,
            at=days[-1],
            by=("tier", "kit-type"),
            limit=TUNED_WITH,
        )
        tuned, written = run_tuning(request)
    if not tuned.feasible:
        shown.say(f"Nothing was proposed: {tuned.why}")
        return Planned(2 * len(days), None, None)
    with shown.step("proposal", "Filing the thresholds and signing them into effect"):
        filed = file_proposal(
            written.report,
            written.scenario,
            username=STATISTICIAN,
            password=DEMO_PASSWORD,
            reason=f"tuned for {RISK}",
            clock=trial.service.clock,
        )
        version = trial.sign_proposal(filed.proposal_id, filed.report_sha256)
    return Planned(2 * len(days), filed.proposal_id, version)


def _forecast_recruitment(database: Database, study_id: str, day: date) -> None:
    census = census_at(database, study_id, day)
    accrual = study_accrual(database, SYSTEM_ACTOR, study_id, PERIOD_DAYS, census=census)
    question = Question(WEEKS)
    found = forecast(accrual.randomized, question)
    keep_recruitment(found, forecast_screening(accrual.screening, question).screened, census)


def _forecast_demand(database: Database, study_id: str, day: date) -> None:
    start = study_start(database, SYSTEM_ACTOR, study_id, day, None, WEEKS)
    keep_demand(forecast_study_demand(start, WEEKS, REPLICATES))
