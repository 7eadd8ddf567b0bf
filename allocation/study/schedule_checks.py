"""Do visits, dispensing, titration and exposure fit each other and the arms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from allocation.errors import InvalidParameter
from allocation.rules.dosing import DispensingRow
from allocation.study.allocation_scheme import arms_by_visit
from allocation.study.design_checks import check_stratum
from allocation.study.dose_paths import dispensing_rows, reachable_dose_levels, regimen_for
from allocation.study.dosing_checks import check_dosing
from allocation.study.inconsistency import Findings, Path
from allocation.study.measure_points import possible_kits

if TYPE_CHECKING:
    from allocation.study.protocol import Protocol
    from allocation.study.schedule import Titration, Visit


def check_schedule(protocol: Protocol, findings: Findings) -> None:
    """Append to `findings` whatever in the schedule contradicts itself or names what is not there."""
    before = len(findings.found)
    _check_screening(protocol, findings)
    _check_visits(protocol, findings)
    _check_amendment_visit(protocol, findings)
    _check_dose_levels(protocol, findings)
    _check_dispensing(protocol, findings)
    check_dosing(protocol, findings)
    _check_exposure(protocol, findings)
    if len(findings.found) == before:
        # Coverage walks the references, so it is looked at only where they hold: no follow-on messages.
        _check_dispensing_coverage(protocol, findings)
        _check_exposure_coverage(protocol, findings)


def _check_screening(protocol: Protocol, findings: Findings) -> None:
    screening = protocol.screening
    findings.name(("screening", "visit"), screening.visit, [visit.code for visit in protocol.visits], "visit")
    low, high = screening.age_min, screening.age_max
    if low is not None and high is not None and low > high:
        findings.add(("screening", "age_min"), low, f"is above age_max {high}", "swap or correct them")
    visit = protocol.visit(screening.visit)
    for event in protocol.randomization:
        randomized_at = protocol.visit(event.visit)
        if visit is not None and randomized_at is not None and randomized_at.number < visit.number:
            findings.add(
                ("screening", "visit"),
                screening.visit,
                f"has a higher number than visit {event.visit}, where subjects are randomized ({event.code})",
                "screening comes first: correct the visit numbers",
            )


def _check_amendment_visit(protocol: Protocol, findings: Findings) -> None:
    path: Path = ("amendment_visit",)
    code, rule = protocol.amendment_visit, protocol.amendment_rule
    if rule != "from_visit":
        if code is not None:
            findings.add(
                path,
                code,
                f"says nothing with amendment_rule {rule}",
                "set amendment_rule: from_visit, or leave it out",
            )
        return
    if code is None:
        findings.add(
            ("amendment_rule",), rule, "does not say from which visit", "name the visit as amendment_visit"
        )
        return
    if not findings.name(path, code, [visit.code for visit in protocol.visits], "visit"):
        return
    visit = protocol.visit(code)
    if visit is not None and visit.optional:
        findings.add(
            path, code, "is optional, so that not every subject comes to it", "name a visit of the schedule"
        )


def _check_visits(protocol: Protocol, findings: Findings) -> None:
    findings.unique(("visits",), [visit.code for visit in protocol.visits], "code", "code")
    findings.unique(("visits",), [visit.number for visit in protocol.visits], "number", "number")
    first_number = min(visit.number for visit in protocol.visits)
    for index, visit in enumerate(protocol.visits):
        path: Path = ("visits", index)
        findings.name((*path, "epoch"), visit.epoch, [epoch.code for epoch in protocol.epochs], "epoch")
        findings.names(
            (*path, "cohorts"), visit.cohorts, [cohort.code for cohort in protocol.cohorts], "cohort"
        )
        for at, stratum in enumerate(visit.strata):
            check_stratum(protocol, (*path, "strata", at), stratum, findings)
        events = [event.code for event in protocol.randomization]
        findings.name((*path, "anchor_event"), visit.anchor_event, events, "randomization event")
        if visit.anchor_event is not None and visit.anchor != "randomization":
            findings.add(
                (*path, "anchor_event"),
                visit.anchor_event,
                f"would be ignored with anchor {visit.anchor}",
                "remove it, or set anchor: randomization",
            )
        _check_target(visit, visit.number == first_number, path, findings)


def _check_target(visit: Visit, is_first: bool, path: Path, findings: Findings) -> None:
    path = (*path, "target_day")
    day = visit.target_day
    if visit.anchor == "none":
        if day is not None:
            findings.add(path, day, "would be ignored with anchor none", "remove it, or name its anchor")
        return
    if day is None:
        findings.add(
            path,
            "(none)",
            f"is no day to plan by, with anchor {visit.anchor}",
            "give it, or set anchor: none",
        )
    elif day == 0 and visit.anchor != "previous_visit":
        findings.add(
            path, day, "is no study day", "the anchor's day is 1 and the day before it is -1 (CDISC)"
        )
    elif visit.anchor == "previous_visit" and day < 1:
        findings.add(path, day, "is not after the previous visit", "give the days after it, from 1")
    if visit.anchor == "previous_visit" and is_first:
        findings.add(
            (*path[:-1], "anchor"),
            visit.anchor,
            "has no visit before it",
            "anchor the first visit at screening",
        )


def _check_dose_levels(protocol: Protocol, findings: Findings) -> None:
    levels = [level.code for level in protocol.dose_levels]
    findings.unique(("dose_levels",), levels, "code", "code")
    findings.unique(("dose_levels",), [level.order for level in protocol.dose_levels], "order", "order")
    findings.unique(("dose_levels",), [level.label for level in protocol.dose_levels], "label", "label")
    findings.unique(("titration",), [titration.code for titration in protocol.titration], "code", "code")
    moved: dict[tuple[str, str], str] = {}
    for index, titration in enumerate(protocol.titration):
        path: Path = ("titration", index)
        findings.names((*path, "arms"), titration.arms, [arm.code for arm in protocol.arms], "arm")
        findings.names(
            (*path, "visits"), titration.visits, [visit.code for visit in protocol.visits], "visit"
        )
        for key in ("to_level", "min_level", "max_level"):
            findings.name((*path, key), getattr(titration, key), levels, "dose level")
        _check_titration_kind(titration, path, findings)
        _check_start_levels(protocol, titration, path, findings)
        for at, visit in enumerate(titration.visits):
            for arm in titration.arms:
                other = moved.setdefault((visit, arm), titration.code)
                if other != titration.code:
                    findings.add(
                        (*path, "visits", at),
                        visit,
                        f"moves arm {arm} by {titration.code} and by {other} at once",
                        "let one titration move an arm at a visit",
                    )


def _check_titration_kind(titration: Titration, path: Path, findings: Findings) -> None:
    needed = ("to_level",) if titration.kind == "scheduled" else ("min_level", "max_level")
    for key in ("to_level", "min_level", "max_level"):
        value = getattr(titration, key)
        if key in needed and value is None:
            findings.add(
                (*path, key), "(none)", f"is missing for a titration of kind {titration.kind}", f"give {key}"
            )
        if key not in needed and value is not None:
            findings.add(
                (*path, key),
                value,
                f"would be ignored by a titration of kind {titration.kind}",
                f"remove {key}",
            )


def _check_start_levels(protocol: Protocol, titration: Titration, path: Path, findings: Findings) -> None:
    order = {level.code: level.order for level in protocol.dose_levels}
    low, high = order.get(titration.min_level or ""), order.get(titration.max_level or "")
    if low is not None and high is not None and low > high:
        findings.add(
            (*path, "min_level"),
            titration.min_level,
            f"is above max_level {titration.max_level}",
            "swap them",
        )
    for at, code in enumerate(titration.arms):
        arm = protocol.arm(code)
        if arm is None:
            continue
        start = order.get(arm.start_dose_level or "")
        if arm.start_dose_level is None:
            findings.add(
                (*path, "arms", at),
                code,
                "has no start_dose_level to move from",
                "give the arm a start_dose_level",
            )
        elif (
            start is not None
            and low is not None
            and high is not None
            and low <= high
            and not low <= start <= high
        ):
            findings.add(
                (*path, "arms", at),
                code,
                f"starts at {arm.start_dose_level}, outside {titration.min_level} to {titration.max_level}",
                "widen min_level and max_level, or change the arm's start_dose_level",
            )


def _check_dispensing(protocol: Protocol, findings: Findings) -> None:
    visits = {visit.code: visit for visit in protocol.visits}
    for index, entry in enumerate(protocol.dispensing):
        path: Path = ("dispensing", index)
        findings.names((*path, "visits"), entry.visits, list(visits), "visit")
        findings.name((*path, "arm"), entry.arm, [arm.code for arm in protocol.arms], "arm")
        levels = [level.code for level in protocol.dose_levels]
        findings.name((*path, "dose_level"), entry.dose_level, levels, "dose level")
        kit_types = [one.code for one in protocol.kit_types]
        for at, kit in enumerate(entry.kits):
            findings.name((*path, "kits", at, "kit_type"), kit.kit_type, kit_types, "kit type")
        findings.unique((*path, "kits"), [kit.kit_type for kit in entry.kits], "kit type", "kit_type")
        for at, code in enumerate(entry.visits):
            if code in visits and not visits[code].dispensing:
                findings.add(
                    (*path, "visits", at),
                    code,
                    "is not a dispensing visit",
                    "set dispensing: true at that visit",
                )


def _check_dispensing_coverage(protocol: Protocol, findings: Findings) -> None:
    """Every arm that subjects may be in by then, at every dose level that it can reach, gets something at every dispensing visit."""
    rows = dispensing_rows(protocol)
    for index, visit in enumerate(protocol.visits):
        if not visit.dispensing:
            continue
        for arm in arms_by_visit(protocol, visit):
            for level in sorted(reachable_dose_levels(protocol, arm)[visit.code], key=str):
                if not _dispenses(protocol, rows, visit.code, arm.code, level):
                    at_level = f" at dose level {level}" if level is not None else ""
                    findings.add(
                        ("visits", index, "dispensing"),
                        visit.code,
                        f"is a dispensing visit, but arm {arm.code}{at_level} gets nothing there",
                        "add an entry under dispensing that names the visit and the arm (or no arm, for all)",
                    )


def _dispenses(
    protocol: Protocol, rows: tuple[DispensingRow, ...], visit: str, arm: str, level: str | None
) -> bool:
    try:
        found = possible_kits(protocol, rows, visit, arm, level)
    except InvalidParameter:  # the rule's word for: rows for this visit and arm, but none for this level
        return False
    return all(row is not None for row, _ in found)


def _check_exposure(protocol: Protocol, findings: Findings) -> None:
    exposure = protocol.exposure
    visits = [visit.code for visit in protocol.visits]
    levels = [level.code for level in protocol.dose_levels]
    for index, period in enumerate(exposure.periods):
        findings.name(("exposure", "periods", index, "visit"), period.visit, visits, "visit")
    starts = [(period.visit, period.offset_days) for period in exposure.periods]
    findings.unique(("exposure", "periods"), starts, "period start")
    period_visits = [period.visit for period in exposure.periods]
    for index, regimen in enumerate(exposure.regimens):
        path: Path = ("exposure", "regimens", index)
        findings.name((*path, "arm"), regimen.arm, [arm.code for arm in protocol.arms], "arm")
        findings.name((*path, "dose_level"), regimen.dose_level, levels, "dose level")
        for at, visit in enumerate(regimen.visits):
            if findings.name((*path, "visits", at), visit, visits, "visit") and visit not in period_visits:
                findings.add(
                    (*path, "visits", at),
                    visit,
                    "starts no exposure period",
                    "add it to exposure.periods, or remove it",
                )


def _check_exposure_coverage(protocol: Protocol, findings: Findings) -> None:
    """Every arm, at every dose level that it can reach, has a regimen in every exposure period in which something is taken."""
    for index, period in enumerate(protocol.exposure.periods):
        at = protocol.visit(period.visit)
        for arm in arms_by_visit(protocol, at) if period.treated and at is not None else ():
            for level in sorted(reachable_dose_levels(protocol, arm)[period.visit], key=str):
                if regimen_for(protocol, period.visit, arm.code, level) is None:
                    at_level = f" at dose level {level}" if level is not None else ""
                    findings.add(
                        ("exposure", "periods", index, "visit"),
                        period.visit,
                        f"starts an exposure period in which arm {arm.code}{at_level} has no regimen",
                        "add one under exposure.regimens (SDTM EX needs treatment and dose)",
                    )
