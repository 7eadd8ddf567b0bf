"""Do bands, calculated doses, measurements and the rules of handing out fit each other, and can every dose be made up?"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from allocation.errors import InvalidParameter
from allocation.rules.calculated_dose import MEASURE_OF, DoseRule, calculate_dose
from allocation.rules.dose_kits import first_dose_not_made_up
from allocation.rules.dosing import measures_needed
from allocation.rules.measures import Measure, Measures
from allocation.study.dose_paths import dispensing_rows
from allocation.study.inconsistency import Findings, Path
from allocation.study.measure_points import plausible_range

if TYPE_CHECKING:
    from allocation.study.protocol import Protocol
    from allocation.study.schedule import Dispensing

MOST_DOSES = 5000
"""The most multiples between the smallest and the largest dose of an entry: a finer step is a slip."""


def check_dosing(protocol: Protocol, findings: Findings) -> None:
    """Append to `findings` what in dosing contradicts itself, or could not be carried out for some subject."""
    before = len(findings.found)
    _check_measurements(protocol, findings)
    if protocol.dosing.home_delivery and not protocol.dosing.confirmation:
        findings.add(
            ("dosing", "home_delivery"),
            True,
            "sends kits home that nobody confirms to have arrived",
            "set dosing.confirmation, or leave it out",
        )
    for index, entry in enumerate(protocol.dispensing):
        _check_entry(protocol, ("dispensing", index), entry, findings)
    _check_forced_first(protocol, findings)
    if len(findings.found) == before:
        _check_planning(protocol, findings)
        for index, entry in enumerate(protocol.dispensing):
            _check_every_dose(protocol, ("dispensing", index), entry, findings)


def _check_measurements(protocol: Protocol, findings: Findings) -> None:
    limits = protocol.dosing.measurements
    path: Path = ("dosing", "measurements")
    for what, low, high, planned in (
        ("weight", "weight_min_kg", "weight_max_kg", "planning_weight_kg"),
        ("height", "height_min_cm", "height_max_cm", "planning_height_cm"),
    ):
        smallest, largest, planning = (getattr(limits, name) for name in (low, high, planned))
        if smallest > largest:
            findings.add((*path, low), smallest, f"is above {high} {largest}", "swap or correct them")
        elif planning is not None and not smallest <= planning <= largest:
            findings.add(
                (*path, planned),
                planning,
                f"is no plausible {what}: {smallest} to {largest}",
                f"correct it, or {low} and {high}",
            )


def _check_entry(protocol: Protocol, path: Path, entry: Dispensing, findings: Findings) -> None:
    if not entry.kits and entry.dose is None:
        findings.add((*path, "kits"), "(none)", "hands out nothing", "name kits, or a dose that kits make up")
    for at, band in enumerate(entry.bands):
        where: Path = (*path, "bands", at)
        if band.at_least is None and band.below is None:
            findings.add((*where, "measure"), band.measure, "has no limit in it", "give at_least or below")
        elif band.at_least is not None and band.below is not None and band.at_least >= band.below:
            findings.add(
                (*where, "at_least"), band.at_least, f"is not less than below {band.below}", "correct them"
            )
    findings.unique((*path, "bands"), [band.measure for band in entry.bands], "measure", "measure")
    dose = entry.dose
    if dose is None:
        return
    where = (*path, "dose")
    kit_types = [kit_type.code for kit_type in protocol.kit_types]
    for at, strength in enumerate(dose.strengths):
        findings.name((*where, "strengths", at, "kit_type"), strength.kit_type, kit_types, "kit type")
    findings.unique((*where, "strengths"), [one.kit_type for one in dose.strengths], "kit type", "kit_type")
    if dose.minimum is not None and dose.maximum is not None and dose.minimum > dose.maximum:
        findings.add(
            (*where, "minimum"), dose.minimum, f"is above maximum {dose.maximum}", "swap or correct them"
        )
    if dose.per != "dose" and dose.round_to is None:
        findings.add(
            (*where, "round_to"),
            "(none)",
            f"leaves a dose per {dose.per} that kits cannot make up exactly",
            "give the multiple that doses are rounded to",
        )
    if dose.per == "dose" and dose.measure_cap is not None:
        findings.add((*where, "measure_cap"), dose.measure_cap, "would be ignored with per dose", "remove it")
    for name in ("minimum", "maximum"):
        limit = getattr(dose, name)
        if limit is not None and dose.round_to is not None and limit % dose.round_to:
            findings.add((*where, name), limit, f"is no multiple of round_to {dose.round_to}", "make it one")


def _check_forced_first(protocol: Protocol, findings: Findings) -> None:
    for index, titration in enumerate(protocol.titration):
        if titration.forced_first is not None and titration.kind != "investigator":
            findings.add(
                ("titration", index, "forced_first"),
                titration.forced_first,
                f"would be ignored by a titration of kind {titration.kind}",
                "remove it",
            )


def _check_planning(protocol: Protocol, findings: Findings) -> None:
    """Supply can plan for subjects who have not been measured yet."""
    rows = dispensing_rows(protocol)
    needed = {one for visit in protocol.visits for one in measures_needed(rows, visit.code)}
    if Measure.BSA in needed:
        needed |= {Measure.WEIGHT, Measure.HEIGHT}
    for measure, name in ((Measure.WEIGHT, "planning_weight_kg"), (Measure.HEIGHT, "planning_height_cm")):
        if measure in needed and getattr(protocol.dosing.measurements, name) is None:
            findings.add(
                ("dosing", "measurements", name),
                "(none)",
                f"leaves supply without a {measure.value} to plan by, on which dispensing depends",
                "give that of a typical subject",
            )


def _check_every_dose(protocol: Protocol, path: Path, entry: Dispensing, findings: Findings) -> None:
    """Every dose between the smallest and the largest that a plausible subject can have is made up by the strengths."""
    rule = next(
        (row.dose for row in dispensing_rows(protocol) if row.entry == path[1] and row.dose is not None), None
    )
    if rule is None:
        return
    where: Path = (*path, "dose", "strengths")
    shown = ", ".join(str(content) for _, content in rule.strengths)
    try:
        lowest, highest = _dose_range(protocol, rule, entry)
    except InvalidParameter as error:
        findings.add(
            (*path, "dose", "round_to"), rule.round_to, error.message, error.fix or "state a minimum"
        )
        return
    step = rule.round_to or highest
    if (highest - lowest) / step > MOST_DOSES:
        findings.add(
            (*path, "dose", "round_to"),
            step,
            f"gives more than {MOST_DOSES} different doses",
            "round to more",
        )
        return
    try:
        missing = first_dose_not_made_up(lowest, highest, step, rule.strengths)
    except InvalidParameter as error:
        findings.add(where, shown, error.message, "state a maximum, or strengths of another unit")
        return
    if missing is not None:
        findings.add(
            where,
            shown,
            f"cannot make up a dose of {missing}",
            "add a strength, or change round_to or the limits",
        )


def _dose_range(protocol: Protocol, rule: DoseRule, entry: Dispensing) -> tuple[Decimal, Decimal]:
    measure = MEASURE_OF[rule.basis]
    if measure is None:
        dose = calculate_dose(rule, None).dose
        return dose, dose
    low, high = plausible_range(protocol, measure)
    for band in entry.bands:
        if band.measure == measure.value:
            low = low if band.at_least is None else max(low, band.at_least)
            high = high if band.below is None else min(high, band.below)
    ends = [calculate_dose(rule, Measures(**{measure.value: value})).dose for value in (low, high)]
    return ends[0], ends[1]
