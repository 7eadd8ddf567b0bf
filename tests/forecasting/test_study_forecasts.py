"""A running study is forecast at a past day, by what was known then; the forecasts are kept and scored by what its ledger has since."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

import rtsm
from allocation.access.actors import SYSTEM_ACTOR, Actor, Grant
from allocation.errors import NotPermitted
from allocation.ledger.database import Database
from allocation.ledger.reader import SealedEntry, sealed_entries
from forecasting.calibration.kept import kept
from forecasting.demand import study_start as beginnings
from forecasting.demand.assumption_draws import drawn_scenarios
from forecasting.demand.errors import BadRequest
from forecasting.demand.study_demand import forecast_study_demand
from forecasting.demand.study_start import study_start
from forecasting.demand.trace_demand import CORRELATED, NEW
from simulation.fitting.scenario_fit import ScenarioFit
from tests.conftest import REPOSITORY
from tests.forecasting.running_study import BEGINS, CENSUS, STUDY

Running = tuple[Database, str]
WEEKS = 3
DRAWS = 5

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draws of assumptions: a plan is made of each, which takes most of the time of a small forecast."""
    monkeypatch.setattr(beginnings, "DRAWS", DRAWS)


def asked(*words: object) -> Any:
    return CliRunner().invoke(rtsm.app, ["forecast", *map(str, words)])


