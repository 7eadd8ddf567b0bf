"""A small protocol that has one of everything, as data, and ways to break it at one place."""

import copy
import json
import re
from typing import Any

import pytest
from ruamel.yaml import YAML
from ruamel.yaml.nodes import SequenceNode

from allocation.study.errors import ProtocolError
from allocation.study.yaml_files import parse_protocol

_STEP = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)|\[([0-9]+)\]")

SMALL: dict[str, Any] = {
    "schema_version": 1,
    "study": {
        "id": "S1",
        "title": "A small study",
        "version": 1,
        "planned_start": "2026-01-05",
        "planned_enrolment_end": "2026-12-31",
    },
    "subject_identifier": {"template": "{study}-{site}-{subject}"},
    "arms": [
        {"code": "A", "name": "Active", "ratio": 2, "start_dose_level": "LOW"},
        {"code": "P", "name": "Placebo", "ratio": 1, "start_dose_level": "LOW"},
    ],
    "stratification": [
        {"code": "SEX", "name": "Sex", "levels": [{"code": "F", "label": "F"}, {"code": "M", "label": "M"}]}
    ],
    "cohorts": [
        {"code": "C1", "name": "First", "arms": ["A", "P"]},
        {"code": "C2", "name": "Second", "after": "C1"},
    ],
    "randomization": [{"code": "R", "visit": "V2", "block_sizes": [3, 6], "factors": ["SEX"]}],
    "caps": [
        {"kind": "screening", "scope": "country", "key": "DEU", "limit": 10},
        {"kind": "randomization", "scope": "stratum", "key": "SEX=F", "limit": 10},
    ],
    "criteria": [{"code": "I1", "category": "INCLUSION", "text": "Adult"}],
    "screening": {"visit": "V1", "age_min": 18, "age_max": 80},
    "epochs": [
        {"code": "SCR", "name": "Screening", "term": "SCREENING"},
        {"code": "TRT", "name": "Treatment", "term": "TREATMENT"},
    ],
    "elements": [
        {"code": "SCRN", "name": "Screening", "start_rule": "Consent"},
        {"code": "ACT", "name": "Active", "start_rule": "First dose", "starts_at_visit": "V2"},
        {"code": "PBO", "name": "Placebo", "start_rule": "First dose", "starts_at_visit": "V2"},
    ],
    "cells": [
        {"arm": "A", "epoch": "SCR", "elements": ["SCRN"]},
        {"arm": "A", "epoch": "TRT", "elements": ["ACT"]},
        {"arm": "P", "epoch": "SCR", "elements": ["SCRN"]},
        {"arm": "P", "epoch": "TRT", "elements": ["PBO"]},
    ],
    "visits": [
        {
            "code": "V1",
            "number": 1,
            "name": "SCREENING",
            "epoch": "SCR",
            "anchor": "screening",
            "target_day": 1,
        },
        {"code": "V2", "number": 2, "name": "BASELINE", "epoch": "TRT", "target_day": 1, "dispensing": True},
        {
            "code": "V3",
            "number": 3,
            "name": "WEEK 4",
            "epoch": "TRT",
            "target_day": 29,
            "window_before": 3,
            "window_after": 3,
            "dispensing": True,
        },
        {
            "code": "V4",
            "number": 4,
            "name": "END",
            "epoch": "TRT",
            "target_day": 57,
            "strata": ["SEX=F", "SEX=M"],
        },
        {"code": "ET", "number": 90, "name": "EARLY", "epoch": "TRT", "anchor": "none", "optional": True},
    ],
    "dose_levels": [
        {"code": "LOW", "label": "Level 1", "order": 1},
        {"code": "HIGH", "label": "Level 2", "order": 2},
    ],
    "titration": [
        {
            "code": "T",
            "kind": "investigator",
            "arms": ["A"],
            "visits": ["V3"],
            "min_level": "LOW",
            "max_level": "HIGH",
        }
    ],
    "dispensing": [
        {
            "visits": ["V2", "V3"],
            "arm": "A",
            "dose_level": "LOW",
            "kits": [{"kit_type": "K1", "quantity": 1}],
        },
        {"visits": ["V3"], "arm": "A", "dose_level": "HIGH", "kits": [{"kit_type": "K2", "quantity": 1}]},
        {"visits": ["V2", "V3"], "arm": "P", "kits": [{"kit_type": "KP", "quantity": 1}]},
    ],
    "exposure": {
        "periods": [{"visit": "V2"}, {"visit": "V3", "offset_days": 1}],
        "regimens": [
            {
                "arm": arm,
                "dose_level": level,
                "treatment": "X" if dose else "PLACEBO",
                "dose": dose,
                "unit": "mg",
                "form": "TABLET",
                "frequency": "QD",
                "route": "ORAL",
            }
            for arm, level, dose in (("A", "LOW", 10), ("A", "HIGH", 20), ("P", None, 0))
        ],
    },
    "blinding_groups": [{"code": "G", "label": "Bottle"}],
    "kit_types": [
        {
            "code": code,
            "name": code,
            "blinding_group": "G",
            "units_per_kit": 35,
            "unit": "TABLET",
            "storage": {"min_celsius": 2, "max_celsius": 25},
            "expiry": {"dns_days": 60, "dnc_days": 50, "dnd_days": 40},
        }
        for code in ("K1", "K2", "KP")
    ],
    "depots": [
        {"code": "D1", "name": "Central", "country": "DEU", "timezone": "Europe/Berlin"},
        {
            "code": "D2",
            "name": "Local",
            "country": "USA",
            "timezone": "America/New_York",
            "supplied_by": "D1",
        },
    ],
    "countries": [
        {"code": "DEU", "name": "Germany", "group": "EUR", "depot": "D1", "timezone": "Europe/Berlin"},
        {
            "code": "USA",
            "name": "United States",
            "group": "NAM",
            "depot": "D2",
            "timezone": "America/New_York",
        },
    ],
    "lanes": [
        {"depot": "D1", "country": "DEU", "lead_time_days": 3},
        {"depot": "D2", "country": "USA", "lead_time_days": 4},
        {"depot": "D2", "site": "U2", "lead_time_days": 6},
        {"depot": "D1", "to_depot": "D2", "lead_time_days": 14},
    ],
    "sites": [
        {"code": "G1", "name": "Berlin", "country": "DEU", "profile": "BIG"},
        {"code": "U1", "name": "Boston", "country": "USA"},
        {"code": "U2", "name": "Denver", "country": "USA"},
    ],
    "supply": {
        "profiles": [{"code": "BIG", "name": "Big sites"}],
        "parameters": [
            {
                "level": "study",
                "parameters": {"min_buffer": 1, "max_buffer": 4, "short_window": 10, "long_window": 30},
            },
            {"level": "country", "key": "USA", "parameters": {"short_window": 14}},
            {"level": "profile", "key": "BIG", "kit_type": "K1", "parameters": {"min_buffer": 2}},
        ],
    },
    "trial_parameters": [
        {"code": "TPHASE", "name": "Phase", "values": ["PHASE III TRIAL"], "codes": ["C15602"]}
    ],
}

