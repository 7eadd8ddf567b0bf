"""What is legal but doubtful is warned of, with path, value and fix; what is sound is not."""

from typing import Any

import pytest

from allocation.study.doubts import warnings
from allocation.study.protocol import Protocol
from tests.study.small_protocol import REMOVE, SMALL, with_changes

K1 = {"kit_type": "K1", "quantity": 1}

DOUBTFUL: list[tuple[str, dict[str, Any], str, str]] = [
    # what is doubtful, the changes, path, part of the message
    (
        "planned subjects of the sites",
        {"study.planned_subjects": 9, "sites[0].planned_subjects": 8},
        "study.planned_subjects",
        "differs from the 8 that its sites",
    ),
    (
        "more sites than planned",
        {"countries[1].planned_sites": 1},
        "countries[1].planned_sites",
        "below the 2 sites",
    ),
    (
        "a band of buffers that orders one for one",
        {
            "supply.parameters": [
                {
                    "level": "study",
                    "parameters": {
                        "short_window": 14,
                        "long_window": 42,
                        "buffer_from": "bands",
                        "bands": [
                            {"from_subjects": 0, "min_buffer": 2, "max_buffer": 3},
                            {"from_subjects": 5, "min_buffer": 2, "max_buffer": 9},
                        ],
                    },
                }
            ]
        },
        "supply.parameters[0].parameters.bands",
        "one for one show the arm",
    ),
    (
        "computed buffers so close that they order one for one",
        {
            "supply.parameters": [
                {
                    "level": "study",
                    "parameters": {
                        "short_window": 14,
                        "long_window": 42,
                        "buffer_from": "computed",
                        "confidence": "0.9",
                        "enrolment_per_month": "0.1",
                    },
                }
            ]
        },
        "supply.parameters[0].parameters.confidence",
        "one for one show the arm",
    ),
    (
        "factor unused",
        {"randomization[0].factors": [], "caps": [], "visits[3].strata": []},
        "stratification[0].code",
        "no randomization event uses",
    ),
    (
        "element unused",
        {"elements[3]": {"code": "FUP", "name": "Later", "start_rule": "End"}},
        "elements[3].code",
        "no cell holds",
    ),
    (
        "kit type unused",
        {"kit_types[3]": {**SMALL["kit_types"][0], "code": "K9"}},
        "kit_types[3].code",
        "no visit dispenses",
    ),
    (
        "blinding group unused",
        {"blinding_groups[1]": {"code": "H", "label": "Box"}},
        "blinding_groups[1].code",
        "without kit types",
    ),
    (
        "depot unused",
        {"depots[2]": {**SMALL["depots"][0], "code": "D3"}},
        "depots[2].code",
        "supplies nobody",
    ),
    ("no cells", {"cells": [], "elements": []}, "cells", "TA and SE"),
    ("no exposure", {"exposure": {}}, "exposure.periods", "SDTM EX"),
    (
        "visit without a day on every path",
        {"visits[4].optional": False},
        "visits[4].optional",
        "no day to plan it by",
    ),
    (
        "windows overlap",
        {"visits[2].window_after": 20, "visits[3].window_before": 10},
        "visits[3].window_before",
        "overlaps that of visit V3",
    ),
    ("days out of order", {"visits[3].target_day": 20}, "visits[3].target_day", "not after visit V3"),
    (
        "kits that look different",
        {"kit_types[2].blinding_group": "H", "blinding_groups[1]": {"code": "H", "label": "Box"}},
        "visits[1]",
        "A: 1 G; P: 1 H",
    ),
    ("another number of kits", {"dispensing[2].kits[0].quantity": 2}, "visits[2]", "A: 1 G; P: 2 G"),
    (
        "an arm that is never titrated",
        {"arms[1].start_dose_level": REMOVE},
        "arms[1].start_dose_level",
        "never asked for a dose move",
    ),
    (
        "look-alikes of other content",
        {"kit_types[2].units_per_kit": 30},
        "kit_types[2].units_per_kit",
        "differs from K1 (35)",
    ),
    (
        "entry behind a wider one",
        {"dispensing[3]": {"visits": ["V3"], "arm": "P", "kits": [K1]}},
        "dispensing[3].visits[0]",
        "never what this entry is used for",
    ),
    (
        "regimen behind a wider one",
        {"exposure.regimens[3]": {**SMALL["exposure"]["regimens"][2], "dose": 1}},
        "exposure.regimens[3]",
        "no period ever uses",
    ),
    (
        "titration without dispensing",
        {"titration[0].visits": ["V3", "V4"]},
        "titration[0].visits[1]",
        "dispenses nothing",
    ),
    (
        "kit that expires in use",
        {"kit_types[0].expiry.dnd_days": 27, "kit_types[0].valid_until_next_visit": False},
        "kit_types[0].expiry.dnd_days",
        "in use for 31 days",
    ),
    (
        "kit of the last dispensing that expires in use",
        {"kit_types[0].expiry.dnd_days": 27},
        "kit_types[0].expiry.dnd_days",
        "after visit V3 it may be in use for 28 days",
    ),
    (
        "kit that counts and cannot be dispensed",
        {"kit_types[0].expiry": {"dns_days": 60, "dnc_days": 30, "dnd_days": 28}},
        "kit_types[0].expiry.dnc_days",
        "one must stay valid for 31 days",
    ),
    (
        "one for one resupply",
        {"supply.parameters[2].parameters.min_buffer": 3},
        "supply.parameters[0].parameters.max_buffer",
        "less than 2 above min_buffer 3",
    ),
    ("no thresholds", {"supply.parameters": []}, "supply.parameters", "no kit is ever ordered"),
]


def found(changes: dict[str, Any]) -> dict[str, str]:
    doubts = warnings(Protocol.model_validate(with_changes(changes)))
    assert all(doubt.fix for doubt in doubts)
    return {str(doubt).split(": ")[0]: str(doubt) for doubt in doubts}


def test_a_sound_protocol_has_no_warning() -> None:
    assert found({}) == {}


@pytest.mark.parametrize(
    ("changes", "path", "message"), [row[1:] for row in DOUBTFUL], ids=[row[0] for row in DOUBTFUL]
)
def test_what_is_doubtful_is_warned_of_at_its_place(changes: dict[str, Any], path: str, message: str) -> None:
    doubts = found(changes)
    assert message in doubts[path]


def test_an_open_label_study_is_not_warned_of_what_would_unblind() -> None:
    changes = {
        "dispensing[2].kits[0].quantity": 2,
        "kit_types[2].units_per_kit": 30,
        "study.blinding": "open_label",
    }
    assert found(changes) == {}


def test_a_time_phase_is_warned_of_with_its_day() -> None:
    phase = {"level": "study", "parameters": {"max_buffer": 2, "valid_from": "2026-09-01"}}
    doubts = found({"supply.parameters[3]": phase})
    assert "from 2026-09-01" in doubts["supply.parameters[3].parameters.max_buffer"]
