"""Each finding of the blinding linter at its place, with its severity, source and fix; merged over places; none where all is well."""

from datetime import date
from typing import Any

import pytest

from allocation.study.doubts import warnings
from allocation.study.inconsistency import path_text
from allocation.study.lint_finding import LintFinding, Severity
from allocation.study.protocol import Protocol
from allocation.study.supply_checks import OpenedSite
from allocation.study.supply_lint import lint_protocol
from allocation.study.threshold_lint import longest_gap_days
from allocation.study.yaml_files import load_protocol
from tests.conftest import REPOSITORY
from tests.study.small_protocol import with_changes

SEEDED = {"supply.parameters[0].parameters.seed_quantity": 3}
STUDY_SET = "supply.parameters[0].parameters"

FINDINGS: list[tuple[str, dict[str, Any], str, str, str, str]] = [
    # what is wrong, the changes, code, severity, path, part of the message
    (
        "max - min below 2",
        {f"{STUDY_SET}.max_buffer": 3, "supply.parameters[2].parameters.min_buffer": 2},
        "buffer-gap",
        "error",
        f"{STUDY_SET}.max_buffer",
        "less than 2 above min_buffer 2",
    ),
    (
        "orders replace kits one for one",
        {
            f"{STUDY_SET}.max_buffer": 1,
            f"{STUDY_SET}.long_window": 14,
            f"{STUDY_SET}.short_window": 14,
            "supply.parameters[2].parameters.min_buffer": 1,
        },
        "one-for-one",
        "error",
        f"{STUDY_SET}.max_buffer",
        "each order replaces one dispensed kit",
    ),
    ("no thresholds", {"supply.parameters": []}, "no-thresholds", "error", "supply.parameters", "no kit is ever ordered"),
    (
        "single types may ship",
        {"supply.single_type_protection": False},
        "single-type-shipment",
        "warning",
        "supply.single_type_protection",
        "ties the next dispensings to one arm",
    ),
    (
        "single types ship",
        {"supply.single_type_protection": False, "supply.consolidation": "triggered_types_only"},
        "single-type-shipment",
        "error",
        "supply.single_type_protection",
        "ties the next dispensings to one arm",
    ),
    (
        "what triggered ships",
        {"supply.consolidation": "triggered_types_only"},
        "triggered-types-only",
        "warning",
        "supply.consolidation",
        "follow the arm",
    ),
    (
        "single kits may ship",
        {"supply.single_kit_protection": False},
        "single-kit-protection",
        "warning",
        "supply.single_kit_protection",
        "thresholds alone",
    ),
    (
        "single kits ship",
        {
            "supply.single_kit_protection": False,
            "supply.single_type_protection": False,
            f"{STUDY_SET}.trigger": "at",
            "supply.parameters[2].parameters": {"max_buffer": 2},
        },
        "single-kit-shipment",
        "error",
        "supply.parameters[2].parameters.max_buffer",
        "single_kit_protection is off",
    ),
    (
        "only one type of the group is ordered",
        {
            "supply.parameters[3]": {"level": "study", "kit_type": "K1", "parameters": {"paused": True}},
            "supply.parameters[4]": {"level": "study", "kit_type": "K2", "parameters": {"paused": True}},
        },
        "single-type-shipment",
        "error",
        "supply.parameters[3].parameters.paused",
        "leaves one kit type",
    ),
    (
        "one type is seeded",
        {
            "supply.single_type_protection": False,
            "supply.parameters[3]": {"level": "study", "kit_type": "K1", "parameters": {"seed_quantity": 0}},
            "supply.parameters[4]": {"level": "study", "kit_type": "K2", "parameters": {"seed_quantity": 0}},
        },
        "single-type-shipment",
        "error",
        f"{STUDY_SET}.seed_quantity",
        "seeds one kit type",
    ),
    ("nothing is seeded", {f"{STUDY_SET}.seed_quantity": 0}, "never-seeded", "error", f"{STUDY_SET}.seed_quantity", "no first shipment"),
    (
        "seeds below the trigger",
        {f"{STUDY_SET}.seed_quantity": 1},
        "seed-triggers",
        "warning",
        f"{STUDY_SET}.seed_quantity",
        "min_buffer 2 with trigger below",
    ),
    (
        "window shorter than lead time and weekly runs",
        {"supply.run_weekdays": [2]},
        "short-window",
        "warning",
        f"{STUDY_SET}.short_window",
        "",
    ),
    (
        "no prediction",
        {f"{STUDY_SET}.short_window": 0, "supply.parameters[1].parameters": {"long_window": 30}},
        "no-prediction",
        "note",
        f"{STUDY_SET}.short_window",
        "lead time of 3 days plus 3 days between runs",
    ),
    ("no runs", {"supply.run_weekdays": []}, "no-runs", "error", "supply.run_weekdays", "no resupply run"),
    (
        "runs after transactions only",
        {"supply.run_weekdays": [], "supply.on_event": True},
        "no-scheduled-run",
        "warning",
        "supply.run_weekdays",
        "order nothing by themselves",
    ),
    ("orders after dispensings", {"supply.on_event": True}, "order-after-dispensing", "note", "supply.on_event", "ties the two"),
    (
        "looks that differ",
        {"dispensing[2].kits[0].quantity": 2},
        "different-looks",
        "warning",
        "visits[2]",
        "shows the arm",
    ),
    ("blocks that differ", {"kit_types[2].block_size": 2}, "lookalikes-differ", "warning", "kit_types[2].block_size", "tell them apart"),
    (
        "kits that arrive too old",
        {"kit_types[0].expiry": {"dns_days": 52, "dnc_days": 50, "dnd_days": 40}},
        "arrives-uncounted",
        "warning",
        "kit_types[0].expiry.dns_days",
        "no longer counts",
    ),
]  # fmt: skip


