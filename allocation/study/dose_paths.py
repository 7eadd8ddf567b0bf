"""Which dose levels a subject of an arm can have at each visit, and what is dispensed then: the whole decision space.

The coverage checks, the acceptance tests that enumerate every combination, and the views of a protocol use it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from allocation.rules.calculated_dose import DoseBasis, DoseRule, Rounding
from allocation.rules.dosing import NO_FORCED_STEP, DispensingRow, titration_step
from allocation.rules.measures import Band, Measure
from allocation.study.subject_schedule import scheduled_dose_level

if TYPE_CHECKING:
    from allocation.study.design import Arm
    from allocation.study.protocol import Protocol
    from allocation.study.schedule import Dispensing, Regimen, Titration


def visits_in_order(protocol: Protocol) -> list[str]:
    """The codes of the planned visits by visit number."""
    return [visit.code for visit in sorted(protocol.visits, key=lambda visit: visit.number)]


def reachable_dose_levels(protocol: Protocol, arm: Arm) -> dict[str, frozenset[str | None]]:
    """Visit code -> the dose levels that a subject of `arm` may have when dispensed at that visit.

    A titration counts from its visit's own dispensing on. An arm without a start level stays at None. An investigator's
    titration moves the level of every arm that has one, since blinded people must see the same everywhere.
    """
    order = [level.code for level in sorted(protocol.dose_levels, key=lambda level: level.order)]
    levels: set[str | None] = {arm.start_dose_level}
    reachable: dict[str, frozenset[str | None]] = {}
    for visit in visits_in_order(protocol):
        levels = {scheduled_dose_level(protocol, arm.code, level, visit) for level in levels}
        for titration in protocol.titration:
            if visit in titration.visits and arm.start_dose_level is not None:
                levels = _after(titration, levels, order)
        reachable[visit] = frozenset(levels)
    return reachable


def _after(titration: Titration, levels: set[str | None], order: list[str]) -> set[str | None]:
    """The levels that an investigator may have moved `levels` to; those themselves, for a scheduled titration."""
    if titration.min_level not in order or titration.max_level not in order:
        return levels
    lowest, highest = order.index(titration.min_level), order.index(titration.max_level)
    moved = set(levels)
    for level in levels:
        if level in order:
            for steps in range(-titration.max_steps, titration.max_steps + 1):
                after, _ = titration_step(
                    order.index(level), steps, lowest, highest, titration.max_steps, NO_FORCED_STEP
                )
                moved.add(order[after])
    return moved


def arms_of_treatment(protocol: Protocol, treatment: str, visit: str) -> tuple[str, ...]:
    """The arms that are given `treatment` in the epoch of `visit`: sequences of a crossover, each in one of its periods."""
    found = protocol.visit(visit)
    epoch = None if found is None else found.epoch
    return tuple(
        arm.code
        for arm in protocol.arms
        if any(one.treatment == treatment and one.epoch == epoch for one in arm.treatments)
    )


def dispensing_rows(protocol: Protocol) -> tuple[DispensingRow, ...]:
    """The dispensing table as `allocation.rules.dosing.kits_due` takes it; `DispensingRow.entry` is the place in the protocol.

    An entry that is stated by treatment becomes a row for each arm and visit at which the arm is given it.
    """
    rows = []
    for index, entry in enumerate(protocol.dispensing):
        kits = tuple((kit.kit_type, kit.quantity) for kit in entry.kits)
        bands = tuple(Band(Measure(band.measure), band.at_least, band.below) for band in entry.bands)
        dose = _dose_rule(entry)
        if entry.treatment is None:
            rows.append(DispensingRow(entry.visits, entry.arm, entry.dose_level, kits, index, bands, dose))
            continue
        rows += [
            DispensingRow((visit,), arm, entry.dose_level, kits, index, bands, dose)
            for visit in entry.visits
            for arm in arms_of_treatment(protocol, entry.treatment, visit)
            if entry.arm in (None, arm)
        ]
    return tuple(rows)


def _dose_rule(entry: Dispensing) -> DoseRule | None:
    if entry.dose is None:
        return None
    dose = entry.dose
    return DoseRule(
        amount=dose.amount,
        basis=DoseBasis(dose.per),
        strengths=tuple((one.kit_type, one.amount) for one in dose.strengths),
        round_to=dose.round_to,
        rounding=Rounding(dose.rounding),
        measure_cap=dose.measure_cap,
        minimum=dose.minimum,
        maximum=dose.maximum,
    )


def dose_labels_are_blind(protocol: Protocol) -> bool:
    """Whether a subject's dose label says nothing of the arm: every arm starts alike and is moved by the same rules.

    The investigator's titration moves the level in every arm; a scheduled one does only in its own arms.
    """
    starts = {arm.start_dose_level for arm in protocol.arms}
    arms = {arm.code for arm in protocol.arms}
    return len(starts) == 1 and all(
        titration.kind == "investigator" or set(titration.arms) == arms for titration in protocol.titration
    )


def dose_label(protocol: Protocol, level: str | None) -> str | None:
    """The blinded word for a dose level; None where labels could tell arms apart, or there is none."""
    if level is None or not dose_labels_are_blind(protocol):
        return None
    return next((one.label for one in protocol.dose_levels if one.code == level), None)


def regimen_for(
    protocol: Protocol, visit: str, arm: str, dose_level: str | None
) -> tuple[int, Regimen] | None:
    """The first regimen that matches, with its position in the protocol; None where there is none."""
    for index, regimen in enumerate(protocol.exposure.regimens):
        if (
            regimen.arm == arm
            and (regimen.dose_level is None or regimen.dose_level == dose_level)
            and (not regimen.visits or visit in regimen.visits)
        ):
            return index, regimen
    return None
