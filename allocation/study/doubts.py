"""What is legal in a protocol but doubtful: it may unblind, waste or surprise. Shown by `rtsm study validate`, never refused."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from allocation.study.allocation_scheme import arms_by_visit
from allocation.study.buffers import SET_BY, possible_buffers
from allocation.study.dose_paths import dispensing_rows, reachable_dose_levels, regimen_for
from allocation.study.inconsistency import Findings, Inconsistency, Path
from allocation.study.measure_points import possible_kits
from allocation.study.newcomers import newcomers
from allocation.study.subject_schedule import SubjectPath, visits_ahead
from allocation.study.supply import stays_valid
from allocation.study.supply_checks import each_effective, source_path

if TYPE_CHECKING:
    from allocation.study.protocol import Protocol

_RANDOMIZED_ON = date(2001, 1, 1)
"""Any date: only differences between the visits of one subject are looked at."""


def warnings(protocol: Protocol) -> list[Inconsistency]:
    """Everything doubtful in `protocol`, which is consistent: path, value, why, and what to do about it."""
    findings = Findings()
    _doubt_numbers(protocol, findings)
    _doubt_unused(protocol, findings)
    _doubt_visits(protocol, findings)
    _doubt_blinding(protocol, findings)
    _doubt_dispensing(protocol, findings)
    _doubt_thresholds(protocol, findings)
    _doubt_edc(protocol, findings)
    return findings.found


def _doubt_numbers(protocol: Protocol, findings: Findings) -> None:
    planned = protocol.study.planned_subjects
    for part, total in (
        ("countries", sum(country.planned_subjects for country in protocol.countries)),
        ("sites", sum(site.planned_subjects for site in protocol.sites)),
    ):
        if planned and total and total != planned:
            findings.add(
                ("study", "planned_subjects"),
                planned,
                f"differs from the {total} that its {part} plan together",
                "make the two agree",
            )
    for index, country in enumerate(protocol.countries):
        own = sum(site.country == country.code for site in protocol.sites)
        if country.planned_sites and own > country.planned_sites:
            findings.add(
                ("countries", index, "planned_sites"),
                country.planned_sites,
                f"is below the {own} sites that {country.code} has here",
                "make the two agree",
            )


def _doubt_unused(protocol: Protocol, findings: Findings) -> None:
    used: dict[str, set[str | None]] = {
        "stratification": {factor for event in protocol.randomization for factor in event.factors},
        "elements": {element for cell in protocol.cells for element in cell.elements},
        "kit_types": {kit for entry in protocol.dispensing for kit in entry.kit_types},
        "blinding_groups": {kit_type.blinding_group for kit_type in protocol.kit_types},
        "depots": {country.depot for country in protocol.countries}
        | {site.depot for site in protocol.sites}
        | {depot.supplied_by for depot in protocol.depots},
    }
    words = {
        "stratification": "is a factor that no randomization event uses",
        "elements": "is an element that no cell holds",
        "kit_types": "is a kit type that no visit dispenses",
        "blinding_groups": "is a blinding group without kit types",
        "depots": "is a depot that supplies nobody",
    }
    for part, message in words.items():
        for index, one in enumerate(getattr(protocol, part)):
            if one.code not in used[part]:
                findings.add((part, index, "code"), one.code, message, "use it, or remove it")
    if not protocol.cells:
        findings.add(
            ("cells",),
            "(none)",
            "leaves SDTM TA and SE empty",
            "say what each arm goes through in each epoch",
        )
    if protocol.dispensing and not protocol.exposure.periods:
        findings.add(
            ("exposure", "periods"), "(none)", "leaves SDTM EX empty", "say when dosing periods start"
        )


def _kinds_of_subject(protocol: Protocol) -> list[SubjectPath]:
    """A subject of each cohort and stratum that some visit depends on, for the schedules that there are."""
    cohorts: list[str | None] = [cohort.code for cohort in protocol.cohorts]
    strata: list[str] = sorted({key for visit in protocol.visits for key in visit.strata})
    screened_on = _RANDOMIZED_ON - timedelta(days=365)
    return [
        SubjectPath("", screened_on, _RANDOMIZED_ON, _RANDOMIZED_ON, cohort=cohort, stratum=stratum)
        for cohort in cohorts or [None]
        for stratum in (None, *strata)
    ]


def _doubt_visits(protocol: Protocol, findings: Findings) -> None:
    position = {visit.code: index for index, visit in enumerate(protocol.visits)}
    for index, visit in enumerate(protocol.visits):
        if visit.anchor == "none" and not visit.optional:
            findings.add(
                ("visits", index, "optional"),
                visit.code,
                "has no day to plan it by, but is on every path",
                "set it to true",
            )
    found: dict[Path, tuple[str, str]] = {}
    for subject in _kinds_of_subject(protocol):
        ahead = [
            (visit, window)
            for visit, window in visits_ahead(protocol, subject)
            if visit.anchor != "screening"
        ]
        for (earlier, before), (later, after) in pairwise(ahead):
            path: Path = ("visits", position[later.code], "window_before")
            if after.target <= before.target:
                found[(*path[:-1], "target_day")] = (
                    later.code,
                    f"is not after visit {earlier.code}, by their days",
                )
            elif after.opens <= before.closes:
                found[path] = (later.code, f"has a window that overlaps that of visit {earlier.code}")
    for where, (code, message) in found.items():
        findings.add(
            where, code, message, "a visit on such a day could be either: narrow a window or move a day"
        )


def _doubt_blinding(protocol: Protocol, findings: Findings) -> None:
    if protocol.study.blinding == "open_label":
        return
    group_of = {kit_type.code: kit_type.blinding_group for kit_type in protocol.kit_types}
    rows = dispensing_rows(protocol)
    levels = {arm.code: reachable_dose_levels(protocol, arm) for arm in protocol.arms}
    for index, visit in enumerate(protocol.visits):
        looks: dict[str | None, dict[tuple[tuple[tuple[str, int], ...], ...], str]] = {}
        for arm in arms_by_visit(protocol, visit) if visit.dispensing else ():
            for level in levels[arm.code][visit.code]:
                seen = []
                for _, kits in possible_kits(protocol, rows, visit.code, arm.code, level):
                    count = Counter[str]()
                    for kit_type, quantity in kits:
                        count[group_of[kit_type]] += quantity
                    seen.append(tuple(sorted(count.items())))
                looks.setdefault(level, {}).setdefault(tuple(dict.fromkeys(seen)), arm.code)
        for level, by_look in looks.items():
            if len(by_look) > 1:
                shown = "; ".join(
                    f"{arm}: {' or '.join(_look_text(look) for look in looks_of_arm)}"
                    for looks_of_arm, arm in by_look.items()
                )
                findings.add(
                    ("visits", index),
                    visit.code,
                    f"hands out different looking kits{f' at {level}' if level else ''} ({shown}), which shows the arm",
                    "dispense the same number of each blinding group in every arm (add matching placebo)",
                )
    titrated = any(titration.kind == "investigator" for titration in protocol.titration)
    for index, arm in enumerate(protocol.arms):
        if titrated and arm.start_dose_level is None:
            findings.add(
                ("arms", index, "start_dose_level"),
                arm.code,
                "is never asked for a dose move while other arms are, which shows the arm",
                "give it a start_dose_level too (its kits need not follow it)",
            )
    _doubt_lookalikes(protocol, findings)


def _doubt_lookalikes(protocol: Protocol, findings: Findings) -> None:
    first: dict[str, int] = {}
    for index, kit_type in enumerate(protocol.kit_types):
        like = protocol.kit_types[first.setdefault(kit_type.blinding_group, index)]
        for name in ("units_per_kit", "unit", "storage", "expiry", "block_size", "serialized"):
            mine, theirs = getattr(kit_type, name), getattr(like, name)
            if mine != theirs:
                findings.add(
                    ("kit_types", index, name),
                    mine,
                    f"differs from {like.code} ({theirs}), which looks alike: people could tell them apart by it",
                    "make them equal, or put the two into different blinding groups",
                )


def _look_text(look: tuple[tuple[str, int], ...]) -> str:
    return ", ".join(f"{quantity} {group}" for group, quantity in look)


def _doubt_dispensing(protocol: Protocol, findings: Findings) -> None:
    rows = dispensing_rows(protocol)
    levels = {arm.code: reachable_dose_levels(protocol, arm) for arm in protocol.arms}
    matched = {
        (row, visit.code)
        for visit in protocol.visits
        if visit.dispensing
        for arm in protocol.arms
        for level in levels[arm.code][visit.code]
        for row, _ in possible_kits(protocol, rows, visit.code, arm.code, level)
    }
    for index, entry in enumerate(protocol.dispensing):
        for at, code in enumerate(entry.visits):
            if (index, code) not in matched:
                findings.add(
                    ("dispensing", index, "visits", at),
                    code,
                    "is never what this entry is used for (an earlier entry matches, or the dose level is not reached)",
                    "put it before the wider entry, or remove it",
                )
    regimens = {
        found[0]
        for period in protocol.exposure.periods
        if period.treated
        for arm in protocol.arms
        for level in levels[arm.code][period.visit]
        if (found := regimen_for(protocol, period.visit, arm.code, level)) is not None
    }
    for index, regimen in enumerate(protocol.exposure.regimens):
        if index not in regimens:
            findings.add(
                ("exposure", "regimens", index),
                regimen.arm,
                "has a regimen that no period ever uses",
                "remove it",
            )
    dispensing = {visit.code for visit in protocol.visits if visit.dispensing}
    for index, titration in enumerate(protocol.titration):
        for at, code in enumerate(titration.visits):
            if code not in dispensing:
                findings.add(
                    ("titration", index, "visits", at),
                    code,
                    "moves the dose at a visit that dispenses nothing",
                    "the subject would go on with the old kits until the next visit: make it a dispensing visit",
                )
    _doubt_time_in_use(protocol, findings)


def _doubt_time_in_use(protocol: Protocol, findings: Findings) -> None:
    """A kit should stay valid until the next visit at which it can be replaced, or the treatment ends.

    With dynamic DND it does up to the next dispensing visit by itself; then stock that is too old for that should not count either.
    """
    last: dict[str, tuple[int, str]] = {}
    between: dict[str, tuple[int, str]] = {}
    schedules = [visits_ahead(protocol, subject) for subject in _kinds_of_subject(protocol)]
    for ahead, at in [(schedule, at) for schedule in schedules for at in range(len(schedule))]:
        visit, window = ahead[at]
        dispensing = [one for one in ahead[at + 1 :] if one[0].dispensing]
        next_ones = dispensing or ahead[at + 1 : at + 2]
        if not visit.dispensing or not next_ones:
            continue
        days = (next_ones[0][1].closes - window.target).days
        longest = between if dispensing else last
        for entry in protocol.dispensing:
            if visit.code in entry.visits:
                for kit in entry.kit_types:
                    longest[kit] = max(longest.get(kit, (0, "")), (days, visit.code))
    for index, kit_type in enumerate(protocol.kit_types):
        path: Path = ("kit_types", index, "expiry")
        dynamic = stays_valid(protocol, kit_type)
        in_use = [last] if dynamic else [last, between]
        days, code = max(one.get(kit_type.code, (0, "")) for one in in_use)
        if kit_type.expiry.dnd_days < days:
            findings.add(
                (*path, "dnd_days"),
                kit_type.expiry.dnd_days,
                f"lets a kit expire in the subject's hands: after visit {code} it may be in use for {days} days",
                f"set it to {days} or more (and dnc_days, dns_days with it)",
            )
        days, code = between.get(kit_type.code, (0, ""))
        if dynamic and kit_type.expiry.dnc_days < days:
            findings.add(
                (*path, "dnc_days"),
                kit_type.expiry.dnc_days,
                f"counts kits as stock that will not be dispensed: after visit {code} one must stay valid for {days} days",
                f"set it to {days} or more (and dns_days with it)",
            )


def _doubt_thresholds(protocol: Protocol, findings: Findings) -> None:
    found: dict[tuple[Path, str], tuple[object, str, str]] = {}
    dispensed = {kit for entry in protocol.dispensing for kit in entry.kit_types}
    computed = any(entry.parameters.buffer_from == "computed" for entry in protocol.supply.parameters)
    coming = newcomers(protocol) if computed else None
    for place, kit_type, start, parameters in each_effective(protocol):
        if kit_type not in dispensed or (place == "the study" and protocol.countries):
            continue
        since = "" if start == date.min else f" from {start}"
        # The narrowest buffers that may hold at the place, whichever provider gives them.
        low, high = min(
            possible_buffers(protocol, kit_type, parameters, coming), key=lambda pair: pair[1] - pair[0]
        )
        if high == parameters.long_window == 0:
            key: tuple[Path, str] = (("supply", "parameters"), kit_type)
            found.setdefault(
                key,
                (
                    kit_type,
                    f"has no thresholds at {place}{since}, so that no kit is ever ordered",
                    "set min_buffer, max_buffer, short_window and long_window at level study",
                ),
            )
        elif high - low < 2:
            key = (source_path(protocol, parameters, SET_BY[parameters.buffer_from]), "difference")
            found.setdefault(
                key,
                (
                    high,
                    f"is less than 2 above min_buffer {low} at {place} for kit type {kit_type}{since}: "
                    "orders that follow each dispensing one for one show the arm",
                    "raise max_buffer, or lower min_buffer",
                ),
            )
    for (path, _), (value, message, fix) in found.items():
        findings.add(path, value, message, fix)


def _doubt_edc(protocol: Protocol, findings: Findings) -> None:
    if protocol.edc.field_map:
        findings.add(
            ("edc", "field_map"),
            ", ".join(protocol.edc.field_map),
            "is read by nothing",
            "map items under edc.criteria, factors, weight and visit_dates",
        )
