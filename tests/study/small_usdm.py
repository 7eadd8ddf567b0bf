"""A small USDM 4.0 document, made here so that each test can bend one thing in it: 2 arms, 3 epochs, 5 encounters, 6 stops."""

import json
from pathlib import Path
from typing import Any

from allocation.study.usdm import ImportedProtocol, import_usdm

Json = dict[str, Any]


def coded(code: str, decode: str) -> Json:
    return {"id": f"Code_{code}", "code": code, "decode": decode, "instanceType": "Code"}


def quantity(key: str, value: float, unit: str = "") -> Json:
    units = {"standardCode": coded(f"U_{unit}", unit)} if unit else None
    return {"id": key, "value": value, "unit": units, "instanceType": "Quantity"}


def instance(number: int, name: str, epoch: str, encounter: str, activities: list[str]) -> Json:
    return {
        "id": f"I{number}",
        "name": name,
        "label": name.title(),
        "epochId": epoch,
        "encounterId": encounter,
        "activityIds": activities,
        "defaultConditionId": f"I{number + 1}" if number < 6 else None,
        "instanceType": "ScheduledActivityInstance",
    }


def timing(number: int, kind: str, value: str, to: int, window: str | None = None) -> Json:
    return {
        "id": f"T{number}",
        "type": coded(f"TT_{kind}", kind),
        "value": value,
        "relativeToFrom": coded("C201355", "Start to Start"),
        "relativeFromScheduledInstanceId": f"I{number}",
        "relativeToScheduledInstanceId": f"I{to}",
        "windowLower": window,
        "windowUpper": window,
        "instanceType": "Timing",
    }


def encounter(number: int, label: str, **more: Any) -> Json:
    modes = [coded("C175574", "In Person")]
    return {"id": f"E{number}", "name": f"E{number}", "label": label, "contactModes": modes} | more


def epoch(number: int, name: str, code: str, decode: str) -> Json:
    following = f"P{number + 1}" if number < 3 else None
    return {"id": f"P{number}", "name": name, "type": coded(code, decode), "nextId": following}


def activity(key: str, name: str) -> Json:
    return {"id": key, "name": name, "label": name, "instanceType": "Activity"}


def criterion(number: int, name: str, category: str) -> Json:
    return {
        "id": f"C{number}",
        "name": name,
        "category": coded(f"CAT_{category}", f"{category} Criteria"),
        "criterionItemId": f"CI{number}",
    }