def linted(changes: dict[str, Any], opened: tuple[OpenedSite, ...] = ()) -> list[LintFinding]:
    found = lint_protocol(Protocol.model_validate(with_changes({**SEEDED, **changes})), opened)
    assert all(one.fix and one.message for one in found)
    return found


def test_a_sound_protocol_has_no_finding() -> None:
    assert linted({}) == []


@pytest.mark.parametrize(
    ("changes", "code", "severity", "path", "message"),
    [row[1:] for row in FINDINGS],
    ids=[row[0] for row in FINDINGS],
)
def test_each_finding_has_its_code_severity_place_and_reason(
    changes: dict[str, Any], code: str, severity: str, path: str, message: str
) -> None:
    if code == "short-window":
        changes = {**changes, f"{STUDY_SET}.short_window": 9}
    found = [one for one in linted(changes) if (one.code, path_text(one.path)) == (code, path)]
    assert found
    assert {one.severity.value for one in found} == {severity}
    assert message in found[0].message


def test_the_same_finding_at_many_places_is_one_with_all_of_them_and_the_set_that_it_came_from() -> None:
    found = [one for one in linted({f"{STUDY_SET}.max_buffer": 2}) if one.code == "buffer-gap"]
    by_source = {(one.source, one.message[:40]): one for one in found}
    assert {one.source for one in found} == {"study"}
    assert len(by_source) == 2  # min_buffer 1 nearly everywhere, 2 at the big sites
    whole = next(one for one in found if "min_buffer 1" in one.message)
    assert whole.kit_types == ("K1", "K2", "KP")
    assert {"country DEU", "country USA", "site U1", "site U2"} <= set(whole.places)
    assert "site U2" not in whole.where_text.split("; ")[1] or len(whole.places) <= 4
    big = next(one for one in found if "min_buffer 2" in one.message)
    assert (big.kit_types, big.places[-1]) == (("K1",), "site G1")


def test_a_phase_is_looked_at_with_its_first_day() -> None:
    phase = {"level": "study", "parameters": {"max_buffer": 2, "valid_from": "2026-09-01"}}
    found = [one for one in linted({"supply.parameters[3]": phase}) if one.code == "buffer-gap"]
    assert {one.since for one in found} == {date(2026, 9, 1)}
    assert {one.source for one in found} == {"study, from 2026-09-01"}


def test_a_lane_of_its_own_counts_for_its_site_alone() -> None:
    found = [
        one
        for one in linted({"supply.parameters[1].parameters.short_window": 8})
        if one.code == "short-window"
    ]
    assert [one.places for one in found] == [("site U2",)]
    assert "lead time of 6 days plus 3 days" in found[0].message


def test_a_site_that_the_service_opened_is_looked_at_as_it_was_opened() -> None:
    opened = (
        OpenedSite("X9", "DEU", "D1", "BIG"),
        OpenedSite("F1", "FRA", "D1"),
    )
    found = linted({"supply.parameters[2].parameters.min_buffer": 3}, opened)
    places = {place for one in found if one.code == "buffer-gap" for place in one.places}
    assert "site X9" in places
    assert "site F1" not in places  # in a country that this version of the protocol does not have


def test_an_open_label_study_has_nothing_to_hide_but_is_told_of_what_stops_supply() -> None:
    changes = {
        "study.blinding": "open_label",
        f"{STUDY_SET}.max_buffer": 2,
        "supply.consolidation": "triggered_types_only",
    }
    assert linted({**changes, "supply.single_type_protection": False}) == []
    assert {one.code for one in linted({**changes, "supply.run_weekdays": []})} == {"no-runs"}


def test_validate_warns_of_buffers_by_the_same_findings() -> None:
    changes = {f"{STUDY_SET}.max_buffer": 2}
    protocol = Protocol.model_validate(with_changes({**SEEDED, **changes}))
    of_linter = {(one.path, one.value, one.fix) for one in lint_protocol(protocol)}
    of_validate = {(one.path, one.value, one.fix) for one in warnings(protocol)}
    assert of_validate == of_linter


@pytest.mark.parametrize(
    ("weekdays", "days"), [((0, 1, 2, 3, 4), 3), ((2,), 7), ((0, 3), 4), (tuple(range(7)), 1), ((), 0), ((6, 0), 6)]
)  # fmt: skip
def test_the_review_interval_is_the_longest_gap_between_runs(weekdays: tuple[int, ...], days: int) -> None:
    assert longest_gap_days(weekdays) == days


@pytest.mark.parametrize(
    "name",
    ["demo", "demo-amendment", "cdisc-pilot", "crossover", "cohort-escalation", "ratio-change", "ratio-change-v2", "forced-fr2"],
)  # fmt: skip
def test_the_example_studies_have_no_finding(name: str) -> None:
    assert lint_protocol(load_protocol(REPOSITORY / "studies" / f"{name}.yaml")) == []


def test_re_randomization_shows_its_open_label_arm_by_design_and_nothing_else() -> None:
    found = lint_protocol(load_protocol(REPOSITORY / "studies" / "re-randomization.yaml"))
    assert [(one.code, one.severity, path_text(one.path)) for one in found] == [
        ("different-looks", Severity.WARNING, "visits[3]"),
        ("different-looks", Severity.WARNING, "visits[4]"),
    ]
