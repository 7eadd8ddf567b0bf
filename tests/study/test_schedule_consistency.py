"""Contradictions in the schedule (visits, titration, dispensing, exposure) are refused with path, line, value and fix."""

from typing import Any

import pytest

from tests.study.small_protocol import REMOVE, assert_refused

BROKEN: list[tuple[str, dict[str, Any], str, str, str]] = [
    # what is broken, the changes to the small protocol, path of the problem, its value, part of the fix
    ("screening at an unknown visit", {"screening.visit": "V0"}, "screening.visit", "V0", "V1"),
    (
        "screening after randomization",
        {"screening.visit": "V3"},
        "screening.visit",
        "V3",
        "screening comes first",
    ),
    ("youngest above oldest", {"screening.age_min": 81}, "screening.age_min", "81", "swap"),
    (
        "subjects move from a visit that is not named",
        {"amendment_rule": "from_visit"},
        "amendment_rule",
        "from_visit",
        "amendment_visit",
    ),
    (
        "subjects move from an unknown visit",
        {"amendment_rule": "from_visit", "amendment_visit": "V9"},
        "amendment_visit",
        "V9",
        "V1",
    ),
    (
        "a visit that no rule moves subjects from",
        {"amendment_visit": "V3"},
        "amendment_visit",
        "V3",
        "amendment_rule: from_visit",
    ),
    ("two visits of one code", {"visits[3].code": "V3"}, "visits[3].code", "V3", "own"),
    ("two visits of one number", {"visits[3].number": 3}, "visits[3].number", "3", "own"),
    (
        "visit in an unknown epoch",
        {"visits[2].epoch": "TRTM"},
        "visits[2].epoch",
        "TRTM",
        "did you mean TRT?",
    ),
    ("visit of an unknown cohort", {"visits[2].cohorts": ["C3"]}, "visits[2].cohorts[0]", "C3", "C1, C2"),
    ("visit of an unknown stratum", {"visits[3].strata": ["SEX"]}, "visits[3].strata[0]", "SEX", "SEX=F"),
    ("day 0", {"visits[2].target_day": 0}, "visits[2].target_day", "0", "the day before it is -1"),
    ("no day", {"visits[2].target_day": REMOVE}, "visits[2].target_day", "(none)", "anchor: none"),
    ("a day without an anchor", {"visits[4].target_day": 5}, "visits[4].target_day", "5", "name its anchor"),
    (
        "a day before the previous visit",
        {"visits[3].anchor": "previous_visit", "visits[3].target_day": -1},
        "visits[3].target_day",
        "-1",
        "from 1",
    ),
    (
        "no previous visit",
        {"visits[0].anchor": "previous_visit"},
        "visits[0].anchor",
        "previous_visit",
        "at screening",
    ),
    ("two dose levels of one order", {"dose_levels[1].order": 1}, "dose_levels[1].order", "1", "own"),
    (
        "two dose levels of one label",
        {"dose_levels[1].label": "Level 1"},
        "dose_levels[1].label",
        "Level 1",
        "own",
    ),
    ("titration of an unknown arm", {"titration[0].arms": ["Q"]}, "titration[0].arms[0]", "Q", "A, P"),
    (
        "titration at an unknown visit",
        {"titration[0].visits": ["V33"]},
        "titration[0].visits[0]",
        "V33",
        "did you mean V3?",
    ),
    (
        "investigator titration without a limit",
        {"titration[0].max_level": REMOVE},
        "titration[0].max_level",
        "(none)",
        "give max_level",
    ),
    (
        "investigator titration to a level",
        {"titration[0].to_level": "HIGH"},
        "titration[0].to_level",
        "HIGH",
        "remove to_level",
    ),
    (
        "limits upside down",
        {"titration[0].min_level": "HIGH", "titration[0].max_level": "LOW"},
        "titration[0].min_level",
        "HIGH",
        "swap",
    ),
    (
        "titration of an arm without a level",
        {"arms[0].start_dose_level": REMOVE},
        "titration[0].arms[0]",
        "A",
        "start_dose_level",
    ),
    ("start outside the limits", {"titration[0].min_level": "HIGH"}, "titration[0].arms[0]", "A", "widen"),
    (
        "two titrations at once",
        {
            "titration[1]": {
                "code": "T2",
                "kind": "investigator",
                "arms": ["A"],
                "visits": ["V3"],
                "min_level": "LOW",
                "max_level": "HIGH",
            }
        },
        "titration[1].visits[0]",
        "V3",
        "let one titration",
    ),
    (
        "dispensing at an unknown visit",
        {"dispensing[0].visits": ["V9"]},
        "dispensing[0].visits[0]",
        "V9",
        "V1, V2",
    ),
    (
        "dispensing at another visit",
        {"dispensing[0].visits[1]": "V4"},
        "dispensing[0].visits[1]",
        "V4",
        "dispensing: true",
    ),
    ("dispensing to an unknown arm", {"dispensing[2].arm": "PP"}, "dispensing[2].arm", "PP", "A, P"),
    (
        "dispensing at an unknown level",
        {"dispensing[1].dose_level": "HIGHER"},
        "dispensing[1].dose_level",
        "HIGHER",
        "did you mean HIGH?",
    ),
    (
        "dispensing an unknown kit type",
        {"dispensing[0].kits[0].kit_type": "K7"},
        "dispensing[0].kits[0].kit_type",
        "K7",
        "K1, K2, KP",
    ),
    (
        "dispensing a kit type twice",
        {"dispensing[0].kits[1]": {"kit_type": "K1", "quantity": 1}},
        "dispensing[0].kits[1].kit_type",
        "K1",
        "remove one",
    ),
    (
        "an arm that gets nothing",
        {"dispensing[2].visits": ["V2"]},
        "visits[2].dispensing",
        "V3",
        "names the visit and the arm",
    ),
    (
        "a reachable level that gets nothing",
        {"dispensing[1]": REMOVE},
        "visits[2].dispensing",
        "V3",
        "names the visit and the arm",
    ),
    (
        "exposure from an unknown visit",
        {"exposure.periods[0].visit": "V8"},
        "exposure.periods[0].visit",
        "V8",
        "V1",
    ),
    ("regimen of an unknown arm", {"exposure.regimens[2].arm": "X"}, "exposure.regimens[2].arm", "X", "A, P"),
    (
        "regimen outside the periods",
        {"exposure.regimens[2].visits": ["V2", "V4"]},
        "exposure.regimens[2].visits[1]",
        "V4",
        "exposure.periods",
    ),
    (
        "period without a regimen",
        {"exposure.regimens[1]": REMOVE},
        "exposure.periods[1].visit",
        "V3",
        "add one under exposure.regimens",
    ),
]


@pytest.mark.parametrize(
    ("changes", "path", "value", "fix"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN]
)
def test_a_contradiction_in_the_schedule_is_refused(
    changes: dict[str, Any], path: str, value: str, fix: str
) -> None:
    assert_refused(changes, path, value, fix)
