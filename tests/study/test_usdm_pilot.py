"""The CDISC pilot study's own USDM document: what is imported is what stands there, and it agrees with the study's SDTM design."""

import json
from pathlib import Path
from typing import Any

import pyreadstat
import pytest
from ruamel.yaml import YAML

from allocation.study.errors import ProtocolError
from allocation.study.model import PLACEHOLDER
from allocation.study.usdm import ImportedProtocol, draft_yaml, import_usdm
from allocation.study.yaml_files import parse_protocol

Row = dict[str, Any]


@pytest.fixture(scope="module")
def document(shared_data: Path) -> Path:
    return shared_data / "usdm" / "CDISC_Pilot_Study.json"


@pytest.fixture(scope="module")
def pilot(document: Path) -> ImportedProtocol:
    return import_usdm(document)


@pytest.fixture(scope="module")
def draft(pilot: ImportedProtocol) -> str:
    return draft_yaml(pilot, "CDISC_Pilot_Study.json")


def sdtm(shared_data: Path, name: str) -> list[Row]:
    frame, _ = pyreadstat.read_xport(
        shared_data / "cdiscpilot" / "sdtm" / f"{name}.xpt", encoding="WINDOWS-1252", output_format="polars"
    )
    return list(frame.iter_rows(named=True))


def test_the_identity_is_that_of_the_document(pilot: ImportedProtocol) -> None:
    assert pilot.protocol_data["study"] == {
        "id": "H2Q-MC-LZZT",
        "title": "Safety and Efficacy of the Xanomeline Transdermal Therapeutic System (TTS) in Patients with Mild to "
        "Moderate Alzheimer's Disease",
        "version": 1,
        "amendment": "protocol version 2, Amendment 1",
        "phase": "Phase II Trial",
        "sponsor": "Eli Lilly",
        "indication": "Alzheimer's disease",
        "blinding": "double_blind",
        "planned_subjects": 300,
    }
    assert pilot.protocol_data["screening"] == {"visit": "SCREEN1", "age_min": 50, "age_max": 100}


def test_as_many_arms_epochs_elements_cells_and_criteria_come_in_as_the_document_has(
    pilot: ImportedProtocol, document: Path
) -> None:
    design = json.loads(document.read_text(encoding="utf-8"))["study"]["versions"][0]["studyDesigns"][0]
    parts = {
        "arms": "arms",
        "epochs": "epochs",
        "elements": "elements",
        "studyCells": "cells",
        "eligibilityCriteria": "criteria",
    }
    counted = {part: len(pilot.protocol_data[part]) for part in parts.values()}
    assert counted == {part: len(design[source]) for source, part in parts.items()}
    assert counted == {"arms": 3, "epochs": 5, "elements": 7, "cells": 15, "criteria": 31}
    assert len(design["encounters"]) == 12
    assert len([one for one in pilot.protocol_data["visits"] if one["number"] in range(1, 13)]) == 12


def test_the_visits_have_the_days_and_windows_of_the_timeline(pilot: ImportedProtocol) -> None:
    shown = (
        "code",
        "number",
        "name",
        "anchor",
        "target_day",
        "window_before",
        "window_after",
        "contact",
        "dispensing",
    )
    assert [tuple(visit.get(key) for key in shown) for visit in pilot.protocol_data["visits"]] == [
        ("SCREEN1", 1, "Screening 1", "randomization", -14, None, None, None, None),
        ("SCREEN2", 2, "Screening 2", "randomization", -2, None, None, None, None),
        ("DOSE", 3, "Baseline", "randomization", 1, None, None, None, True),
        ("WK2", 4, "Week 2", "randomization", 15, 3, 3, None, True),
        ("WK4", 5, "Week 4", "randomization", 29, 3, 3, None, True),
        ("WK6", 6, "Week 6", "randomization", 43, 3, 3, None, True),
        ("WK8", 7, "Week 8", "randomization", 57, 3, 3, None, True),
        ("WK8N", 7.1, "Week NPI", "previous_visit", 14, None, None, "phone", None),
        ("WK12", 8, "Week 12", "randomization", 85, 4, 4, None, True),
        ("WK12N", 8.1, "Week 12 NPI", "previous_visit", 14, None, None, "phone", None),
        ("WK16", 9, "Week 16", "randomization", 113, 4, 4, None, True),
        ("WK16N", 9.1, "Week 16 NPI", "previous_visit", 14, None, None, "phone", None),
        ("WK20", 10, "Week 20", "randomization", 141, 4, 4, None, True),
        ("WK20N", 10.1, "Week 20 NPI", "previous_visit", 14, None, None, "phone", None),
        ("WK24", 11, "Week 24", "randomization", 169, 4, 4, None, True),
        ("WK26", 12, "Week 26", "randomization", 183, 3, 3, None, None),
        ("ET", 101, "Early Termination", "none", None, None, None, None, None),
    ]
    assert pilot.protocol_data["randomization"] == [{"code": "RANDOMIZATION", "visit": "DOSE"}]


