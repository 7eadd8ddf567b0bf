"""`rtsm forecast supply`: a plan that holds when it is played, files that can be played again, and what is refused."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import rtsm
from allocation.study.yaml_files import dump_document
from forecasting.supply_plan.beginning import from_scenario
from forecasting.supply_plan.playing import Trials
from simulation.production import Campaign, LotPlan
from simulation.scenario import Scenario, load_scenario
from tests.simulation.replicates.conftest import write_small_trial

pytestmark = pytest.mark.slow


def asked(*words: object) -> Result:
    return CliRunner().invoke(rtsm.app, ["forecast", "supply", *map(str, words), "--workers", "1"])


def supplied(folder: Path, there: int, begins: str) -> Path:
    """A trial of 3 sites and 8 subjects with so many kits at the beginning, and a run of each type that begins on that day."""
    file = write_small_trial(folder, min_buffer=1, max_buffer=3)
    scenario = load_scenario(file)
    lots = [
        {
            "code": f"L{kit_type}",
            "kit_type": kit_type,
            "manufactured_on": "2024-10-01",
            "expires_on": "2027-01-31",
            "arrivals": [{"depot": "DEP", "on": scenario.starts_on.isoformat(), "kits": max(there, 1)}],
        }
        for kit_type in ("KA", "KB")
    ]
    campaigns = [
        {
            "code": f"C{kit_type}",
            "kit_type": kit_type,
            "starts_on": begins,
            "lead_days": {"law": "uniform", "min_days": 5, "max_days": 15},
            "shelf_life_months": 24,
            "kits": 1,
            "shares": {"DEP": 1},
        }
        for kit_type in ("KA", "KB")
    ]
    changed = scenario.model_copy(
        update={
            "lots": tuple(LotPlan.model_validate_json(json.dumps(lot)) for lot in lots),
            "site_stock_at_start": "up_to_level" if there else "none",
            "campaigns": tuple(Campaign.model_validate_json(json.dumps(one)) for one in campaigns),
        }
    )
    file.write_text(dump_document(Scenario.model_validate(changed.model_dump())), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return supplied(tmp_path_factory.mktemp("supply"), 10, "2025-01-10")


@pytest.fixture(scope="module")
def planned(scenario: Path) -> tuple[Path, Path, dict[str, Any]]:
    """The scenario, the folder of the plan, and the plan."""
    out = scenario.parent / "plan"
    result = asked(scenario, "--replicates", 60, "--service-level", 0.9, "--out", out, "--plot", "--json")
    assert result.exit_code == 0, result.output
    return scenario, out, json.loads(result.stdout)


def test_a_plan_holds_in_trials_that_it_was_not_made_from(
    planned: tuple[Path, Path, dict[str, Any]],
) -> None:
    _, _, plan = planned
    verified = plan["service"]["verified"]
    assert verified["trials"] == 60
    assert verified["low"] <= 0.9 <= verified["high"] or verified["level"] >= 0.9
    assert plan["service"]["verdict"] in ("reached", "not told apart")
    assert plan["service"]["reached_in_search"]
    assert {row["run"] for row in plan["runs"]} == {"CKA", "CKB"}
    for row in plan["runs"]:
        assert row["kits_made"] == sum(row["by_depot"].values()) > 0
        assert row["begins_on"] < row["released_on"] <= row["released_by_95"] < row["last_shipped_on"]
        assert 0 < row["orders_met_until_then"] <= 1
    for row in plan["kit_types"]:
        assert row["there_or_coming"] == 10
        assert row["overage"] == pytest.approx((10 + row["made_usable"]) / row["dispensed_mean"] - 1)
    rules = {row["rule"]: row for row in plan["rules"]}
    assert rules["overage of 25%"]["kits_made"] < rules["overage of 100%"]["kits_made"]
    # Eight subjects in two arms with three visits each.
    assert rules["worst case"]["kits_made"] >= 0


def test_fewer_kits_than_planned_serve_less_often(planned: tuple[Path, Path, dict[str, Any]]) -> None:
    file, _, plan = planned
    begins, choices = from_scenario(file, None, None)
    trials = Trials.of(begins, 1, 0, 60, 1)
    kits = {row["run"]: row["kits_made"] for row in plan["runs"]}
    levels = [
        trials.played([run.made({"DEP": max(round(part * kits[run.code]), 1)}) for run in choices.runs]).share
        for part in (0.2, 0.6, 1.0)
    ]
    assert levels[0] < levels[1] <= levels[2]
    assert levels[2] == plan["service"]["searched"]["level"]


def test_the_files_can_be_read_and_played(planned: tuple[Path, Path, dict[str, Any]]) -> None:
    _, out, plan = planned
    assert {Path(file).name for file in plan["files"]} == {path.name for path in out.iterdir()}
    told = json.loads((out / "plan.json").read_text(encoding="utf-8"))
    assert told == {key: value for key, value in plan.items() if key != "files"}
    rows = list(csv.DictReader((out / "runs.csv").read_text(encoding="utf-8").splitlines()))
    assert {(row["run"], row["depot"], int(row["kits_made"])) for row in rows} == {
        (row["run"], depot, kits) for row in plan["runs"] for depot, kits in row["by_depot"].items()
    }
    played = load_scenario(out / "scenario.yaml")
    assert {one.code: one.kits_at() for one in played.campaigns} == {
        row["run"]: row["by_depot"] for row in plan["runs"]
    }
    assert (out / "stock.png").read_bytes().startswith(b"\x89PNG")
    assert "this plan" in (out / "rules.svg").read_text(encoding="utf-8")


def test_what_no_run_can_serve_is_said(tmp_path: Path) -> None:
    # The sites begin with all that is there, and no more is released before May.
    result = asked(supplied(tmp_path, 9, "2025-05-01"), "--replicates", 50, "--service-level", 0.9)
    assert result.exit_code == 0, result.output
    assert "NO PLAN REACHES 90.0%" in result.stdout
    assert "KA at DEP: orders wait in" in result.stdout


def test_sites_that_never_get_stock_are_no_reason_to_plan_nothing(tmp_path: Path) -> None:
    result = asked(supplied(tmp_path, 0, "2025-01-10"), "--replicates", 50, "--service-level", 0.9)
    assert result.exit_code == 1
    assert result.stderr.startswith("rtsm: SCENARIO: no kit of what may be made is dispensed")


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--service-level", 1), 1, "--service-level: 1 is no level of service"),
        (("--service-level", 0.99, "--replicates", 100), 1, "--replicates: 100 trials cannot tell"),
        (("--until", "2024-01-01"), 1, "--until: the plan would run from 2025-01-01 to 2024-01-01"),
        (("--at", "2025-01-01"), 2, "--study"),
        (("--plot",), 2, "--out"),
        (("--campaigns", "nothing.yaml"), 1, "cannot be read"),
    ],
)
def test_bad_words_are_refused_by_field(
    scenario: Path, words: tuple[object, ...], code: int, told: str
) -> None:
    result = asked(scenario, *words)
    assert result.exit_code == code
    assert told in result.stderr
    assert result.stdout == ""
    assert asked().stderr.startswith("rtsm: SCENARIO: ")
