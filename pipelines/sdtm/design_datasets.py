"""TA, TE, TV, TI: the design of the trial as datasets (SDTMIG 3.4 section 7)."""

import polars as pl

from pipelines.sdtm.readable_text import plain, shortened
from pipelines.sdtm.trial_design import TrialDesign

_TEXT, _INTEGER, _NUMBER = pl.String(), pl.Int64(), pl.Float64()


def ta(design: TrialDesign) -> pl.DataFrame:
    """Trial arms: one record for each element of each arm, in order."""
    names = {arm.code: arm.name for arm in design.arms}
    elements = {element.code: element.name for element in design.elements}
    rows = [
        (
            "TA",
            cell.arm,
            names[cell.arm],
            cell.order,
            cell.element,
            elements[cell.element],
            plain(cell.branch),
            plain(cell.transition),
            cell.epoch,
        )
        for cell in design.cells
    ]
    columns = {"DOMAIN": _TEXT, "ARMCD": _TEXT, "ARM": _TEXT, "TAETORD": _INTEGER, "ETCD": _TEXT}
    columns |= {"ELEMENT": _TEXT, "TABRANCH": _TEXT, "TATRANS": _TEXT, "EPOCH": _TEXT}
    return design.table(rows, columns).sort("ARMCD", "TAETORD")


def te(design: TrialDesign) -> pl.DataFrame:
    """Trial elements: one record for each element that an arm uses. An element without an end rule and duration ends where the
    next one starts, which TEENRL then says (CORE-000027)."""
    used = {cell.element for cell in design.cells}
    rows = [
        (
            "TE",
            element.code,
            element.name,
            plain(element.start_rule),
            plain(element.end_rule)
            or (None if element.duration else "Start of the next element, or end of participation"),
            element.duration or None,
        )
        for element in design.elements
        if element.code in used
    ]
    columns = {"DOMAIN": _TEXT, "ETCD": _TEXT, "ELEMENT": _TEXT, "TESTRL": _TEXT, "TEENRL": _TEXT}
    return design.table(rows, {**columns, "TEDUR": _TEXT}).sort("ETCD")


def tv(design: TrialDesign) -> pl.DataFrame:
    """Trial visits: one record for each planned visit, for every arm alike (ARMCD null). A visit without a start rule starts on
    its planned day, or when needed."""
    rows = [
        (
            "TV",
            float(visit.number),
            visit.name,
            visit.day,
            None,
            None,
            plain(visit.start_rule) or (f"Study day {visit.day}" if visit.day is not None else "When needed"),
            plain(visit.end_rule),
        )
        for visit in design.visits
    ]
    columns = {"DOMAIN": _TEXT, "VISITNUM": _NUMBER, "VISIT": _TEXT, "VISITDY": _INTEGER, "ARMCD": _TEXT}
    return design.table(rows, {**columns, "ARM": _TEXT, "TVSTRL": _TEXT, "TVENRL": _TEXT}).sort("VISITNUM")


def ti(design: TrialDesign) -> pl.DataFrame:
    """Trial inclusion and exclusion criteria: all those of every protocol version that changed them. IETEST is cut at 200
    characters, as the implementation guide asks; the protocol has the whole text."""
    rows = [
        ("TI", criterion.code, shortened(criterion.text), criterion.category, str(version))
        for version, criteria in design.criteria
        for criterion in criteria
    ]
    columns = {"DOMAIN": _TEXT, "IETESTCD": _TEXT, "IETEST": _TEXT, "IECAT": _TEXT, "TIVERS": _TEXT}
    return design.table(rows, columns).sort("TIVERS", "IETESTCD")