def test_the_clinic_visits_are_those_of_the_original_tv(pilot: ImportedProtocol, shared_data: Path) -> None:
    """Names agree; TV plans 'week 2' as day 14 where 14 days after day 1 is day 15, and screens a week later than USDM."""
    clinic = [
        one for one in pilot.protocol_data["visits"] if one.get("contact") != "phone" and one["number"] < 100
    ]
    planned = {row["VISIT"]: row["VISITDY"] for row in sdtm(shared_data, "tv")}
    by_name = {visit["name"].upper(): visit["target_day"] for visit in clinic}
    assert len(by_name) == 12
    assert by_name.keys() <= planned.keys()
    treated = {name for name, day in by_name.items() if day > 1}
    assert len(treated) == 9
    assert {name: by_name[name] - 1 for name in treated} == {name: planned[name] for name in treated}
    assert [(name, planned[name], by_name[name]) for name in by_name if name not in treated] == [
        ("SCREENING 1", -7.0, -14),
        ("SCREENING 2", -1.0, -2),
        ("BASELINE", 1.0, 1),
    ]


def test_the_phone_calls_fall_on_the_days_of_the_original_ones(
    pilot: ImportedProtocol, shared_data: Path
) -> None:
    visits = pilot.protocol_data["visits"]
    calls = [
        visits[place - 1]["target_day"] - 1 + visit["target_day"]
        for place, visit in enumerate(visits)
        if visit.get("contact") == "phone"
    ]
    assert calls == [row["VISITDY"] for row in sdtm(shared_data, "tv") if "(T)" in row["VISIT"]]


def test_the_criteria_are_as_many_of_each_kind_as_in_the_original_ti(
    pilot: ImportedProtocol, shared_data: Path
) -> None:
    criteria = pilot.protocol_data["criteria"]
    original = sdtm(shared_data, "ti")
    assert [one["category"] for one in criteria] == [row["IECAT"] for row in original]
    exact = {one["text"] for one in criteria} & {row["IETEST"] for row in original}
    assert "Males and postmenopausal females at least 50 years of age." in exact
    assert "Geographic proximity to investigator's site that allows adequate follow-up." in exact
    assert len(exact) == 10


def test_no_markup_and_no_placeholder_is_left_in_a_criterion(pilot: ImportedProtocol) -> None:
    texts = [one["text"] for one in pilot.protocol_data["criteria"]]
    assert not [text for text in texts if "<p" in text or "usdm:" in text or "[" in text or "  " in text]
    assert texts[1].startswith("Patients with Probable Mild to Moderate Alzheimer's Disease as defined by")
    assert texts[3] == "Hachinski Ischemic Scale score of \u22644 (Attachment LZZT.8)."


def test_each_arm_passes_through_the_elements_of_the_original_ta(
    pilot: ImportedProtocol, shared_data: Path
) -> None:
    """USDM has three treatment epochs, so that an element of a fixed dose stands in three cells in a row."""
    names = {one["code"]: one["name"] for one in pilot.protocol_data["elements"]}
    arm_names = {one["code"]: one["name"] for one in pilot.protocol_data["arms"]}
    found: dict[str, list[str]] = {}
    for cell in pilot.protocol_data["cells"]:
        path = found.setdefault(arm_names[cell["arm"]], [])
        path += [names[code] for code in cell["elements"] if names[code] not in path]
    original: dict[str, list[str]] = {}
    for row in sdtm(shared_data, "ta"):
        original.setdefault(row["ARM"], []).append(row["ELEMENT"])
    words = {"Screen": "Screening", "Follow_up": "Follow up"}
    assert found == {
        arm: [words.get(one, one.replace("_", " - ")) for one in path] for arm, path in original.items()
    }


def test_the_draft_marks_each_open_place_and_says_what_belongs_there(
    pilot: ImportedProtocol, draft: str
) -> None:
    lines = [line for line in draft.splitlines() if f": {PLACEHOLDER}" in line]
    assert len(lines) == 16
    assert all(" # " in line for line in lines)
    places = {finding.path: finding.message for finding in pilot.of_kind("to_fill_in")}
    assert places.keys() == OPEN_PLACES
    assert all(any(line.endswith(message) for line in lines) for message in places.values())


OPEN_PLACES = {
    "arms[0].ratio",
    "arms[1].ratio",
    "arms[2].ratio",
    "stratification",
    "randomization[0].method",
    "randomization[0].block_sizes",
    "randomization[0].factors",
    "randomization[0].held_by",
    "dispensing",
    "blinding_groups",
    "kit_types",
    "depots",
    "countries",
    "lanes",
    "sites",
    "supply",
}


