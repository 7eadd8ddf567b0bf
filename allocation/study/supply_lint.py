"""The blinding linter of a protocol's supply configuration: what would let shipments, stock or timing tell an arm.

`lint_protocol` is all of it that needs no database; stock_lint.py adds what loaded lots and kits give away. What `rtsm study validate`
warns of, too, is the same function in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from allocation.errors import InvalidParameter
from allocation.study.blinding_doubts import doubt_dose_moves, doubt_lookalikes, doubt_looks
from allocation.study.inconsistency import Findings
from allocation.study.lint_finding import LintFinding, LintFindings, Severity
from allocation.study.parameters import lead_time_days
from allocation.study.supply_checks import EffectiveAt, OpenedSite
from allocation.study.threshold_lint import (
    lint_buffers,
    lint_groups,
    lint_seeding,
    lint_windows,
    several_types,
    supplied_places,
)

if TYPE_CHECKING:
    from allocation.study.protocol import Protocol


def lint_protocol(protocol: Protocol, opened: Sequence[OpenedSite] = ()) -> list[LintFinding]:
    """Everything that the supply configuration gives away or leaves open, errors first; `opened` are the sites of the service."""
    findings = LintFindings()
    each = supplied_places(protocol, opened)
    _lint_orders(protocol, findings)
    lint_groups(protocol, each, findings)
    lint_buffers(protocol, each, findings)
    _lint_looks(protocol, findings)
    lint_seeding(protocol, each, findings)
    lint_windows(protocol, each, findings)
    _lint_shelf_life(protocol, [one.at for one in each], findings)
    return findings.merged()


def _lint_orders(protocol: Protocol, findings: LintFindings) -> None:
    """The study-wide switches: protections, consolidation, and when runs are."""
    supply = protocol.supply
    if not supply.run_weekdays and not supply.on_event:
        findings.add(
            "no-runs",
            Severity.ERROR,
            ("supply", "run_weekdays"),
            "(none)",
            "lets no resupply run happen, since on_event is off, too",
            "name the weekdays of the scheduled run",
        )
    elif not supply.run_weekdays:
        findings.add(
            "no-scheduled-run",
            Severity.WARNING,
            ("supply", "run_weekdays"),
            "(none)",
            "leaves only runs after transactions: kits that expire, and visits that come nearer, order nothing by themselves",
            "name the weekdays of the scheduled run",
        )
    for codes in several_types(protocol).values():
        for code in codes:
            _lint_switches(protocol, findings, code)


def _lint_switches(protocol: Protocol, findings: LintFindings, kit_type: str) -> None:
    supply = protocol.supply
    triggered_only = supply.consolidation == "triggered_types_only"
    if not supply.single_type_protection:
        findings.add(
            "single-type-shipment",
            Severity.ERROR if triggered_only else Severity.WARNING,
            ("supply", "single_type_protection"),
            False,
            "lets a shipment be of one kit type of a blinding group, which ties the next dispensings to one arm"
            + ("" if triggered_only else " (where all others are at their up-to levels)"),
            "switch it on",
            kit_type=kit_type,
        )
    if not supply.single_kit_protection:
        findings.add(
            "single-kit-protection",
            Severity.WARNING,
            ("supply", "single_kit_protection"),
            False,
            "leaves it to the thresholds alone that no shipment is of a single kit",
            "switch it on",
            kit_type=kit_type,
        )
    if triggered_only:
        findings.add(
            "triggered-types-only",
            Severity.WARNING,
            ("supply", "consolidation"),
            supply.consolidation,
            "makes shipments follow the arm that was dispensed: what triggered is most of what comes",
            "use all_types: one trigger tops up every type (fewer shipments, better blinding)",
            kit_type=kit_type,
        )
    if supply.on_event:
        findings.add(
            "order-after-dispensing",
            Severity.NOTE,
            ("supply", "on_event"),
            True,
            "makes an order at the moment of the dispensing that triggered it, so that its time ties the two together",
            "leave orders to the scheduled run, or use all_types and a wide gap between the buffers",
            kit_type=kit_type,
        )


def _lint_looks(protocol: Protocol, findings: LintFindings) -> None:
    """What people see of the kits: the same doubts as `rtsm study validate` has."""
    if protocol.study.blinding == "open_label":
        return
    for code, doubt in (
        ("different-looks", doubt_looks),
        ("dose-moves", doubt_dose_moves),
        ("lookalikes-differ", doubt_lookalikes),
    ):
        doubts = Findings()
        doubt(protocol, doubts)
        for one in doubts.found:
            findings.add(code, Severity.WARNING, one.path, one.value, one.message, one.fix)


def _lint_shelf_life(protocol: Protocol, each: Sequence[EffectiveAt], findings: LintFindings) -> None:
    """Shippable horizon: a kit that leaves on its last ship date must still count when it arrives (DNS >= DNC + lead time)."""
    position = {kit_type.code: index for index, kit_type in enumerate(protocol.kit_types)}
    for at in each:
        if at.country is None or at.depot is None:
            continue
        with suppress(InvalidParameter):  # a depot without a lane is refused when a site is opened there
            lead = lead_time_days(protocol, at.depot, at.country, at.site)
            windows = protocol.kit_types[position[at.kit_type]].expiry
            if windows.dns_days < windows.dnc_days + lead:
                findings.add(
                    "arrives-uncounted",
                    Severity.WARNING,
                    ("kit_types", position[at.kit_type], "expiry", "dns_days"),
                    windows.dns_days,
                    f"lets a kit be shipped that no longer counts (dnc_days {windows.dnc_days}) when it arrives {lead} days later, "
                    "so that it is ordered again",
                    f"set it to {windows.dnc_days + lead} or more",
                    kit_type=at.kit_type,
                    place=at.place,
                )
