"""What a delivery is: each kit of the shipment with what was found of it, what has not come, and what came without being listed.

A kit that is not named arrived in good order. One that was quarantined on its way stays so. `not_arrived` leaves a kit in transit: the
shipment stays open until every kit of it has come, or is found lost. A kit in the box that the shipment does not list was misallocated:
it is recorded and kept in quarantine at the site, wherever it should have been, since nobody knows what else happened to it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from allocation.errors import DomainRefusal

Disposition = Literal["available", "damaged", "quarantined", "lost", "not_arrived"]

NOT_ARRIVED: Final = "not_arrived"


@dataclass(frozen=True, slots=True)
class Delivery:
    """`kits`: number and disposition of those that have an end now, by number. `awaited`: those that are still on their way."""

    kits: tuple[tuple[str, str], ...]
    awaited: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether the shipment has come to its end."""
        return not self.awaited


def judge_delivery(
    coming: Collection[str], held: Collection[str], dispositions: Mapping[str, str], shipment: str
) -> Delivery:
    """Judge a delivery of the kits `coming` and of those `held` in quarantine on their way.

    Raises DomainRefusal for a disposition of a kit that is not in the shipment, for one that would take a kit out of quarantine, and
    where nothing at all has come.
    """
    inside = sorted({*coming, *held})
    if strangers := sorted(set(dispositions) - set(inside)):
        raise DomainRefusal(
            f"kits {', '.join(strangers)} are not in shipment {shipment}",
            code="kit-not-in-shipment",
            field="dispositions",
            fix="name the shipment's own kits here, and others that were in the box as unlisted",
        )
    if released := sorted(one for one in held if dispositions.get(one) == "available"):
        raise DomainRefusal(
            f"kits {', '.join(released)} were quarantined on their way",
            code="kit-quarantined",
            field="dispositions",
            fix="receive them into quarantine; they are released from there",
        )
    found = [(one, dispositions.get(one, "quarantined" if one in held else "available")) for one in inside]
    kits = tuple((one, what) for one, what in found if what != NOT_ARRIVED)
    awaited = tuple(one for one, what in found if what == NOT_ARRIVED)
    if awaited and not kits:
        raise DomainRefusal(
            f"nothing of shipment {shipment} has arrived",
            code="nothing-arrived",
            field="dispositions",
            fix="wait for it, or record the whole shipment as lost",
        )
    return Delivery(kits, awaited)


def dispositions_by_scan(
    inside: Collection[str], scanned: Collection[str], dispositions: Mapping[str, str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """What a delivery is by the kits that were scanned out of the box: the dispositions, and the scanned kits that are not in the shipment.

    A kit that was neither scanned nor named has not arrived: an oversight leaves it on its way, and never makes it usable.
    Raises DomainRefusal for a kit that was scanned and is named as one that is not there.
    """
    absent = {one for one, what in dispositions.items() if what in ("lost", NOT_ARRIVED)}
    if both := sorted(absent & set(scanned)):
        raise DomainRefusal(
            f"kits {', '.join(both)} were scanned, and named as not there",
            code="kit-scanned",
            field="dispositions",
            fix="leave out one of the two",
        )
    unseen = set(inside) - set(scanned) - set(dispositions)
    return {**dispositions, **dict.fromkeys(unseen, NOT_ARRIVED)}, tuple(sorted(set(scanned) - set(inside)))
