"""A scenario is typed, checked against its protocol, and refused before anything is played when it is impossible."""

import re
from pathlib import Path

import pytest

from allocation.study.errors import Problem, ProtocolError
from allocation.study.yaml_files import load_protocol
from simulation.scenario import DayLaw, ScenarioError, load_scenario, load_scenario_and_protocol
from tests.conftest import REPOSITORY

STUDIES = REPOSITORY / "studies"
DEMO = (STUDIES / "demo-scenario.yaml").read_text(encoding="utf-8")


def problems_of(text: str, tmp_path: Path) -> list[Problem]:
    file = tmp_path / "scenario.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioError) as refused:
        load_scenario(file, load_protocol(STUDIES / "demo.yaml"))
    return list(refused.value.problems)


def test_the_demo_scenario_can_be_played_with_the_demo_protocol() -> None:
    scenario, protocol = load_scenario_and_protocol(STUDIES / "demo-scenario.yaml")
    assert scenario.starts_on == protocol.study.planned_start
    assert 540 <= scenario.duration_days <= 550
    assert set(scenario.drop_out.monthly_probability) == {arm.code for arm in protocol.arms}


def test_a_seasonality_of_the_demo_leaves_the_yearly_rate_as_it_is() -> None:
    factors = load_scenario(STUDIES / "demo-scenario.yaml").recruitment.month_factors
    assert sum(factors) / 12 == pytest.approx(0.99, abs=0.02)


