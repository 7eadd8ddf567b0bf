"""Contradictions in the design (arms, strata, cohorts, randomization, cells, caps) are refused with path, line, value and fix."""

from typing import Any

import pytest

from tests.study.small_protocol import REMOVE, assert_refused

BROKEN: list[tuple[str, dict[str, Any], str, str, str]] = [
    # what is broken, the changes to the small protocol, path of the problem, its value, part of the fix
    (
        "end before start",
        {"study.planned_enrolment_end": "2025-12-31"},
        "study.planned_enrolment_end",
        "2025-12-31",
        "correct",
    ),
    (
        "identifier without subject",
        {"subject_identifier.template": "{study}"},
        "subject_identifier.template",
        "{study}",
        "{subject}",
    ),
    (
        "identifier with an unknown field",
        {"subject_identifier.template": "{country}-{subject}"},
        "subject_identifier.template",
        "{country}-{subject}",
        "{site}",
    ),
    (
        "identifier with an open brace",
        {"subject_identifier.template": "{subject"},
        "subject_identifier.template",
        "{subject",
        "{study}",
    ),
    ("two arms of one code", {"arms[1].code": "A"}, "arms[1].code", "A", "own"),
    ("two arms of one name", {"arms[1].name": "Active"}, "arms[1].name", "Active", "own"),
    (
        "start level unknown",
        {"arms[0].start_dose_level": "LOWW"},
        "arms[0].start_dose_level",
        "LOWW",
        "did you mean LOW?",
    ),
    (
        "as treated by itself",
        {"arms[0].as_treated": {"unless_dose_level": "HIGH", "then_arm": "A"}},
        "arms[0].as_treated.then_arm",
        "A",
        "another",
    ),
    (
        "as treated at an unknown level",
        {"arms[0].as_treated": {"unless_dose_level": "TOP", "then_arm": "P"}},
        "arms[0].as_treated.unless_dose_level",
        "TOP",
        "LOW, HIGH",
    ),
    (
        "arm that no event allocates",
        {"randomization[0].arms": ["A"], "randomization[0].block_sizes": [2]},
        "arms[1].code",
        "P",
        "add it",
    ),
    (
        "two factors of one code",
        {
            "stratification[1]": {
                "code": "SEX",
                "name": "Sex",
                "levels": [{"code": "F", "label": "F"}, {"code": "M", "label": "M"}],
            }
        },
        "stratification[1].code",
        "SEX",
        "own",
    ),
    (
        "two levels of one code",
        {"stratification[0].levels[1].code": "F"},
        "stratification[0].levels[1].code",
        "F",
        "own",
    ),
    (
        "a country without a level",
        {"stratification[0].source": "country"},
        "stratification[0].levels",
        "F, M",
        "level with code DEU",
    ),
    (
        "a site without a level",
        {"stratification[0].source": "site"},
        "stratification[0].levels",
        "F, M",
        "level with code G1",
    ),
    (
        "a country without a region",
        {"stratification[0].source": "region"},
        "countries[0]",
        "DEU",
        "give it a region",
    ),
    ("cohort of an unknown arm", {"cohorts[0].arms": ["A", "X"]}, "cohorts[0].arms[1]", "X", "A, P"),
    ("cohort after an unknown one", {"cohorts[1].after": "C9"}, "cohorts[1].after", "C9", "C1, C2"),
    ("cohorts in a circle", {"cohorts[0].after": "C2"}, "cohorts[0].after", "C2", "earlier cohort"),
    (
        "randomized at an unknown visit",
        {"randomization[0].visit": "V22"},
        "randomization[0].visit",
        "V22",
        "did you mean V2?",
    ),
    (
        "unknown factor",
        {"randomization[0].factors": ["AGE"]},
        "randomization[0].factors[0]",
        "AGE",
        "use one of SEX",
    ),
    (
        "factor twice",
        {"randomization[0].factors": ["SEX", "SEX"]},
        "randomization[0].factors[1]",
        "SEX",
        "remove one",
    ),
    (
        "gate without kit types",
        {"randomization[0].supply_gate": "chosen_kit_types"},
        "randomization[0].supply_gate",
        "chosen_kit_types",
        "gate_kit_types",
    ),
    (
        "kit types without a gate",
        {"randomization[0].gate_kit_types": ["K1"]},
        "randomization[0].gate_kit_types",
        "K1",
        "chosen_kit_types",
    ),
    (
        "gate of an unknown kit type",
        {"randomization[0].supply_gate": "chosen_kit_types", "randomization[0].gate_kit_types": ["K9"]},
        "randomization[0].gate_kit_types[0]",
        "K9",
        "K1",
    ),
    (
        "block that the ratio does not divide",
        {"randomization[0].block_sizes": [3, 4]},
        "randomization[0].block_sizes[1]",
        "4",
        "use 3, 6 or 9",
    ),
    (
        "permuted blocks without a size",
        {"randomization[0].block_sizes": []},
        "randomization[0].block_sizes",
        "(none)",
        "list one",
    ),
    (
        "block sizes for a list",
        {"randomization[0].method": "list"},
        "randomization[0].block_sizes",
        "[3, 6]",
        "permuted_block",
    ),
    (
        "block size twice",
        {"randomization[0].block_sizes": [3, 3]},
        "randomization[0].block_sizes[1]",
        "3",
        "remove one",
    ),
    (
        "blocks by region without regions",
        {"randomization[0].held_by": "region"},
        "countries[0]",
        "DEU",
        "region",
    ),
    (
        "minimization with p = 1",
        {
            "randomization[0]": {
                "code": "R",
                "visit": "V2",
                "method": "minimization",
                "factors": ["SEX"],
                "parameters": {"p": 1.0},
            }
        },
        "randomization[0].parameters.p",
        "1.0",
        "ICH E9",
    ),
    (
        "minimization without p",
        {"randomization[0]": {"code": "R", "visit": "V2", "method": "minimization", "factors": ["SEX"]}},
        "randomization[0].parameters",
        "minimization",
        "add p",
    ),
    (
        "minimization of nothing",
        {
            "randomization[0]": {
                "code": "R",
                "visit": "V2",
                "method": "minimization",
                "parameters": {"p": 0.8},
            }
        },
        "randomization[0].factors",
        "(none)",
        "list the factors",
    ),
    (
        "unknown parameter",
        {"randomization[0].parameters": {"p": 0.8}},
        "randomization[0].parameters.p",
        "p",
        "remove it",
    ),
    (
        "big stick of no integer",
        {"randomization[0]": {"code": "R", "visit": "V2", "method": "big_stick", "parameters": {"b": 2.5}}},
        "randomization[0].parameters.b",
        "2.5",
        "whole number",
    ),
    (
        "urn of negative balls",
        {
            "randomization[0]": {
                "code": "R",
                "visit": "V2",
                "method": "wei_urn",
                "parameters": {"alpha": -1.0},
            }
        },
        "randomization[0].parameters.alpha",
        "-1.0",
        "a number from 0",
    ),
    ("cell of an unknown arm", {"cells[0].arm": "Z"}, "cells[0].arm", "Z", "A, P"),
    (
        "cell of an unknown element",
        {"cells[0].elements": ["SCRM"]},
        "cells[0].elements[0]",
        "SCRM",
        "did you mean SCRN?",
    ),
    ("arm x epoch without a cell", {"cells[3]": REMOVE}, "cells", "P x TRT", "add the cell"),
    (
        "arm x epoch twice",
        {"cells[4]": {"arm": "A", "epoch": "SCR", "elements": ["SCRN"]}},
        "cells[4]",
        "A x SCR",
        "remove one",
    ),
    (
        "element at an unknown visit",
        {"elements[1].starts_at_visit": "W1"},
        "elements[1].starts_at_visit",
        "W1",
        "V1",
    ),
    ("cap of an unknown country", {"caps[0].key": "FRA"}, "caps[0].key", "FRA", "DEU, USA"),
    ("cap of an unknown stratum", {"caps[1].key": "SEX=X"}, "caps[1].key", "SEX=X", "SEX=F, SEX=M"),
    ("cap of the study with a key", {"caps[0].scope": "study"}, "caps[0].key", "DEU", "remove it"),
    (
        "cap twice",
        {"caps[2]": {"kind": "screening", "scope": "country", "key": "DEU", "limit": 10}},
        "caps[2]",
        "screening / country DEU",
        "remove one",
    ),
    (
        "criterion twice",
        {"criteria[1]": {"code": "I1", "category": "INCLUSION", "text": "Adult"}},
        "criteria[1].code",
        "I1",
        "own",
    ),
    (
        "trial parameter with too few codes",
        {"trial_parameters[0].values": ["A", "B"]},
        "trial_parameters[0].codes",
        "1",
        "one code for each",
    ),
]


@pytest.mark.parametrize(
    ("changes", "path", "value", "fix"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN]
)
def test_a_contradiction_in_the_design_is_refused(
    changes: dict[str, Any], path: str, value: str, fix: str
) -> None:
    assert_refused(changes, path, value, fix)