def told(*words: object) -> dict[str, Any]:
    result = asked(*words, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def since(database: Database, first: date, to: date) -> list[SealedEntry]:
    entries = sealed_entries(database, STUDY)
    return [one for one in entries if first <= one.recorded_at.date() < to]


def test_forecasts_of_a_past_day_are_scored_by_what_came(running: Running, tmp_path: Path) -> None:
    database, url = running
    begins_on, ends_on = CENSUS + timedelta(days=1), CENSUS + timedelta(days=1 + 7 * WEEKS)
    study = ("--study", STUDY, "--at", CENSUS, "--db", url)
    words = ("demand", *study, "--weeks", WEEKS, "--replicates", 100)
    files = ("--out", tmp_path / "out", "--plot", tmp_path / "demand.svg")
    demand = told(*words, *files)
    recruitment = told("recruitment", *study, "--periods", WEEKS)
    position = len([one for one in sealed_entries(database, STUDY) if one.recorded_at.date() <= CENSUS])
    assert demand["ledger_position"] == position
    assert demand["begins_on"] == begins_on.isoformat()
    assert demand["calibration"]["groups"] == []

    # What is told is of one draw: the parts are the whole, places are the study, weeks are the horizon.
    mean = {name: values["mean"] for name, values in demand["kits"].items()}
    assert sum(demand["parts"][part]["all"]["mean"] for part in demand["parts"]) == pytest.approx(
        mean["all"], abs=0.01
    )
    for scope in ("depots", "countries", "sites"):
        assert sum(one["all"]["mean"] for one in demand[scope].values()) == pytest.approx(
            mean["all"], abs=0.1
        )
    by_week = [week["kits"]["all"]["mean"] for week in demand["by_week"]]
    assert sum(by_week) == pytest.approx(mean["all"], abs=0.01)
    assert demand["not_met"]["all"]["mean"] > 0
    frame = pl.read_parquet(tmp_path / "out" / "demand.parquet")
    whole = frame.filter(cumulative=True, scope="study", measure="kits", part="all", kit_type="K20")
    assert whole["mean"].to_list()[-1] == pytest.approx(mean["K20"], abs=0.001)
    assert whole["until"].to_list() == [CENSUS + timedelta(days=7 * week) for week in (1, 2, 3)]
    assert "dispensed since" in (tmp_path / "demand.svg").read_text(encoding="utf-8")

    card = told("scorecard", "--study", STUDY, "--db", url)
    groups = {(one["measure"], one["scope"]): one for one in card["groups"]}
    assert (card["forecasts"], card["waiting"], card["of_another_ledger"]) == (2, 0, 0)
    # The facts of the last window, counted here from the ledger itself.
    later = since(database, begins_on, ends_on)
    commands = Counter(one.command for one in later)
    rows = kept(STUDY).filter(pl.col("to_date") == ends_on, pl.col("from_date") == begins_on)
    assert recruitment["count"]["mean"] == rows.filter(measure="randomized")["mean"].item()
    dispensed = sum(len(one.after["kits"]) for one in later if one.command == "dispense")
    assert commands["randomize"] > 5
    assert dispensed > 20
    of_all = rows.filter(measure="kits_dispensed", scope="study", kit_type="").row(0, named=True)
    assert of_all["quantiles"][4] <= dispensed <= of_all["quantiles"][94]
    unserved = sum(
        one.command == "record_visit" and one.after["visit"]["visit_code"] not in ("V1", "V3", "V11", "V12")
        for one in later
    )
    risks = groups["stock_outs", "study"]
    assert unserved > 0
    assert risks["happened"] > 0
    assert 0 < risks["brier"] < 0.5
    assert groups["kits_dispensed", "site"]["numbers"] == 6 * 5
    assert 0.6 <= groups["kits_dispensed", "study"]["coverage"][2]["share"] <= 1

    shown = asked("scorecard", "--study", STUDY, "--db", url, "--plot", tmp_path / "card.svg")
    assert shown.exit_code == 0, shown.output
    assert "Kits dispensed by study: 90 % intervals held" in shown.stdout
    assert "PIT" in (tmp_path / "card.svg").read_text(encoding="utf-8")
    # A forecast of a later day is told with how the earlier one did until then.
    again = asked("recruitment", "--study", STUDY, "--db", url, "--periods", 1)
    assert again.exit_code == 0, again.output
    assert "Earlier forecasts of subjects randomized: 90 % intervals held" in again.stdout
    assert "kits" not in again.stdout


def test_what_is_known_of_a_demand_follows_from_the_protocol(running: Running) -> None:
    database, _ = running
    start = study_start(database, SYSTEM_ACTOR, STUDY, CENSUS, None, WEEKS)
    assert start.fit is not None
    assert start.fit.observed.as_of <= CENSUS
    assert start.fit.observed.entries == start.census.position
    assert "prior" in {basis for path, basis, _ in start.weak if path.startswith("titration")}
    assert len(start.plans) == DRAWS
    found = forecast_study_demand(start, WEEKS, 100)
    _check_draws(start.fit)
    types = dict(zip(found.kit_types, range(9), strict=False))
    correlated = found.draws("study", 0, WEEKS, CORRELATED)[:, 0].sum(axis=0)
    new = found.draws("study", 0, WEEKS, NEW)[:, 0].sum(axis=0)
    # Placebo is the same at any dose; 40 mg comes eight weeks after randomization at the earliest, and then by titration alone.
    assert correlated[types["KPB"]] == 0
    assert correlated[types["K20"]] > 0
    assert new[types["K40"]] == 0
    assert new[types["KPB"]] > 0
    with pytest.raises(BadRequest) as refused:
        study_start(database, SYSTEM_ACTOR, STUDY, BEGINS + timedelta(days=1), None, WEEKS)
    assert refused.value.field == "--scenario"
    blinded = Actor("b", "B", (Grant("supply_manager_blinded"),))
    with pytest.raises(NotPermitted):
        study_start(database, blinded, STUDY, CENSUS, None, WEEKS)


def _check_draws(fit: ScenarioFit) -> None:
    """Draws of assumptions are around the fitted ones, closer the more was seen, and the same for a seed."""
    drawn = drawn_scenarios(fit, 400, 7)
    assert drawn[:3] == drawn_scenarios(fit, 3, 7)
    rates = np.array([one.recruitment.screened_per_site_month for one in drawn])
    shape, fitted = fit.scenario.recruitment.gamma_shape, fit.scenario.recruitment.screened_per_site_month
    error = 1 / len(fit.observed.subjects) + (0 if shape is None else 1 / (shape * len(fit.observed.sites)))
    assert rates.mean() == pytest.approx(fitted, rel=4 * (error / 400) ** 0.5)
    assert rates.std() / fitted == pytest.approx(error**0.5, rel=0.2)
    failing = np.array([one.screening.failure_probability for one in drawn])
    assert failing.mean() == pytest.approx(fit.scenario.screening.failure_probability, abs=0.02)
    assert 0.02 < failing.std() < 0.1
    # Nobody has been titrated at the highest level: it is not known at all what will be asked for there.
    highest = np.array(
        [(one.titration[-1].up, one.titration[-1].maintain, one.titration[-1].down) for one in drawn]
    )
    assert highest.sum(axis=1) == pytest.approx(np.ones(400))
    assert highest.mean(axis=0) == pytest.approx(np.full(3, 1 / 3), abs=0.1)
    assert highest.std(axis=0).min() > 0.25


@pytest.mark.parametrize(
    ("words", "field"),
    [
        (("demand",), "--study"),
        (("demand", "--study", STUDY, "--interim", "x"), "--study"),
        (("demand", "--study", STUDY, "--until", "2025-03-01"), "--until"),
        (("demand", "--study", STUDY, "--backtest"), "--backtest"),
        (("demand", "--interim", "x", "--weeks", 4), "--weeks"),
        (("demand", "--interim", "x"), "--until"),
        (("demand", "--study", STUDY, "--weeks", 0), "--weeks"),
        (("demand", "--study", STUDY, "--replicates", 5), "--replicates"),
        (("demand", "--study", STUDY, "--plot", "x.pdf"), "--plot"),
        (
            (
                "demand",
                "--study",
                STUDY,
                "--scenario",
                REPOSITORY / "studies" / "rtsm-bench-100-scenario.yaml",
            ),
            "--scenario",
        ),
        (("demand", "--study", STUDY, "--at", "2020-01-01"), "--at"),
        (("demand", "--study", STUDY, "--at", "2999-01-01"), "--at"),
        (("demand", "--study", STUDY, "--json", "nowhere/x.json"), "--json"),
        (("recruitment", "--study", STUDY, "--at", "2020-01-01"), "--at"),
        (("recruitment", "--study", STUDY, "--at", "2025-02-01", "--census", 2), "--at"),
        (("recruitment", "--at", "2025-02-01", "x.csv"), "--at"),
        (("scorecard", "--study", "NONE"), "--study"),
        (("scorecard", "--study", STUDY, "--plot", "x.svg"), "--plot"),
    ],
)
def test_bad_words_are_refused_by_field(running: Running, words: tuple[object, ...], field: str) -> None:
    result = asked(*words, "--db", running[1])
    assert result.exit_code == 1
    assert result.stderr.startswith(f"rtsm: {field}: ")
    assert result.stdout == ""