def small_usdm() -> Json:
    """A fresh document: screening 2 weeks before, randomization with dispensing, week 2, a call, week 4, follow-up at week 6."""
    arms = [{"id": f"A{n}", "name": name, "label": name} for n, name in ((1, "Active"), (2, "Placebo"))]
    elements = [
        {"id": f"L{n}", "name": name, "label": name, "transitionStartRule": {"text": f"Start of {name}"}}
        for n, name in ((1, "SCR"), (2, "ACT"), (3, "PBO"), (4, "FUP"))
    ]
    cells = [
        {"id": f"{arm}{period}", "armId": arm, "epochId": period, "elementIds": [element]}
        for arm, treatment in (("A1", "L2"), ("A2", "L3"))
        for period, element in (("P1", "L1"), ("P2", treatment), ("P3", "L4"))
    ]
    main = {
        "id": "TL1",
        "name": "Main",
        "mainTimeline": True,
        "entryId": "I1",
        "instances": [
            instance(1, "SCREEN", "P1", "E1", []),
            instance(2, "RANDOMIZE", "P2", "E2", ["ACT1", "ACT2"]),
            instance(3, "WEEK2", "P2", "E3", ["ACT2"]),
            instance(4, "CALL", "P2", "E3", []),
            instance(5, "WEEK4", "P2", "E4", ["ACT2"]),
            instance(6, "FUP", "P3", "E5", ["ACT2"]),
        ],
        "timings": [
            timing(1, "Before", "P2W", 2),
            timing(2, "Fixed Reference", "P1D", 2),
            timing(3, "After", "P2W", 2, "P3D"),
            timing(4, "After", "P7D", 3),
            timing(5, "After", "P4W", 2, "P4D"),
            timing(6, "After", "P6W", 2, "P7D"),
        ],
    }
    telephone = {"contactModes": [coded("C175574", "In Person"), coded("C171537", "Telephone Call")]}
    design = {
        "id": "D1",
        "instanceType": "InterventionalStudyDesign",
        "studyPhase": {"standardCode": coded("C15602", "Phase III Trial")},
        "blindingSchema": {"standardCode": coded("C15228", "Double Blind Study")},
        "arms": arms,
        "epochs": [
            epoch(1, "Screening", "C202487", "Screening Epoch"),
            epoch(2, "Treatment", "C101526", "Treatment Epoch"),
            epoch(3, "Follow-up", "C202578", "Follow-Up Epoch"),
        ],
        "elements": elements,
        "studyCells": cells,
        "encounters": [
            encounter(1, "Screening"),
            encounter(2, "Baseline"),
            encounter(3, "Week 2", **telephone),
            encounter(4, "Week 4"),
            encounter(5, "Week 6"),
        ],
        "activities": [activity("ACT1", "Patient randomised"), activity("ACT2", "Medications dispensed")],
        "scheduleTimelines": [main],
        "eligibilityCriteria": [criterion(1, "IN01", "Inclusion"), criterion(2, "EX01", "Exclusion")],
        "population": {
            "id": "POP",
            "plannedEnrollmentNumber": quantity("Q1", 120.0),
            "plannedSex": [coded("C16576", "Female"), coded("C20197", "Male")],
            "plannedAge": {
                "minValue": quantity("Q2", 18.0, "Year"),
                "maxValue": quantity("Q3", 75.0, "Year"),
            },
        },
    }
    reference = '<usdm:ref klass="Quantity" id="Q2" attribute="value"></usdm:ref>'
    version = {
        "id": "V1",
        "versionIdentifier": "3",
        "studyDesigns": [design],
        "titles": [{"id": "ST1", "text": "A small trial", "type": coded("C99905x2", "Official Study Title")}],
        "studyIdentifiers": [{"id": "SI1", "text": "SMALL-1", "scopeId": "O1"}],
        "organizations": [
            {
                "id": "O1",
                "name": "SPONSOR",
                "label": "A sponsor",
                "type": coded("C70793", "Clinical Study Sponsor"),
            }
        ],
        "eligibilityCriterionItems": [
            {
                "id": "CI1",
                "text": '<p>At least <usdm:tag name="min_age"/> years.</p>',
                "dictionaryId": "DICT",
            },
            {"id": "CI2", "text": "<p>Any of</p><ol><li>one thing</li><li>another &gt; 2</li></ol>"},
        ],
        "dictionaries": [
            {"id": "DICT", "parameterMaps": [{"id": "PM1", "tag": "min_age", "reference": reference}]}
        ],
    }
    return {"study": {"id": None, "name": "Small", "versions": [version]}, "usdmVersion": "4.0.0"}


def design_of(document: Json) -> Json:
    found: Json = document["study"]["versions"][0]["studyDesigns"][0]
    return found


def timeline_of(document: Json) -> Json:
    found: Json = design_of(document)["scheduleTimelines"][0]
    return found


def imported(document: Json, folder: Path) -> ImportedProtocol:
    file = folder / "study.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    return import_usdm(file)


def visit_of(outcome: ImportedProtocol, code: str) -> Json:
    found: Json = next(visit for visit in outcome.protocol_data["visits"] if visit["code"] == code)
    return found


def messages(outcome: ImportedProtocol, kind: str) -> list[str]:
    return [f"{finding.path}: {finding.message}" for finding in outcome.findings if finding.kind == kind]