@pytest.mark.parametrize(
    ("old", "new", "path", "value", "message"),
    [
        (
            "screened_per_site_month: 1.06",
            "screened_per_site_month: -1.06",
            "recruitment.screened_per_site_month",
            "-1.06",
            "not above 0",
        ),
        (
            "failure_probability: 0.25",
            "failure_probability: 25",
            "screening.failure_probability",
            "25",
            "above 1",
        ),
        ("gamma_shape: 2.5", "gamma_shape: 0", "recruitment.gamma_shape", "0", "not above 0"),
        (
            'PRIOR: {"NO": 0.57,',
            'PRIOR: {"NO": 0.67,',
            "population.strata.PRIOR",
            "(a mapping)",
            "sums to 1.1",
        ),
        (
            "{POL: 1.25,",
            "{POLAND: 1.25,",
            "recruitment.country_factors.POLAND",
            "POLAND",
            "not a three-letter code",
        ),
        (
            "{POL: 1.25,",
            "{SWE: 1.25,",
            "recruitment.country_factors.SWE",
            "SWE",
            "not a country of this protocol",
        ),
        (
            "{HIGH: 1.5,",
            "{HIGHER: 1.5,",
            "recruitment.profile_factors.HIGHER",
            "HIGHER",
            "not a site profile",
        ),
        ("IN03: 0.34", "IN33: 0.34", "screening.failed_criteria.IN33", "IN33", "not a criterion"),
        ("sex: {F: 0.48,", "sex: {W: 0.48,", "population.sex.W", "W", "SDTM codelist for sex"),
        (
            "SEVERITY: {MODERATE: 0.62,",
            "SEVERITY: {MILD: 0.62,",
            "population.strata.SEVERITY.MILD",
            "MILD",
            "not a level of factor SEVERITY",
        ),
        (
            "    SEVERITY: {MODERATE: 0.62, SEVERE: 0.38}\n",
            "",
            "population.strata",
            "SEVERITY",
            "without shares",
        ),
        (
            "monthly_probability: {ORT20: 0.009, ",
            "monthly_probability: {",
            "drop_out.monthly_probability",
            "ORT20",
            "an arm without",
        ),
        ("  visit: ET", "  visit: V3", "drop_out.visit", "V3", "not an optional visit"),
        ("- {until_day: 85,", "- {until_day: 400,", "drop_out.periods", "[400, 365]", "ascending"),
        (
            "shipping:\n",
            "shipping:\n  approval_days: {law: fixed, min_days: -1}\n",
            "shipping.approval_days.min_days",
            "-1",
            "before the order is made",
        ),
        (
            "duration_days: {law: gamma, mean_days: 14, shape: 6, min_days: 3",
            "duration_days: {law: gamma, mean_days: 14, shape: 6, min_days: -3",
            "screening.duration_days.min_days",
            "-3",
            "before a subject is screened",
        ),
        (
            "gamma, mean_days: 14, shape: 6,",
            "fixed, mean_days: 14,",
            "screening.duration_days",
            "(a mapping)",
            "a fixed law, which has no max_days and no mean_days",
        ),
        (
            "  pauses:\n",
            "  pauses:\n    - {site: DE01, country: FRA, first_day: 2025-03-01, last_day: 2025-03-09}\n",
            "recruitment.pauses[0].country",
            "FRA",
            "not the country of site DE01",
        ),
        (
            "shipping:\n",
            "shipping:\n  approval_days: {law: fixed, min_days: 2}\n",
            "shipping.approval_days",
            "fixed",
            "order_approval is none",
        ),
        (
            "dose_level: L3, up: 0, maintain: 0.88",
            "dose_level: L3, up: 0.2, maintain: 0.88",
            "titration[2]",
            "(a mapping)",
            "sums to 1.2",
        ),
        (
            "- {dose_level: L3, up",
            "- {dose_level: L2, up",
            "titration",
            "arm ORT20 at L3",
            "no probabilities",
        ),
        (
            "    - {days: {law: uniform, min_days: -1, max_days: 2}}\n",
            "",
            "shipping.lane_delays",
            "DEU",
            "a country without a delay",
        ),
        (
            "co2_kg_per_shipment: {EUD: 6.5",
            "co2_kg_per_shipment: {EUR: 6.5",
            "shipping.co2_kg_per_shipment.EUR",
            "EUR",
            "not a depot",
        ),
        (
            "duration_days: {law: gamma, mean_days: 14, shape: 6,",
            "duration_days: {law: gamma, mean_days: 14,",
            "screening.duration_days",
            "(a mapping)",
            "a gamma law without shape",
        ),
        (
            "min_days: 3, max_days: 28",
            "min_days: 30, max_days: 60",
            "screening.duration_days.min_days",
            "30",
            "max_days_to_randomization 28",
        ),
        (
            "last_day: 2025-08-24",
            "last_day: 2025-08-04",
            "recruitment.pauses[0]",
            "(a mapping)",
            "before it begins",
        ),
        ("1.1, 0.85]", "1.1]", "recruitment", "(a mapping)", "has 11 month_factors"),
        (
            "kit_type: K10\n    manufactured_on: 2024",
            "kit_type: K11\n    manufactured_on: 2024",
            "lots[0].kit_type",
            "K11",
            "not a kit type",
        ),
        (
            "expires_on: 2026-08-31",
            "expires_on: 2024-08-31",
            "lots[0].expires_on",
            "2024-08-31",
            "not after manufactured_on",
        ),
        (
            "expires_on: 2026-08-31",
            "expires_on: 2025-05-23",
            "lots[0].arrivals[0].on",
            "2025-01-02",
            "no site could ever get a kit",
        ),
        (
            "depot: EUD, on: 2025-01-02",
            "depot: EUX, on: 2025-01-02",
            "lots[0].arrivals[0].depot",
            "EUX",
            "not a depot",
        ),
        (
            "depot: EUD, on: 2025-01-02",
            "depot: EUD, on: 2024-01-02",
            "lots[0].arrivals[0].on",
            "2024-01-02",
            "before the lot is made",
        ),
        (
            "depot: EUD, on: 2025-01-02",
            "depot: EUD, on: 2025-03-02",
            "lots",
            "K10",
            "is not at depot EUD for DEU when its first site opens",
        ),
        ("seed: 20250106", f"seed: {2**64}", "seed", f"{2**64}", "above"),
        ("seed: 20250106", "sead: 20250106", "sead", "sead", "not a key here"),
    ],
)
def test_an_impossible_scenario_is_refused_with_path_line_value_and_reason(
    old: str, new: str, path: str, value: str, message: str, tmp_path: Path
) -> None:
    assert old in DEMO
    problems = problems_of(DEMO.replace(old, new, 1), tmp_path)
    found = [one for one in problems if (one.path, one.value) == (path, value) and message in one.message]
    assert len(found) == 1, [str(problem) for problem in problems]
    assert found[0].fix
    assert found[0].line > 1


def test_an_unknown_protocol_file_is_told_as_such(tmp_path: Path) -> None:
    file = tmp_path / "scenario.yaml"
    file.write_text(DEMO, encoding="utf-8")
    with pytest.raises(ProtocolError, match=re.escape("demo.yaml")):
        load_scenario(file)


def test_a_law_of_days_says_what_it_lacks() -> None:
    assert DayLaw(min_days=3).law == "fixed"
    with pytest.raises(ValueError, match="is a uniform law without max_days"):
        DayLaw(law="uniform")
    with pytest.raises(ValueError, match="max_days 2 below min_days 3"):
        DayLaw(law="uniform", min_days=3, max_days=2)
