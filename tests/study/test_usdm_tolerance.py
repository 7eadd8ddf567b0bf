"""USDM documents in the wild differ and have gaps: the import reads what is there, remarks the rest, and never breaks."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from allocation.study.errors import ProtocolError
from allocation.study.usdm import UsdmUnreadable, draft_yaml, import_usdm
from allocation.study.yaml_files import parse_protocol
from tests.study.small_usdm import (
    Json,
    coded,
    design_of,
    imported,
    messages,
    small_usdm,
    timeline_of,
    timing,
    visit_of,
)


def test_the_schedule_follows_the_linked_instances_and_their_timings(tmp_path: Path) -> None:
    outcome = imported(small_usdm(), tmp_path)
    shown = (
        "code",
        "number",
        "epoch",
        "anchor",
        "target_day",
        "window_before",
        "window_after",
        "contact",
        "dispensing",
    )
    assert [tuple(visit.get(key) for key in shown) for visit in outcome.protocol_data["visits"]] == [
        ("SCREEN", 1, "SCREENING", "randomization", -14, None, None, None, None),
        ("RANDOMIZE", 2, "TREATMENT", "randomization", 1, None, None, None, True),
        ("WEEK2", 3, "TREATMENT", "randomization", 15, 3, 3, None, True),
        ("CALL", 3.1, "TREATMENT", "previous_visit", 7, None, None, "phone", None),
        ("WEEK4", 4, "TREATMENT", "randomization", 29, 4, 4, None, True),
        ("FUP", 5, "FOLLOW_UP", "randomization", 43, 7, 7, None, None),
    ]
    assert outcome.protocol_data["screening"] == {"visit": "SCREEN", "age_min": 18, "age_max": 75}
    assert outcome.protocol_data["randomization"] == [{"code": "RANDOMIZATION", "visit": "RANDOMIZE"}]


@pytest.mark.parametrize(
    ("kind", "value"), [("Before", "P2W"), ("Before", "-P2W"), ("After", "-P14D"), ("", "-P2W")]
)
def test_before_is_read_in_both_conventions(tmp_path: Path, kind: str, value: str) -> None:
    document = small_usdm()
    timeline_of(document)["timings"][0] |= {"type": coded("X", kind), "value": value}
    assert visit_of(imported(document, tmp_path), "SCREEN")["target_day"] == -14


def test_windows_are_read_with_or_without_a_sign(tmp_path: Path) -> None:
    document = small_usdm()
    timeline_of(document)["timings"][2] |= {"windowLower": "-P5D", "windowUpper": "P1W"}
    visit = visit_of(imported(document, tmp_path), "WEEK2")
    assert (visit["window_before"], visit["window_after"]) == (5, 7)


def test_durations_that_are_no_whole_days_are_counted_and_remarked(tmp_path: Path) -> None:
    document = small_usdm()
    timeline_of(document)["timings"][2] |= {"windowLower": "PT4H", "windowUpper": "PT36H"}
    timeline_of(document)["timings"][4] |= {"value": "P1M"}
    outcome = imported(document, tmp_path)
    week2 = visit_of(outcome, "WEEK2")
    assert (week2.get("window_before"), week2["window_after"]) == (None, 1)
    assert visit_of(outcome, "WEEK4")["target_day"] == 31
    doubts = messages(outcome, "doubtful")
    assert any("timings[2].windowLower: PT4H is not whole days; counted as 0" in doubt for doubt in doubts)
    assert any("timings[4].value: P1M has months" in doubt for doubt in doubts)


def test_a_chain_of_timings_is_added_up_to_the_anchor(tmp_path: Path) -> None:
    document = small_usdm()
    timeline_of(document)["timings"][5] = timing(6, "After", "P2W", 3)
    assert visit_of(imported(document, tmp_path), "FUP")["target_day"] == 29


def test_a_visit_without_a_timing_has_its_day_to_fill_in(tmp_path: Path) -> None:
    document = small_usdm()
    del timeline_of(document)["timings"][4]
    outcome = imported(document, tmp_path)
    assert "target_day" not in visit_of(outcome, "WEEK4")
    assert any(message.startswith("visits[4].target_day:") for message in messages(outcome, "to_fill_in"))


def test_timings_in_a_circle_give_no_day_instead_of_an_endless_walk(tmp_path: Path) -> None:
    document = small_usdm()
    timeline_of(document)["timings"][4:] = [timing(5, "After", "P4W", 6), timing(6, "After", "P2W", 5)]
    outcome = imported(document, tmp_path)
    # the last one counts from the visit right before it, whose own day nothing leads to
    assert visit_of(outcome, "FUP")["anchor"] == "previous_visit"
    assert any(message.startswith("visits[4].target_day:") for message in messages(outcome, "to_fill_in"))


def test_a_timeline_that_comes_back_to_itself_ends_with_a_remark(tmp_path: Path) -> None:
    document = small_usdm()
    timeline_of(document)["instances"][5]["defaultConditionId"] = "I2"
    outcome = imported(document, tmp_path)
    assert len(outcome.protocol_data["visits"]) == 6
    assert any("a cycle" in doubt for doubt in messages(outcome, "doubtful"))


def test_a_decision_is_passed_on_its_default_way(tmp_path: Path) -> None:
    document = small_usdm()
    decision = {"id": "DEC", "instanceType": "ScheduledDecisionInstance", "defaultConditionId": "I4"}
    timeline_of(document)["instances"].append(decision)
    timeline_of(document)["instances"][2]["defaultConditionId"] = "DEC"
    outcome = imported(document, tmp_path)
    assert [visit["code"] for visit in outcome.protocol_data["visits"]][2:4] == ["WEEK2", "CALL"]
    assert any("a decision" in message for message in messages(outcome, "ignored"))


def test_instances_off_the_way_and_encounters_off_the_timeline_are_listed(tmp_path: Path) -> None:
    document = small_usdm()
    timeline_of(document)["instances"][2]["defaultConditionId"] = "I5"
    design_of(document)["encounters"].append({"id": "E9", "name": "E9", "label": "Spare"})
    outcome = imported(document, tmp_path)
    assert [visit["code"] for visit in outcome.protocol_data["visits"]] == [
        "SCREEN", "RANDOMIZE", "WEEK2", "WEEK4", "FUP",
    ]  # fmt: skip
    ignored = messages(outcome, "ignored")
    assert any("'CALL' is not on the default way" in message for message in ignored)
    assert any("'Spare' is on no main timeline" in message for message in ignored)


def test_a_timeline_of_early_termination_gives_an_optional_visit_and_others_none(tmp_path: Path) -> None:
    document = small_usdm()
    for key, condition in (("Stop", "Subject withdraws early"), ("Rash", "Subject has a rash")):
        one = {"id": f"{key}I", "name": key, "label": key, "activityIds": ["ACT2"]}
        design_of(document)["scheduleTimelines"].append(
            {"id": key, "name": key, "entryCondition": condition, "entryId": f"{key}I", "instances": [one]}
        )
    outcome = imported(document, tmp_path)
    assert outcome.protocol_data["visits"][6:] == [
        {
            "code": "STOP",
            "number": 101,
            "name": "Stop",
            "epoch": "FOLLOW_UP",
            "anchor": "none",
            "optional": True,
            "start_rule": "Subject withdraws early",
        }
    ]
    assert any("timeline 'Rash' (Subject has a rash)" in message for message in messages(outcome, "ignored"))


def test_ten_further_contacts_in_a_row_keep_their_numbers_apart(tmp_path: Path) -> None:
    document = small_usdm()
    timeline = timeline_of(document)
    calls = [
        timeline["instances"][3] | {"id": f"K{n}", "name": f"CALL{n}", "defaultConditionId": f"K{n + 1}"}
        for n in range(1, 11)
    ]
    calls[-1]["defaultConditionId"] = "I4"
    timeline["instances"][2]["defaultConditionId"] = "K1"
    timeline["instances"] += calls
    numbers = [visit["number"] for visit in imported(document, tmp_path).protocol_data["visits"]]
    assert numbers[3:5] == [3.01, 3.02]
    assert numbers[12:15] == [3.1, 3.11, 4]
    assert numbers == sorted(set(numbers))


def test_without_a_randomization_activity_its_visit_is_to_fill_in(tmp_path: Path) -> None:
    document = small_usdm()
    timeline_of(document)["instances"][1]["activityIds"] = ["ACT2"]
    outcome = imported(document, tmp_path)
    assert visit_of(outcome, "WEEK2")["anchor"] == "first_dose"
    assert any(message.startswith("randomization[0].visit:") for message in messages(outcome, "to_fill_in"))


def test_an_unknown_epoch_type_and_a_broken_cell_are_doubtful(tmp_path: Path) -> None:
    document = small_usdm()
    design_of(document)["epochs"][1]["type"] = coded("C1", "Rescue Epoch")
    design_of(document)["studyCells"][0]["elementIds"] = ["L77"]
    outcome = imported(document, tmp_path)
    assert outcome.protocol_data["epochs"][1] == {"code": "TREATMENT", "name": "Treatment", "term": "RESCUE"}
    assert len(outcome.protocol_data["cells"]) == 5
    doubts = messages(outcome, "doubtful")
    assert any("its term is taken as RESCUE" in doubt for doubt in doubts)
    assert any("nothing has the id 'L77'" in doubt for doubt in doubts)


def test_names_that_look_alike_get_different_codes(tmp_path: Path) -> None:
    document = small_usdm()
    for arm in design_of(document)["arms"]:
        arm |= {"name": "Xanomeline high dose (81 mg)", "label": "An arm"}
    codes = [arm["code"] for arm in imported(document, tmp_path).protocol_data["arms"]]
    assert codes == ["XANOMELINE_HIGH_DOSE", "XANOMELINE_HIGH_DO_2"]


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("Open Label Study", "open_label"),
        ("Single Blind Study", "single_blind"),
        ("Triple Blind Study", "double_blind"),
    ],
)
def test_the_blinding_schema_is_read(tmp_path: Path, words: str, kind: str) -> None:
    document = small_usdm()
    design_of(document)["blindingSchema"] = {"standardCode": coded("B", words)}
    outcome = imported(document, tmp_path)
    assert outcome.protocol_data["study"]["blinding"] == kind
    assert any("'Triple Blind Study' is taken" in doubt for doubt in messages(outcome, "doubtful")) is (
        words.startswith("Triple")
    )


def places_in(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place below `value`, as the keys that lead there."""
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    return [place for key, child in children for place in [(*path, key), *places_in(child, (*path, key))]]


