"""A protocol whose dosing contradicts itself, or leaves some subject without a dose, is refused with the place and the fix."""

from typing import Any

import pytest

from allocation.study.dose_paths import dispensing_rows
from allocation.study.measure_points import possible_kits
from allocation.study.protocol import Protocol
from tests.study.small_protocol import assert_refused, with_changes

PLANNED = {"measurements": {"planning_weight_kg": 70, "planning_height_cm": 170}}
KIT = [{"kit_type": "K1", "quantity": 1}]


def dose(**changes: Any) -> dict[str, Any]:
    """2 mg per kg, from 10 to 100 mg in steps of 10, of 10 and 20 mg."""
    stated: dict[str, Any] = {
        "amount": 2,
        "unit": "mg",
        "per": "kg",
        "round_to": 10,
        "minimum": 10,
        "maximum": 100,
        "strengths": [{"kit_type": "K1", "amount": 10}, {"kit_type": "K2", "amount": 20}],
    }
    return {key: value for key, value in (stated | changes).items() if value is not None}


def entry(**parts: Any) -> dict[str, Any]:
    """What arm P gets at V2 and V3, in place of its kits."""
    return {"dispensing[2]": {"visits": ["V2", "V3"], "arm": "P", **parts}, "dosing": PLANNED}


def band(**limits: Any) -> dict[str, Any]:
    return {"measure": "weight", **limits}


DOSE = "dispensing[2].dose"


@pytest.mark.parametrize(
    ("changes", "path", "value", "fix"),
    [
        (entry(), "dispensing[2].kits", "(none)", "name kits"),
        (
            entry(kits=KIT, bands=[band()]),
            "dispensing[2].bands[0].measure",
            "weight",
            "give at_least or below",
        ),
        (
            entry(kits=KIT, bands=[band(at_least=60, below=60)]),
            "dispensing[2].bands[0].at_least",
            "60",
            "correct them",
        ),
        (
            entry(kits=KIT, bands=[band(at_least=60), band(below=90)]),
            "dispensing[2].bands[1].measure",
            "weight",
            "give each its own",
        ),
        (entry(kits=KIT, bands=[band(below=60)]), "visits[1].dispensing", "V2", "add an entry"),
        (
            entry(dose=dose(strengths=[{"kit_type": "K9", "amount": 10}])),
            f"{DOSE}.strengths[0].kit_type",
            "K9",
            "use one of K1",
        ),
        (entry(dose=dose(minimum=110)), f"{DOSE}.minimum", "110", "swap"),
        (entry(dose=dose(minimum=15)), f"{DOSE}.minimum", "15", "make it one"),
        (entry(dose=dose(round_to=None)), f"{DOSE}.round_to", "(none)", "give the multiple"),
        (entry(dose=dose(per="dose", measure_cap=100)), f"{DOSE}.measure_cap", "100", "remove it"),
        (entry(dose=dose(round_to=5, minimum=10)), f"{DOSE}.strengths", "10, 20", "add a strength"),
        (entry(dose=dose(minimum=None)), f"{DOSE}.round_to", "10", "state a minimum"),
        (
            {**entry(dose=dose()), "dosing": {}},
            "dosing.measurements.planning_weight_kg",
            "(none)",
            "typical subject",
        ),
        (
            {"dosing": {"measurements": {"weight_min_kg": 90, "weight_max_kg": 80}}},
            "dosing.measurements.weight_min_kg",
            "90",
            "swap",
        ),
        (
            {"dosing": {"measurements": {"planning_height_cm": 300}}},
            "dosing.measurements.planning_height_cm",
            "300",
            "correct it",
        ),
        (
            {"titration[0].kind": "scheduled", "titration[0].forced_first": "up"},
            "titration[0].forced_first",
            "up",
            "remove it",
        ),
        ({"dosing": {"home_delivery": True}}, "dosing.home_delivery", "True", "set dosing.confirmation"),
        ({"visits[2].anchor_event": "X"}, "visits[2].anchor_event", "X", "use one of R"),
        (
            {"visits[2].anchor_event": "R", "visits[2].anchor": "screening"},
            "visits[2].anchor_event",
            "R",
            "set anchor: randomization",
        ),
    ],
)
def test_dosing_that_cannot_be_carried_out_is_refused_at_its_place(changes, path, value, fix) -> None:
    assert_refused(changes, path, value, fix)


def test_every_kind_of_subject_that_a_visit_tells_apart_is_walked() -> None:
    changes = entry(kits=KIT, bands=[band(below=60)])
    changes["dispensing[3]"] = {
        "visits": ["V2", "V3"],
        "arm": "P",
        "bands": [band(at_least=60)],
        "dose": dose(amount=1),
    }
    study = Protocol.model_validate(with_changes(changes))
    found = possible_kits(study, dispensing_rows(study), "V2", "P", "LOW")
    assert (2, (("K1", 1),)) in found
    assert (3, (("K2", 3),)) in found  # 60 kg, 60 mg
    assert (3, (("K2", 5),)) in found  # the heaviest, 100 mg
    assert len(found) == 3
