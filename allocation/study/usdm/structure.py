"""What is compared and how subjects pass through: arms, epochs, elements, study cells and eligibility criteria."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from allocation.study.usdm.document import JsonObject, UsdmDocument, code_of, decode_of, text
from allocation.study.usdm.naming import CodeMaker, shortened
from allocation.study.usdm.readable_text import TextReader

EPOCH_TERMS = {
    "C125938": "BASELINE",
    "C102255": "BLINDED TREATMENT",
    "C123452": "CONTINUATION TREATMENT",
    "C202578": "FOLLOW-UP",
    "C123453": "INDUCTION TREATMENT",
    "C209541": "INTERVENTION",
    "C202577": "LONG-TERM FOLLOW-UP",
    "C165873": "OBSERVATION",
    "C102256": "OPEN LABEL TREATMENT",
    "C199844": "PRE-SCREENING",
    "C210380": "PRODUCT EXPOSURE",
    "C98779": "RUN-IN",
    "C202487": "SCREENING",
    "C101526": "TREATMENT",
    "C42872": "WASHOUT",
}
"""The CDISC codelist C99079 (EPOCH), NCI release 2025-03-28: code to submission value."""

AFTER_TREATMENT = ("FOLLOW-UP", "LONG-TERM FOLLOW-UP")
"""The epoch terms that lie after treatment."""

IETEST_LENGTH = 200
"""The longest text of an SDTM character variable."""


@dataclass(slots=True)
class CodesById:
    """Which code of the study file stands for which USDM id."""

    arms: dict[str, str] = field(default_factory=dict)
    epochs: dict[str, str] = field(default_factory=dict)
    terms: dict[str, str] = field(default_factory=dict)
    elements: dict[str, str] = field(default_factory=dict)


def arms(document: UsdmDocument, codes: CodesById) -> list[dict[str, Any]]:
    """The `arms` part; ratios are to fill in."""
    maker = CodeMaker(20)
    found = []
    for place, arm in enumerate(document.items(document.design, "arms")):
        name = text(arm, "label", "name", "description")
        code = codes.arms[str(arm.get("id"))] = maker.code(text(arm, "name"), name)
        entry = {"code": code, "name": shortened(name or code, 200)}
        description = ", ".join(
            part for part in (text(arm, "description"), decode_of(arm.get("type"))) if part
        )
        found.append(entry | ({"description": description} if description else {}))
        document.findings.to_fill_in(
            ("arms", place, "ratio"), f"the share of {entry['name']!r} in the allocation, a whole number"
        )
    if not found:
        document.findings.to_fill_in(("arms",), "the document has no arm")
    return found


def epochs(document: UsdmDocument, codes: CodesById) -> list[dict[str, Any]]:
    """The `epochs` part in the order of the study."""
    maker = CodeMaker()
    found = []
    for epoch in document.in_order(document.design, "epochs"):
        name = text(epoch, "label", "name", "description")
        key = str(epoch.get("id"))
        term = EPOCH_TERMS.get(code_of(epoch.get("type")))
        if term is None:
            term = decode_of(epoch.get("type")).upper().removesuffix(" EPOCH") or "TREATMENT"
            document.findings.doubtful(
                document.path(epoch),
                f"{name!r} has no type of the codelist C99079; its term is taken as {term}",
            )
        codes.epochs[key] = maker.code(text(epoch, "name"), name)
        codes.terms[codes.epochs[key]] = term
        found.append({"code": codes.epochs[key], "name": name or codes.epochs[key], "term": term})
    if not found:
        document.findings.to_fill_in(("epochs",), "the document has no epoch")
    return found


def elements(document: UsdmDocument, codes: CodesById) -> list[dict[str, Any]]:
    """The `elements` part; when an element starts in terms of visits is added by `element_starts`."""
    maker = CodeMaker(8)
    found = []
    for place, element in enumerate(document.items(document.design, "elements")):
        name = text(element, "label", "name", "description")
        code = codes.elements[str(element.get("id"))] = maker.code(text(element, "name"), name)
        if len(name) > 40:
            document.findings.doubtful(document.path(element), f"the name {name!r} is cut to 40 characters")
        entry: dict[str, Any] = {"code": code, "name": shortened(name or code, 40)}
        start, end = (_rule(element, key) for key in ("transitionStartRule", "transitionEndRule"))
        if start:
            entry["start_rule"] = start
        else:
            document.findings.to_fill_in(
                ("elements", place, "start_rule"), "the rule by which the element starts"
            )
        found.append(entry | ({"end_rule": end} if end else {}))
    return found


def _rule(owner: JsonObject, key: str) -> str:
    rule = owner.get(key)
    return text(rule, "text", "description") if isinstance(rule, dict) else ""


def cells(document: UsdmDocument, codes: CodesById) -> list[dict[str, Any]]:
    """The `cells` part (arm by epoch): cells that name an unknown arm, epoch or element are left out and remarked."""
    found = []
    for cell in document.items(document.design, "studyCells"):
        arm, epoch = codes.arms.get(str(cell.get("armId"))), codes.epochs.get(str(cell.get("epochId")))
        named = [codes.elements.get(str(one.get("id"))) for one in document.referred(cell, "elementIds")]
        if arm is None or epoch is None or not named or None in named:
            document.findings.doubtful(
                document.path(cell), "the cell names no known arm, epoch or element; left out"
            )
            continue
        found.append({"arm": arm, "epoch": epoch, "elements": named})
    return found


def element_starts(
    document: UsdmDocument,
    codes: CodesById,
    found_elements: list[dict[str, Any]],
    found_cells: list[dict[str, Any]],
    visits: list[dict[str, Any]],
) -> None:
    """Add to each element the visit that it starts at: the first visit of the first epoch that it stands in.

    The first epoch's elements start at screening, those that stand in follow-up epochs only start after treatment.
    """
    order = list(codes.epochs.values())
    for element in found_elements:
        mine = [order.index(cell["epoch"]) for cell in found_cells if element["code"] in cell["elements"]]
        if not mine or min(mine) == 0:
            continue
        epoch = order[min(mine)]
        if codes.terms[epoch] in AFTER_TREATMENT:
            element["starts_after_treatment"] = True
            continue
        first = next((visit["code"] for visit in visits if visit.get("epoch") == epoch), None)
        if first is not None:
            element["starts_at_visit"] = first
            document.findings.doubtful(
                f"{document.path(document.design)}.elements",
                f"{element['code']} ({element['name']}) is taken to start at {first}, the first visit of {epoch}; "
                f"its rule says: {element.get('start_rule', 'nothing')}",
            )


def criteria(document: UsdmDocument) -> list[dict[str, Any]]:
    """The `criteria` part: inclusion and exclusion criteria in the order of the document, readable on one line each."""
    maker = CodeMaker(8)
    reader = TextReader(document)
    found = []
    for criterion in document.items(document.design, "eligibilityCriteria"):
        category = decode_of(criterion.get("category")).lower()
        if not category.startswith(("inclusion", "exclusion")):
            document.findings.doubtful(
                document.path(criterion),
                f"neither inclusion nor exclusion ({category or 'no category'}); left out",
            )
            continue
        item = document.by_id(criterion.get("criterionItemId")) or criterion
        words = reader.plain(item) or text(criterion, "label", "description", "name")
        if not words:
            document.findings.doubtful(document.path(criterion), "a criterion without text; left out")
            continue
        kind = category[:9].upper()
        numbered = re.sub(r"\D", "", text(criterion, "identifier"))
        code = maker.code(text(criterion, "name"), f"{kind[:4]}{numbered}")
        _remark_length(document, item, code, words)
        found.append({"code": code, "category": kind, "text": shortened(words, 2000)})
    return found


def _remark_length(document: UsdmDocument, item: JsonObject, code: str, words: str) -> None:
    if len(words) > 2000:
        document.findings.doubtful(
            document.path(item),
            f"{code}: {len(words)} characters, cut to 2000; write its short form for SDTM IETEST",
        )
    elif len(words) > IETEST_LENGTH:
        document.findings.doubtful(
            document.path(item),
            f"{code}: {len(words)} characters; SDTM IETEST holds {IETEST_LENGTH}, write its short form",
        )
