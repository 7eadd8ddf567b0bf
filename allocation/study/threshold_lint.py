"""The blinding linter on effective parameters: what each place ends up with for each kit type, in each phase.

Nothing here repeats a rule: the smallest order and one-for-one resupply are those of allocation/rules/order_leaks.py, the gap of 2 is
that of orders.py. Source of the checks: the field notes resupply.md and records-and-blinding.md.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final

from allocation.errors import InvalidParameter
from allocation.rules.order_assembly import FEWEST_KITS_OF_A_GROUP
from allocation.rules.order_leaks import follows_each_dispensing, smallest_order
from allocation.rules.orders import SMALLEST_BLINDING_GAP
from allocation.study.buffers import SET_BY, possible_buffers, provided_buffers
from allocation.study.lint_finding import LintFindings, Severity
from allocation.study.parameters import ParameterSource, lead_time_days
from allocation.study.supply_checks import (
    EffectiveAt,
    OpenedSite,
    as_set,
    asked_newcomers,
    each_effective,
    source_path,
)

if TYPE_CHECKING:
    from allocation.rules.resupply import ResupplyParameters
    from allocation.study.protocol import Protocol

DAYS_OF_A_WEEK: Final = 7
UNSET: Final = ParameterSource("unset")


def several_types(protocol: Protocol) -> dict[str, tuple[str, ...]]:
    """The kit types that some visit dispenses, by blinding group, where a group has several: only those have something to hide."""
    if protocol.study.blinding == "open_label":
        return {}
    dispensed = {kit for entry in protocol.dispensing for kit in entry.kit_types}
    groups: dict[str, list[str]] = defaultdict(list)
    for kit_type in protocol.kit_types:
        if kit_type.code in dispensed:
            groups[kit_type.blinding_group].append(kit_type.code)
    return {group: tuple(codes) for group, codes in groups.items() if len(codes) > 1}


def longest_gap_days(run_weekdays: Sequence[int]) -> int:
    """The review interval: the most days from one scheduled run to the next. 0 Monday to 6 Sunday; without runs it is 0.

    >>> longest_gap_days((0, 1, 2, 3, 4)), longest_gap_days((2,))
    (3, 7)
    """
    days = sorted(set(run_weekdays))
    nexts = [*days[1:], *(day + DAYS_OF_A_WEEK for day in days[:1])]
    return max((later - day for day, later in zip(days, nexts, strict=True)), default=0)


@dataclass(frozen=True, slots=True)
class Supplied:
    """A place where something can be shipped to, and the thresholds there for a kit type that is dispensed.

    `narrowest` has the buffers that are closest together of those that may ever hold there, `first` those without subjects;
    `widened_by` is the parameter that one changes to widen them.
    """

    at: EffectiveAt
    narrowest: ResupplyParameters
    first: ResupplyParameters
    widened_by: str


def supplied_places(protocol: Protocol, opened: Sequence[OpenedSite] = ()) -> list[Supplied]:
    """What the checks look at: every such place and kit type, in each phase."""
    dispensed = {kit for entry in protocol.dispensing for kit in entry.kit_types}
    coming = asked_newcomers(protocol)
    found = []
    for at in each_effective(protocol, opened):
        if at.kit_type not in dispensed or (at.of_whole_study and protocol.countries):
            continue
        possible = possible_buffers(protocol, at.kit_type, at.parameters, coming)
        narrowest = min(possible, key=lambda pair: pair[1] - pair[0])
        first = provided_buffers(protocol, at.kit_type, at.parameters, 0, coming).parameters
        widened_by = SET_BY[at.parameters.buffer_from]
        found.append(Supplied(at, at.parameters.for_rule(narrowest), first, widened_by))
    return found


def _note(
    findings: LintFindings,
    protocol: Protocol,
    code: str,
    severity: Severity,
    at: EffectiveAt,
    name: str,
    message: str,
    fix: str,
    kit_type: str | None = None,
) -> None:
    """Note a finding about the effective value of the parameter `name`, with the set that it came from."""
    source = at.parameters.sources[name]
    findings.add(
        code,
        severity,
        source_path(protocol, at.parameters, name),
        as_set(getattr(at.parameters, name)),
        message,
        fix,
        kit_type=kit_type or at.kit_type,
        place=at.place,
        source="no level" if source == UNSET else str(source),
        since=at.start,
    )


def lint_buffers(protocol: Protocol, each: Sequence[Supplied], findings: LintFindings) -> None:
    """Is anything ordered at all, and are orders larger than what one dispensing took?"""
    hiding = {code for codes in several_types(protocol).values() for code in codes}
    for one in each:
        at, thresholds = one.at, one.narrowest
        if thresholds.max_buffer == thresholds.long_window == 0:
            if not at.parameters.paused:
                findings.add(
                    "no-thresholds",
                    Severity.ERROR,
                    ("supply", "parameters"),
                    at.kit_type,
                    "has no thresholds, so that no kit is ever ordered",
                    "set min_buffer, max_buffer, short_window and long_window at level study",
                    kit_type=at.kit_type,
                    place=at.place,
                    since=at.start,
                )
            continue
        if protocol.study.blinding == "open_label":
            continue
        severity = Severity.ERROR if at.kit_type in hiding else Severity.NOTE
        gap = thresholds.max_buffer - thresholds.min_buffer
        if follows_each_dispensing(thresholds):
            _note(
                findings,
                protocol,
                "one-for-one",
                severity,
                at,
                one.widened_by,
                f"{_gives(one)} less than {SMALLEST_BLINDING_GAP} above min_buffer {thresholds.min_buffer}, and the long window "
                "predicts no more than the short one: each order replaces one dispensed kit and shows the arm",
                f"raise max_buffer to {thresholds.min_buffer + SMALLEST_BLINDING_GAP} or more{_instead(one)}",
            )
        elif gap < SMALLEST_BLINDING_GAP:
            _note(
                findings,
                protocol,
                "buffer-gap",
                severity,
                at,
                one.widened_by,
                f"{_gives(one)} less than {SMALLEST_BLINDING_GAP} above min_buffer {thresholds.min_buffer}: "
                "orders that follow each dispensing one for one show the arm",
                f"raise max_buffer, or lower min_buffer{_instead(one)}",
            )


def _gives(one: Supplied) -> str:
    return "is" if one.widened_by == "max_buffer" else f"gives a max_buffer of {one.narrowest.max_buffer},"


def _instead(one: Supplied) -> str:
    """How, where the buffers are not set themselves."""
    return (
        ""
        if one.widened_by == "max_buffer"
        else f" by {one.widened_by}, or set both with buffer_from min_max"
    )


def lint_windows(protocol: Protocol, each: Sequence[Supplied], findings: LintFindings) -> None:
    """Does the short window reach over the lead time and the days until the next run?"""
    review = longest_gap_days(protocol.supply.run_weekdays)
    for one in each:
        at, parameters = one.at, one.at.parameters
        if parameters.paused or at.country is None or at.depot is None:
            continue
        if one.narrowest.max_buffer == parameters.long_window == 0:
            continue
        with suppress(InvalidParameter):  # a depot without a lane is refused when a site is opened there
            lead = lead_time_days(protocol, at.depot, at.country, at.site)
            if parameters.short_window >= lead + review:
                continue
            if parameters.short_window == 0:
                _note(
                    findings,
                    protocol,
                    "no-prediction",
                    Severity.NOTE,
                    at,
                    "short_window",
                    f"predicts no demand: min_buffer {one.narrowest.min_buffer} alone must last the lead time of {lead} days "
                    f"plus {review} days between runs",
                    f"check that it does, or set short_window to {lead + review} or more",
                )
            else:
                _note(
                    findings,
                    protocol,
                    "short-window",
                    Severity.WARNING,
                    at,
                    "short_window",
                    f"is shorter than the lead time of {lead} days plus {review} days between runs: "
                    "what is due before the next order can arrive is not seen",
                    f"set it to {lead + review} or more, or run more often",
                )


def lint_seeding(protocol: Protocol, each: Sequence[Supplied], findings: LintFindings) -> None:
    """Does the first shipment happen, and is it enough for no second one to follow at once?"""
    if protocol.supply.seeding == "none":
        return
    for of_place in _by_place(each).values():
        active = [one for one in of_place if not one.at.parameters.paused]
        if active and not any(one.at.parameters.seed_quantity for one in active):
            for one in active:
                _note(
                    findings,
                    protocol,
                    "never-seeded",
                    Severity.ERROR,
                    one.at,
                    "seed_quantity",
                    "is 0 for every kit type: there is no first shipment, and no resupply before it",
                    "set seed_quantity, or seeding to none",
                )
            continue
        for one in active:
            at, parameters, first = one.at, one.at.parameters, one.first
            reached = first.min_buffer + (parameters.trigger == "at")
            if parameters.seed_quantity < reached and first.max_buffer > 0:
                _note(
                    findings,
                    protocol,
                    "seed-triggers",
                    Severity.WARNING,
                    at,
                    "seed_quantity",
                    f"is too few for min_buffer {first.min_buffer} with trigger {parameters.trigger}: "
                    "a second shipment follows the first at once",
                    f"set it to {reached} or more",
                )


def lint_groups(protocol: Protocol, each: Sequence[Supplied], findings: LintFindings) -> None:
    """Can a shipment hold a single kit, or a single kit type, of a blinding group of several?"""
    groups = several_types(protocol)
    block = {kit_type.code: kit_type.block_size for kit_type in protocol.kit_types}
    supply = protocol.supply
    for of_place in _by_place(each).values():
        for group, codes in groups.items():
            of_group = [one for one in of_place if one.at.kit_type in codes]
            active = [one for one in of_group if not one.at.parameters.paused]
            if len(active) == 1 < len(of_group):
                paused = next(one.at for one in of_group if one.at.parameters.paused)
                _note(
                    findings,
                    protocol,
                    "single-type-shipment",
                    Severity.ERROR,
                    paused,
                    "paused",
                    f"leaves one kit type of blinding group {group} that is ordered: every shipment is of one kit type",
                    "pause every kit type of the group, or none",
                )
            if supply.single_type_protection:
                continue  # the other types are raised to a kit each, so that there are two kits, too
            for one in active:
                least = smallest_order(one.narrowest, block[one.at.kit_type])
                if not supply.single_kit_protection and least < FEWEST_KITS_OF_A_GROUP:
                    _note(
                        findings,
                        protocol,
                        "single-kit-shipment",
                        Severity.ERROR,
                        one.at,
                        one.widened_by,
                        "lets a shipment be one kit of its blinding group, and single_kit_protection is off",
                        "switch single_kit_protection on, and raise max_buffer",
                    )
            seeded = [one.at for one in active if one.at.parameters.seed_quantity > 0]
            if supply.seeding != "none" and len(seeded) == 1:
                _note(
                    findings,
                    protocol,
                    "single-type-shipment",
                    Severity.ERROR,
                    seeded[0],
                    "seed_quantity",
                    f"seeds one kit type of blinding group {group} only",
                    "seed every kit type of the group, or switch single_type_protection on",
                )


def _by_place(each: Sequence[Supplied]) -> dict[tuple[str, date], list[Supplied]]:
    grouped: dict[tuple[str, date], list[Supplied]] = defaultdict(list)
    for one in each:
        grouped[one.at.place, one.at.start].append(one)
    return grouped
