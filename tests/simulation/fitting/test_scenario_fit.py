"""A scenario fitted to a trial that the real service recorded gives back what the trial was played with."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import rtsm
from allocation.access.actors import SYSTEM_ACTOR, Actor, Grant
from allocation.errors import NotFound, NotPermitted
from allocation.ledger.database import Database
from allocation.ledger.sealing import seal_pending
from simulation.fitting.errors import FitError
from simulation.fitting.fit_plot import write_fit_plot
from simulation.fitting.scenario_fit import ScenarioFit, fit_scenario, write_fit
from simulation.randomization.chart_file import PlotError
from simulation.scenario import Scenario, load_scenario
from tests.api.trial import STUDY
from tests.commands.desk import desk_at


@pytest.fixture(scope="module")
def fit(played: tuple[Database, Scenario, str]) -> ScenarioFit:
    database, _, _ = played
    return fit_scenario(database, SYSTEM_ACTOR, "ORT-301", seed=7)


def truths(scenario: Scenario) -> dict[str, float]:
    """The numbers that the trial was played with, by the paths of the estimates."""
    population, moves = scenario.population, {one.dose_level: one for one in scenario.titration}
    found: dict[str, float] = {
        "recruitment.gamma_shape": scenario.recruitment.gamma_shape or 0,
        "activation.delay_days.mean_days": scenario.activation.delay_days.mean_days or 0,
        "activation.delay_days.shape": scenario.activation.delay_days.shape or 0,
        "screening.duration_days.mean_days": scenario.screening.duration_days.mean_days or 0,
        "screening.duration_days.shape": scenario.screening.duration_days.shape or 0,
        "screening.failure_probability": scenario.screening.failure_probability,
        "population.age_mean_years": population.age_mean_years,
        "population.age_sd_years": population.age_sd_years,
        "population.sex.F": population.sex["F"],
        "visits.missed_probability": scenario.visits.missed_probability,
        "visits.late_probability": scenario.visits.late_probability,
        "drop_out.visit_probability": scenario.drop_out.visit_probability,
        "shipping.lost_probability": scenario.shipping.lost_probability,
        "shipping.damaged_probability": scenario.shipping.damaged_probability,
        "titration.L1.up": moves["L1"].up,
        "titration.L2.up": moves["L2"].up,
        "titration.L2.down": moves["L2"].down,
    }
    for factor, levels in population.strata.items():
        found |= {f"population.strata.{factor}.{level}": share for level, share in levels.items()}
    for reason, share in scenario.drop_out.reasons.items():
        found[f"drop_out.reasons.{reason}"] = share
    for code, share in scenario.screening.failed_criteria.items():
        found[f"screening.failed_criteria.{code}"] = share
    for arm, monthly in scenario.drop_out.monthly_probability.items():
        found[f"drop_out.monthly_probability.{arm}"] = monthly
    return found


@pytest.mark.slow
def test_fitting_a_played_trial_gives_back_its_assumptions(
    fit: ScenarioFit, played: tuple[Database, Scenario, str]
) -> None:
    rows = {one.path: one for one in fit.estimates}
    within, checked = 0, 0
    for path, truth in truths(played[1]).items():
        row = rows.get(path)
        if row is None or row.low is None or row.high is None:
            continue
        checked += 1
        within += row.low <= truth <= row.high
        middle = float(row.value)
        # Nobody is out of the doubled interval: it holds 99.99 % of a normal law.
        assert middle - 2.2 * (middle - row.low) <= truth, row
        assert truth <= middle + 2.2 * (row.high - middle), row
    assert checked >= 30
    assert within >= 0.85 * checked
    scenario = fit.scenario
    assert scenario.shipping.dispatch_days == played[1].shipping.dispatch_days
    late = scenario.visits.late_days
    assert (late.law, late.min_days >= 1, (late.max_days or 0) <= 6) == ("uniform", True, True)
    assert scenario.recruitment.pauses == ()
    assert (scenario.visits.weekdays_only, scenario.shipping.weekday_receipt) == (True, True)
    assert (scenario.recruitment.weekdays_only, scenario.recruitment.monthly_decay) == (True, 0)
    assert rows["visits.day_law"].value == "triangular"
    mean = scenario.recruitment.screened_per_site_month
    sites = fit.observed.sites.values()
    typical = sum(
        played[1].recruitment.country_factors.get(site.country, 1)
        * played[1].recruitment.profile_factors.get(site.profile, 1)
        for site in sites
    )
    fitted = sum(
        mean
        * scenario.recruitment.country_factors[site.country]
        * scenario.recruitment.profile_factors.get(site.profile, 1)
        for site in sites
    )
    # 40 sites with a coefficient of variation of 0.63 have their mean within 30 %.
    assert fitted / typical == pytest.approx(3.2, rel=0.3)


@pytest.mark.slow
def test_the_lanes_and_lots_are_those_of_the_trial(
    fit: ScenarioFit, played: tuple[Database, Scenario, str]
) -> None:
    every_other = fit.scenario.shipping.lane_delays[0]
    assert every_other.country is None
    assert (every_other.days.min_days, every_other.days.max_days) in {(-1, 2), (-1, 3)}
    started = {lot.code: lot for lot in played[1].lots}
    for lot in fit.scenario.lots:
        original = started[lot.code]
        assert (lot.kit_type, lot.expires_on, lot.manufactured_on) == (
            original.kit_type,
            original.expires_on,
            original.manufactured_on,
        )
        assert {one.depot: one.kits for one in lot.arrivals} == {
            one.depot: one.kits for one in original.arrivals
        }


@pytest.mark.slow
def test_the_written_scenario_loads_and_is_shown(
    fit: ScenarioFit, played: tuple[Database, Scenario, str], tmp_path: Path
) -> None:
    file, plot = tmp_path / "fitted.yaml", tmp_path / "fit.svg"
    asked = ["scenario", "fit", "ORT-301", "--json", "--seed", "7", "--out", str(file), "--plot", str(plot)]
    result = CliRunner().invoke(rtsm.app, [*asked, "--db", played[2]])
    assert result.exit_code == 0, result.output
    assert load_scenario(file).recruitment == fit.scenario.recruitment
    assert (load_scenario(file).seed, load_scenario(file).protocol) == (7, "fitted-protocol.yaml")
    assert "Recruitment" in plot.read_text()
    with pytest.raises(PlotError):
        write_fit_plot(fit, tmp_path / "fit.pdf")
    with pytest.raises(FitError, match="cannot be written"):
        write_fit(fit, tmp_path / "nowhere" / "fitted.yaml")
    answer = json.loads(result.stdout)
    assert answer["fitted_on"]["screened"] == len(fit.observed.subjects)
    assert answer["files"]["protocol"] == str(tmp_path / "fitted-protocol.yaml")
    assert {one["basis"] for one in answer["estimates"]} >= {
        "fitted",
        "few data",
        "recorded",
        "not in a ledger",
    }
    assert Scenario.model_validate(answer["scenario"]).drop_out == fit.scenario.drop_out


def test_only_the_unblinded_may_fit_and_an_unknown_study_or_one_without_subjects_is_refused(
    database_url: str,
) -> None:
    with desk_at(database_url) as desk:
        desk.set_up_without_list()
        seal_pending(desk.database)
        with pytest.raises(NotFound):
            fit_scenario(desk.database, SYSTEM_ACTOR, "NONE")
        for role in ("supply_manager_blinded", "project_manager", "site_pharmacist_unblinded"):
            reader = Actor("reader", "A reader", (Grant(role),))
            with pytest.raises(NotPermitted):
                fit_scenario(desk.database, reader, STUDY)
        for role in ("supply_manager_unblinded", "unblinded_statistician", "auditor"):
            reader = Actor("reader", "A reader", (Grant(role),))
            with pytest.raises(FitError, match="nobody was screened"):
                fit_scenario(desk.database, reader, STUDY)
        desk.screened()
        desk.eligible()
        seal_pending(desk.database)
        fit = fit_scenario(desk.database, SYSTEM_ACTOR, STUDY)
        rows = {one.path: one for one in fit.estimates}
        assert fit.recruitment.closed_on is None
        assert rows["screening.failure_probability"].basis == "few data"
        assert rows["visits.missed_probability"].basis == "prior"
        assert rows["visits.missed_probability"].value == pytest.approx(0.03)
        assert rows["visits.late_days"].note.startswith("no observation: left at the default")
