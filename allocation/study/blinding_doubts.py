"""What would let blinded people tell arms apart by the kits themselves; asked by `rtsm study validate` and `rtsm resupply lint`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from allocation.study.allocation_scheme import arms_by_visit
from allocation.study.dose_paths import dispensing_rows, reachable_dose_levels
from allocation.study.inconsistency import Findings
from allocation.study.measure_points import possible_kits

if TYPE_CHECKING:
    from allocation.study.protocol import Protocol


def doubt_looks(protocol: Protocol, findings: Findings) -> None:
    """Visits at which the arms are handed different numbers of kits of a blinding group."""
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


def doubt_dose_moves(protocol: Protocol, findings: Findings) -> None:
    """Arms that are never asked for a dose move while others are."""
    titrated = any(titration.kind == "investigator" for titration in protocol.titration)
    for index, arm in enumerate(protocol.arms):
        if titrated and arm.start_dose_level is None:
            findings.add(
                ("arms", index, "start_dose_level"),
                arm.code,
                "is never asked for a dose move while other arms are, which shows the arm",
                "give it a start_dose_level too (its kits need not follow it)",
            )


def doubt_lookalikes(protocol: Protocol, findings: Findings) -> None:
    """Kit types of one blinding group that differ in what people can see."""
    first: dict[str, int] = {}
    for index, kit_type in enumerate(protocol.kit_types):
        like = protocol.kit_types[first.setdefault(kit_type.blinding_group, index)]
        for name in (
            "units_per_kit",
            "unit",
            "storage",
            "expiry",
            "expiry_notice_days",
            "block_size",
            "serialized",
        ):
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
