"""A tune report is judged by its models and kept as it was written; what is wrong with it is named with its place."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from allocation.commands.malformed import request_from
from allocation.commands.supply_proposals import FileSupplyProposalRequest
from allocation.errors import DomainRefusal
from allocation.study.tuning_report import DEEPEST, TuningReport
from tests.commands.proposal_people import SCENARIO, tune_report

GOOD = tune_report(1, "a" * 64)


def test_a_report_is_kept_as_it_was_written_with_all_that_the_models_do_not_know() -> None:
    report = {**GOOD, "told": "more", "choice": {**GOOD["choice"], "histogram": [1, 2.50, None, {"a": "é"}]}}
    request = request_from(FileSupplyProposalRequest, report=report, scenario=SCENARIO)
    assert request.report == report
    assert json.loads(request.model_dump_json())["report"] == report
    assert json.dumps(request.report) == json.dumps(report)


def test_a_choice_is_certified_when_the_upper_bound_is_within_the_limit_too() -> None:
    certificate = GOOD["certificate"]
    for bound, feasible, certified in ((0.01, True, True), (0.011, True, False), (0.01, False, False)):
        changed = {**GOOD, "feasible": feasible, "certificate": {**certificate, "upper_bound": bound}}
        assert TuningReport.model_validate(changed).certified is certified


def test_a_scenario_that_json_cannot_write_or_no_database_can_hold_is_refused_with_the_place() -> None:
    for scenario, says in (
        ({**SCENARIO, "seed": float("inf")}, "at seed, inf is not a number"),
        ({"a": [{"b": "x\x00"}]}, "at a[0].b, holds the control character U+0000"),
        ({"a": deep()}, "lies deeper than 40 levels"),
        ({"a": {1, 2}}, "at a, is a set"),
    ):
        with pytest.raises(DomainRefusal) as caught:
            request_from(FileSupplyProposalRequest, report=GOOD, scenario=scenario)
        assert caught.value.field == "scenario"
        assert says in caught.value.message


def put(*path: Any) -> Callable[[dict[str, Any]], None]:
    """Set the last of `path` at the place that the others name."""
    *steps, last, value = path

    def change(report: dict[str, Any]) -> None:
        at: Any = report
        for step in steps:
            at = at[step]
        at[last] = value

    return change


def test_a_risk_of_zero_that_comes_out_of_a_difference_as_a_little_less_is_no_fault() -> None:
    report = copy.deepcopy(GOOD)
    report["choice"]["risk"] = {"estimate": -1.7e-18, "low": 0.0, "high": 0.0003}
    assert TuningReport.model_validate(report).choice.risk is not None


def deep() -> Any:
    value: Any = 1
    for _ in range(DEEPEST + 1):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        (put("kind", "demand"), "report.kind", "not a value"),
        (lambda report: report.pop("choice"), "report.choice", "is missing"),
        (lambda report: report.pop("certificate"), "report.certificate", "is missing"),
        (put("protocol_hash", "abc"), "report.protocol_hash", "is not a SHA-256"),
        (put("scenario_hash", "G" * 64), "report.scenario_hash", "is not a SHA-256"),
        (put("risk", "at_most", 1.5), "report.risk.at_most", "above 1"),
        (put("seed", -1), "report.seed", "below 0"),
        (put("choice", "parameters", []), "report", "no parameters in its choice"),
        (put("choice", "parameters", 0, "min_buffer", "two"), "report.choice.parameters[0].min_buffer", ""),
        (put("choice", "parameters", 0, "minimum", 2), "report.choice.parameters[0].minimum", "not a field"),
        (put("choice", "parameters", 1, "paused", True), "report.choice.parameters[1]", "sets paused"),
        (put("choice", "risk", {"estimate": 0.5, "low": 0, "high": 0.1}), "report.choice.risk", "outside"),
        (put("choice", "standard_errors", "cost", -1), "report.choice.standard_errors.cost", "below 0"),
        (put("pareto", 0, "cost", float("nan")), "report", "pareto[0].cost, nan is not a number"),
        (put("certificate", "events", 1001), "report.certificate", "1001 events in 1000 replicates"),
        (put("fit", {"note": "a\x00b"}), "report", "at fit.note, holds the control character"),
        (put("fit", deep()), "report", "lies deeper"),
        (
            put("against_baseline", {"cost": {"difference": 1.0, "low": 0.0}}),
            "report",
            "low and high of cost",
        ),
        (put("objective", {}), "report.objective.name", "is missing"),
    ],
)
def test_what_is_wrong_with_a_report_is_named_with_its_place(
    change: Callable[[dict[str, Any]], Any], field: str, says: str
) -> None:
    report = copy.deepcopy(GOOD)
    change(report)
    with pytest.raises(DomainRefusal) as caught:
        request_from(FileSupplyProposalRequest, report=report, scenario=SCENARIO)
    assert (caught.value.code, caught.value.field) == ("invalid-request", field)
    assert says in caught.value.message
    assert caught.value.fix