REMOVE = object()
"""As a value: take the key or item away."""


def with_changes(changes: dict[str, Any]) -> dict[str, Any]:
    """The small protocol with each value set at its path, such as `visits[3].number` (REMOVE takes away).

    The position after the last item of a list appends to it.
    """
    data = copy.deepcopy(SMALL)
    for path, value in changes.items():
        *steps, last = [int(number) if number else word for word, number in _STEP.findall(path)]
        part: Any = data
        for step in steps:
            part = part[step]
        if value is REMOVE:
            del part[last]
        elif isinstance(part, list) and last == len(part):
            part.append(value)
        else:
            part[last] = value
    return data


def yaml_text(data: dict[str, Any]) -> str:
    """The data as YAML with a line for each value (JSON is YAML)."""
    return json.dumps(data, indent=2)


def assert_refused(changes: dict[str, Any], path: str, value: str, fix: str) -> None:
    """Assert that the changed protocol is refused with a problem of that path and value, whose fix has the text `fix`."""
    text = yaml_text(with_changes(changes))
    with pytest.raises(ProtocolError) as refused:
        parse_protocol(text, "study.yaml")
    found = [problem for problem in refused.value.problems if problem.path == path]
    assert found, str(refused.value)
    problem = found[0]
    assert problem.value == value
    assert fix in problem.fix
    assert f"study.yaml:{problem.line}:{problem.column}: {path}: {value} {problem.message}; " in str(
        refused.value
    )
    assert (problem.line, problem.column) == _place(text, path)


def _place(text: str, path: str) -> tuple[int, int]:
    """Where the value at `path` stands in `text`, found by a parser of its own; the nearest part around what is not there."""
    node = YAML().compose(text)
    for word, number in _STEP.findall(path):
        if number:
            inside = node.value[int(number)] if isinstance(node, SequenceNode) else None
        else:
            inside = next((item for key, item in node.value if key.value == word), None)
        if inside is None:
            break
        node = inside
    return node.start_mark.line + 1, node.start_mark.column + 1