def test_a_draft_is_refused_with_exactly_the_places_to_fill_in(draft: str) -> None:
    with pytest.raises(ProtocolError) as refused:
        parse_protocol(draft, "draft.yaml")
    assert {problem.path for problem in refused.value.problems} == OPEN_PLACES
    assert {problem.value for problem in refused.value.problems} == {PLACEHOLDER}


def test_a_draft_whose_open_places_are_filled_in_is_a_valid_protocol(draft: str) -> None:
    data = YAML(typ="safe").load(draft)
    for arm in data["arms"]:
        arm["ratio"] = 1
    data["randomization"][0] |= {"method": "list", "block_sizes": [], "factors": [], "held_by": "site"}
    visits = [visit["code"] for visit in data["visits"] if visit.get("dispensing")]
    kit = {"code": "K", "name": "Patches", "blinding_group": "G", "units_per_kit": 14, "unit": "PATCH"}
    place = {"country": "USA", "timezone": "America/New_York"}
    data |= {
        "stratification": [],
        "dispensing": [{"visits": visits, "kits": [{"kit_type": "K", "quantity": 1}]}],
        "blinding_groups": [{"code": "G", "label": "Patches"}],
        "kit_types": [kit],
        "depots": [{"code": "D", "name": "Depot"} | place],
        "countries": [{"code": "USA", "name": "United States", "depot": "D", "timezone": place["timezone"]}],
        "lanes": [{"depot": "D", "country": "USA", "lead_time_days": 3}],
        "sites": [],
        "supply": {"parameters": [{"level": "study", "parameters": SOME_PARAMETERS}]},
    }
    protocol = parse_protocol(json.dumps(data), "filled.yaml")
    assert [visit.code for visit in protocol.visits if visit.dispensing] == [
        "DOSE", "WK2", "WK4", "WK6", "WK8", "WK12", "WK16", "WK20", "WK24",
    ]  # fmt: skip
    assert {one.code: one.starts_at_visit for one in protocol.elements} == {
        "EL1": None, "EL2": "DOSE", "EL3": "DOSE", "EL4": "DOSE", "EL5": "WK4", "EL6": "WK24", "EL7": None,
    }  # fmt: skip
    assert [one.code for one in protocol.elements if one.starts_after_treatment] == ["EL7"]


SOME_PARAMETERS = {
    "min_buffer": 2,
    "max_buffer": 4,
    "short_window": 14,
    "long_window": 28,
    "trigger": "below",
    "long_window_from": "today",
    "seed_quantity": 2,
}


def test_what_the_sample_says_oddly_is_remarked(pilot: ImportedProtocol) -> None:
    doubtful = [finding.message for finding in pilot.of_kind("doubtful")]
    ignored = [finding.message for finding in pilot.of_kind("ignored")]
    assert sum("uses the encounter" in message for message in doubtful) == 4
    assert sum("described as 'Day" in message for message in doubtful) == 9
    assert any("PT4H is not whole days" in message for message in doubtful)
    assert any(
        "'Week 26' has a dispensing activity, but no treatment follows" in message for message in doubtful
    )
    assert any("Early Termination' is taken as the optional visit ET" in message for message in doubtful)
    assert any("Adverse Event Timeline" in message for message in ignored)
    assert any("Oral Route of Administration" in message for message in ignored)


def test_every_remark_names_a_place_that_exists_in_the_document(
    pilot: ImportedProtocol, document: Path
) -> None:
    data = json.loads(document.read_text(encoding="utf-8"))
    for finding in pilot.findings:
        if finding.kind == "to_fill_in":
            continue
        value: Any = data
        for step in finding.path.replace("]", "").replace("[", ".").split("."):
            value = value[int(step)] if step.isdigit() else value[step]
        assert value


def test_the_same_document_gives_the_same_draft(document: Path, draft: str) -> None:
    assert draft_yaml(import_usdm(document), document.name) == draft


def test_the_trial_parameters_carry_values_and_codes(pilot: ImportedProtocol) -> None:
    stated = {one["code"]: one for one in pilot.protocol_data["trial_parameters"]}
    assert stated["TPHASE"] == {
        "code": "TPHASE",
        "name": "Trial Phase Classification",
        "values": ["PHASE II TRIAL"],
        "codes": ["C15601"],
        "code_reference": "CDISC CT",
    }
    plain = {code: one["values"] for code, one in stated.items()}
    assert plain["TBLIND"] == ["DOUBLE BLIND"]
    assert plain["TTYPE"] == ["EFFICACY", "SAFETY", "PHARMACOKINETIC"]
    assert (plain["AGEMIN"], plain["AGEMAX"], plain["PLANSUB"]) == (["P50Y"], ["P100Y"], ["300"])
    assert (plain["SEXPOP"], plain["REGID"], plain["HLTSUBJI"]) == (["BOTH"], ["NCT12345678"], ["N"])
    assert (len(plain["OBJPRIM"]), len(plain["OBJSEC"]), len(plain["OUTMSPRI"])) == (2, 4, 5)
