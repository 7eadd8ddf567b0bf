"""`rtsm forecast supply --study`: a plan from what the ledger of a running study has (it stands here for the study that is played once)."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import rtsm
from allocation.access.actors import Actor, Grant
from allocation.errors import NotPermitted
from allocation.ledger.database import Database
from forecasting.supply_plan import beginning
from simulation.scenario import Scenario
from tests.simulation.test_twin import SCENARIO

Played = tuple[Database, Scenario, str]
STUDY = "ORT-301"

pytestmark = pytest.mark.slow


def asked(url: str, *words: object) -> Result:
    quick = ("--replicates", "25", "--service-level", "0.8", "--workers", "1", "--db", url)
    return CliRunner().invoke(rtsm.app, ["forecast", "supply", *map(str, words), *quick])


@pytest.fixture(scope="module")
def campaigns(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of 20 mg every 30 days from the study's beginning on, of which those after the state's day are still to begin."""
    campaign = {
        "code": "P20",
        "kit_type": "K20",
        "starts_on": "2025-01-15",
        "every_days": 30,
        "until": "2025-05-15",
        "lead_days": {"min_days": 20},
        "shelf_life_months": 24,
        "depots": ["EUD", "USD", "APD"],
        "multiple_of": 10,
    }
    file = tmp_path_factory.mktemp("campaigns") / "campaigns.yaml"
    file.write_text(json.dumps({"name": "Runs of 20 mg", "campaigns": [campaign]}), encoding="utf-8")
    return file


def test_a_plan_goes_on_from_what_a_study_has(played: Played, campaigns: Path) -> None:
    url = played[2]
    words = ("--study", STUDY, "--at", "2025-03-19", "--until", "2025-06-30", "--campaigns", campaigns)
    result = asked(url, SCENARIO, *words, "--json")
    assert result.exit_code == 0, result.output
    plan: dict[str, Any] = json.loads(result.stdout)
    assert (plan["study"], plan["from"], plan["until"]) == (STUDY, "2025-03-20", "2025-06-30")
    assert plan["live_start"]["days"] == 103
    assert plan["ledger_position"] == plan["live_start"]["position"] > 0
    assert "P20-1, P20-2, P20-3" in plan["notes"][0]
    assert {row["run"] for row in plan["runs"]} <= {"P20-4", "P20-5"}
    (of_type,) = plan["kit_types"]
    assert 0 < of_type["there_or_coming"] < plan["live_start"]["kits_at_depots"] + 10_000
    # What subjects have been given before counts in the trial's outcomes, and is not asked for again.
    assert of_type["dispensed_mean"] < plan["service"]["verified"]["kits_dispensed"]


def test_without_a_scenario_the_assumptions_are_fitted(
    played: Played, campaigns: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = played[2]
    monkeypatch.setenv("RTSM_DATABASE_URL", url)
    result = asked(url, "--study", STUDY, "--campaigns", campaigns)
    assert result.exit_code == 1
    assert result.stderr.startswith("rtsm: --until: nothing says how long ORT-301 is to be supplied")
    begins, choices = beginning.from_study(STUDY, None, campaigns, None, date(2025, 7, 15), None, 1)
    assert begins.source == begins.scenario.name == f"{STUDY} as fitted on {begins.live.state.at}"
    assert begins.until == date(2025, 7, 15)
    assert [run.begins > begins.live.state.at for run in choices.runs] == [True, True]
    stock = begins.trial().plan.present.depot_stock
    assert stock.sum() == begins.live.as_json()["kits_at_depots"] > 0
    assert begins.unlimited().plan.lots.arrival_kits.max() == 1_000_000


def test_only_who_may_see_kit_types_may_plan(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    blinded = Actor("planner", "A planner", (Grant("supply_manager_blinded"),))
    monkeypatch.setattr(beginning, "acting", lambda *_: blinded)
    monkeypatch.setenv("RTSM_DATABASE_URL", played[2])
    with pytest.raises(NotPermitted):
        beginning.from_study(STUDY, SCENARIO, None, None, None, "planner", 1)