PLACES = places_in(small_usdm())
ODD = st.sampled_from(
    [None, [], {}, "", "x", 0, -1, 1.5, True, ["x"], [None], [[]], {"id": "A1"}, "P1M", "-P2W", 10**400]
)


@pytest.mark.slow
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.sampled_from(PLACES), st.booleans(), ODD), min_size=1, max_size=6))
def test_a_damaged_document_is_refused_or_drafted_with_only_the_open_places_wrong(
    tmp_path: Path, changes: list[tuple[tuple[Any, ...], bool, Any]]
) -> None:
    document = damaged(small_usdm(), changes)
    file = tmp_path / "damaged.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    try:
        outcome = import_usdm(file)
    except UsdmUnreadable:
        return
    with pytest.raises(ProtocolError) as refused:
        parse_protocol(draft_yaml(outcome, file.name))
    open_places = {finding.path for finding in outcome.of_kind("to_fill_in")}
    assert {problem.path for problem in refused.value.problems} == open_places


def damaged(document: Json, changes: list[tuple[tuple[Any, ...], bool, Any]]) -> Json:
    for place, remove, value in changes:
        owner: Any = document
        try:
            for key in place[:-1]:
                owner = owner[key]
            if remove:
                del owner[place[-1]]
            else:
                owner[place[-1]] = copy.deepcopy(value)
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took that place away
    return document
