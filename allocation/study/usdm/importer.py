"""A whole study file from a USDM 4 document, with everything named that a person must still decide or check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from allocation.study.usdm.document import UsdmDocument, decode_of, number_of, open_document, text
from allocation.study.usdm.findings import Findings, ImportedProtocol
from allocation.study.usdm.identity import planned_age, study_identity, trial_parameters
from allocation.study.usdm.structure import (
    CodesById,
    arms,
    cells,
    criteria,
    element_starts,
    elements,
    epochs,
)
from allocation.study.usdm.visits import Schedule, schedule

NOT_IN_USDM = (
    (("stratification",), "the stratification factors with their levels; [] for none"),
    (("randomization", 0, "method"), "list (a statistician's upload), permuted_block, minimization, ..."),
    (("randomization", 0, "block_sizes"), "the block sizes of permuted_block; [] for other methods"),
    (
        ("randomization", 0, "factors"),
        "the codes of the factors that this randomization is stratified by; [] for none",
    ),
    (
        ("randomization", 0, "held_by"),
        "who holds a block sequence beside the stratum: stratum, site, country or region",
    ),
    (("dispensing",), "what each arm (and dose level) receives at the dispensing visits"),
    (("blinding_groups",), "the groups of kit types that blinded people cannot tell apart"),
    (("kit_types",), "the kinds of kit, with units, expiry windows and blinding group"),
    (("depots",), "the depots"),
    (("countries",), "the countries, each with the depot that supplies it"),
    (("lanes",), "the lead time in days from each depot to each country"),
    (("sites",), "the sites that are known by now; [] when they are opened later"),
    (("supply",), "when resupply runs and its parameters; {} for the defaults"),
)
"""What an RTSM needs and USDM 4.0 has no class for: place in the study file, and what belongs there."""


def import_usdm(path: str | Path) -> ImportedProtocol:
    """Read the USDM 4.0 JSON file at `path` into the data of a study file.

    Arms, epochs, elements, cells, visits with target days and windows, randomization and dispensing visits, criteria and trial
    parameters are taken over; all that is ignored, doubtful or to fill in is in the findings. Nothing is invented: a place that
    USDM leaves open is missing in `protocol_data`.

    Raises UsdmUnreadable where the file is no USDM 4 document.
    """
    findings = Findings()
    document = open_document(Path(path), findings)
    codes = CodesById()
    data: dict[str, Any] = {"schema_version": 1, "study": study_identity(document)}
    data["arms"] = arms(document, codes)
    data["randomization"] = [{"code": "RANDOMIZATION"}]
    data["criteria"] = criteria(document)
    found_epochs = epochs(document, codes)
    found_elements = elements(document, codes)
    found_cells = cells(document, codes)
    planned = schedule(document, codes)
    element_starts(document, codes, found_elements, found_cells, planned.visits)
    data["screening"] = _screening(document, planned)
    data |= {
        "epochs": found_epochs,
        "elements": found_elements,
        "cells": found_cells,
        "visits": planned.visits,
    }
    data["trial_parameters"] = trial_parameters(document)
    if planned.randomization is not None:
        data["randomization"][0]["visit"] = planned.randomization
    else:
        findings.to_fill_in(
            ("randomization", 0, "visit"), "no activity says that the patient is randomized: the visit's code"
        )
    for place, what in NOT_IN_USDM:
        findings.to_fill_in(place, what)
    _remark_the_rest(document)
    return ImportedProtocol(
        {key: value for key, value in data.items() if value not in ([], {})}, findings.found
    )


def _screening(document: UsdmDocument, planned: Schedule) -> dict[str, Any]:
    screening: dict[str, Any] = {}
    if planned.screening is not None:
        screening["visit"] = planned.screening
    else:
        document.findings.to_fill_in(("screening", "visit"), "the visit that a subject is screened at")
    for key, end in (("age_min", "minValue"), ("age_max", "maxValue")):
        age = planned_age(document, end)
        if age is not None:
            screening[key] = age
    return screening


def _remark_the_rest(document: UsdmDocument) -> None:
    """Say what the document has beside the imported parts, as far as someone setting up an RTSM would want to know."""
    for intervention in document.items(document.version, "studyInterventions"):
        for administration in document.items(intervention, "administrations"):
            dose = administration.get("dose")
            amount = number_of(dose)
            facts = [
                text(intervention, "label", "name"),
                text(administration, "description", "label", "name"),
                f"{amount:g}" if amount is not None else "",
                decode_of(dose.get("unit")) if isinstance(dose, dict) else "",
                decode_of(administration.get("frequency")),
                decode_of(administration.get("route")),
            ]
            document.findings.ignored(
                document.path(administration),
                f"an administration ({', '.join(fact for fact in facts if fact)}): use it for dose levels and exposure",
            )
    for characteristic in document.design.get("characteristics") or []:
        document.findings.ignored(
            f"{document.path(document.design)}.characteristics",
            f"the design is called {decode_of(characteristic)}",
        )
    for organization in document.items(document.version, "organizations"):
        for site in document.items(organization, "managedSites"):
            document.findings.ignored(
                document.path(site), f"the site {text(site, 'label', 'name')!r}: add it under sites"
            )
    for owner, key, what in (
        (document.version, "biomedicalConcepts", "biomedical concepts belong to the EDC"),
        (document.version, "narrativeContentItems", "narrative text of the protocol"),
        (document.version, "conditions", "conditions on activities"),
        (document.design, "estimands", "estimands"),
        (document.design, "analysisPopulations", "analysis populations"),
    ):
        count = len(document.items(owner, key))
        if count:
            document.findings.ignored(f"{document.path(owner)}.{key}", f"{what} ({count})")
