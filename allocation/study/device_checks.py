"""Do reusable devices fit their kit types: those of one blinding group agree, since people see what is used again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from allocation.study.inconsistency import Findings

if TYPE_CHECKING:
    from allocation.study.protocol import Protocol


def check_devices(protocol: Protocol, findings: Findings) -> None:
    """Append to `findings` what contradicts itself in `reusable` and `max_uses`, or would tell kits of one blinding group apart."""
    first: dict[str, int] = {}
    for index, kit_type in enumerate(protocol.kit_types):
        if kit_type.max_uses is not None and not kit_type.reusable:
            findings.add(
                ("kit_types", index, "max_uses"),
                kit_type.max_uses,
                "is of a kit type that is not reusable",
                "leave it out, or set reusable: true",
            )
        like = protocol.kit_types[first.setdefault(kit_type.blinding_group, index)]
        # What a device must come back with to be whole is asked by its content: it must be that of all that look alike.
        names = ("reusable", "max_uses", *(("units_per_kit",) if kit_type.reusable and like.reusable else ()))
        for name in names:
            mine, others = getattr(kit_type, name), getattr(like, name)
            if mine != others:
                findings.add(
                    ("kit_types", index, name),
                    mine,
                    f"differs from {like.code} ({others}) of the same blinding group: what is used again would tell them apart",
                    "make them equal, or put the two into different blinding groups",
                )
