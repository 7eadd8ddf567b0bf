"""A tuning from end to end on a tiny trial: the optimum of brute force, its certificate and report; going on after a cut; the command."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result

import rtsm
from forecasting.tuning.baseline import baseline_of
from forecasting.tuning.cli import INFEASIBLE
from forecasting.tuning.errors import BadTuning, OtherTuning
from forecasting.tuning.evaluations import CERTIFICATION, EVALUATED, Evaluations, LimitReached
from forecasting.tuning.families import family_of
from forecasting.tuning.grid import parse_grid
from forecasting.tuning.objective import Objective, ObjectiveName
from forecasting.tuning.report import report_of, write_report
from forecasting.tuning.risk import parse_risk
from forecasting.tuning.screening import screening_of
from forecasting.tuning.trial import Trial
from forecasting.tuning.tuning import Asked, Tuned, tune
from simulation.engines.outcomes import Batch
from simulation.replicates.run import Part, play_part
from tests.forecasting.tuning.small_tuning import small_trial
from tests.simulation.replicates.conftest import write_small_trial

GRID = parse_grid(["min_buffer=0:4", "max_above_min=1:4"])
RISK = "any_missed<=0.3"
LIMIT = 12_000


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    return small_trial(tmp_path_factory.mktemp("tune"))


def asked(trial: Trial, risk: str = RISK, **more: object) -> Asked:
    baseline = baseline_of(trial, "enough for 2 subjects")
    return Asked(parse_risk(risk), Objective(ObjectiveName.COST, "EUR"), GRID, baseline=baseline, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def tuned(trial: Trial) -> Tuned:
    return tune(Evaluations(trial, None, LIMIT), asked(trial))


def test_the_choice_is_the_optimum_of_brute_force_for_a_fraction_of_it(trial: Trial, tuned: Tuned) -> None:
    every = Evaluations(trial, None, 10**6)
    judge = tuned.judge.__class__(every, tuned.judge.risk, tuned.judge.objective)
    family = family_of(trial, screening_of(trial), judge.risk, GRID, ())
    points = [one for line in family.lines for one in line.candidates]
    every.evaluate([(one, 1_500) for one in points])
    best = judge.best(points)
    assert best is not None
    assert judge.value(tuned.choice) <= judge.value(best) * 1.001
    assert judge.meets(tuned.choice)
    assert len(tuned.evaluated) < len(points)
    assert tuned.judge.evaluations.used < every.used
    assert tuned.feasible
    assert tuned.certificate.upper_bound <= 0.3


def test_the_certificate_rests_on_fresh_replicates_and_the_report_says_all(
    trial: Trial, tuned: Tuned, tmp_path: Path
) -> None:
    written = write_report(tuned, tmp_path)
    report = json.loads(written.path.read_text(encoding="utf-8"))
    assert hashlib.sha256(written.path.read_bytes()).hexdigest() == written.sha256
    assert report["kind"] == "threshold-tuning"
    assert report["study"] == "RTSM-BENCH-100"
    scenario = next(file for file in written.files if file.suffix == ".json").read_bytes()
    assert hashlib.sha256(scenario).hexdigest() == report["scenario_hash"]
    assert report["ledger_position"] is None
    certificate = report["certificate"]
    assert certificate["first_replicate"] == CERTIFICATION
    assert report["choice"]["replicates"] == certificate["replicates"]
    assert report["choice"]["risk"]["estimate"] == certificate["estimate"] <= certificate["upper_bound"]
    assert report["choice"]["parameters"][0]["min_buffer"] < report["choice"]["parameters"][0]["max_buffer"]
    assert report["replicates_used"] == tuned.judge.evaluations.used <= LIMIT
    pair = report["against_baseline"]["cost"]
    assert pair["low"] <= pair["difference"] <= pair["high"]
    assert pair["difference"] == pytest.approx(
        report["choice"]["means"]["cost"] - report["baseline"]["means"]["cost"]
    )
    risks = [row["risk"]["estimate"] for row in report["pareto"]]
    costs = [row["objective"] for row in report["pareto"]]
    assert risks == sorted(risks, reverse=True)
    assert costs == sorted(costs)
    points = pl.read_parquet(written.files[0])
    assert points.height == report["points"]
    assert points["on_pareto_front"].sum() == len(report["pareto"])


def test_a_tuning_that_was_cut_off_goes_on_and_writes_the_same_bytes(
    trial: Trial, tuned: Tuned, tmp_path: Path
) -> None:
    left = [7]

    def play(part: Part) -> Batch:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return play_part(part)

    with pytest.raises(KeyboardInterrupt):
        tune(Evaluations(trial, tmp_path / "cut", LIMIT, play=play), asked(trial))
    assert len(list((tmp_path / "cut" / EVALUATED).glob("*.parquet"))) == 7
    again = tune(Evaluations(trial, tmp_path / "cut", LIMIT, workers=2), asked(trial))
    assert again.judge.evaluations.restored == 7 * 250
    (tmp_path / "whole").mkdir()
    unbroken = write_report(tuned, tmp_path / "whole")
    resumed = write_report(again, tmp_path / "cut")
    assert resumed.path.read_bytes() == unbroken.path.read_bytes()


def test_a_risk_that_nothing_meets_gives_what_comes_nearest_and_says_so(trial: Trial) -> None:
    low = parse_grid(["min_buffer=0:1", "max_above_min=1:2"])
    found = tune(Evaluations(trial, None, LIMIT), replace(asked(trial, "missed_share<=0.001"), grid=low))
    assert not found.feasible
    assert "comes nearest" in found.why
    assert found.choice.label == "(1, 3)"
    assert found.certificate.upper_bound > found.certificate.estimate > 0.001
    assert report_of(found)["feasible"] is False


def test_too_few_replicates_are_refused_and_another_trial_is_not_mixed_in(
    trial: Trial, tmp_path: Path
) -> None:
    with pytest.raises(BadTuning, match="do not suffice"):
        tune(Evaluations(trial, None, 600), asked(trial))
    Evaluations(trial, tmp_path, LIMIT)
    other = Trial(trial.run.__class__(**{**trial.run.__dict__, "seed": 4}))
    with pytest.raises(OtherTuning, match="other seed"):
        Evaluations(other, tmp_path, LIMIT)
    with pytest.raises(LimitReached):
        Evaluations(trial, None, 100).evaluate([(baseline_of(trial, "protocol"), 250)])


def run(*arguments: object) -> Result:
    return CliRunner().invoke(rtsm.app, ["tune", *map(str, arguments)])


def test_the_command_shows_writes_and_draws(tmp_path: Path) -> None:
    scenario = write_small_trial(tmp_path / "trial")
    options = (
        "--grid",
        "min_buffer=0:4 max_above_min=1:4",
        "--replicates-limit",
        8_000,
        "--out",
        tmp_path / "out",
    )
    result = run(scenario, "--risk", RISK, *options, "--baseline", "enough for 3 subjects", "--plots")
    assert result.exit_code == 0, result.output
    for text in (
        "choice",
        "baseline",
        "rival",
        "is certified",
        "Against enough for 3 subjects",
        "sha256 of the report",
    ):
        assert text in result.stdout
    (report,) = (file for file in (tmp_path / "out").glob("tune-*.json") if "scenario" not in file.name)
    assert hashlib.sha256(report.read_bytes()).hexdigest() in result.stdout
    pictures = sorted(file.name.split("-")[-1] for file in (tmp_path / "out").glob("*.png"))
    assert pictures == ["pareto.png", "surface.png"]
    again = run(scenario, "--risk", RISK, *options, "--baseline", "enough for 3 subjects", "--json")
    told = json.loads(again.stdout)
    assert told["sha256"] == hashlib.sha256(report.read_bytes()).hexdigest()
    low = ("--grid", "min_buffer=0:1 max_above_min=1", *options[2:])
    none = run(scenario, "--risk", "missed_share<=0.001", *low, "--baseline", "none")
    assert none.exit_code == INFEASIBLE
    assert "comes nearest" in none.stdout
    wrong = run(scenario, "--risk", "lost<=3", *options)
    assert wrong.exit_code == 1
    assert "--risk: there is no measure lost" in wrong.stderr
