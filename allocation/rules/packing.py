"""Packing a shipment by scan: what a scanned kit is to the order, and what may leave the depot.

The depot packs by kit number. Which kits an order holds was decided by the picking rule; a kit that is not there to be packed is
exchanged by that rule again, never by choice of the person who packs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from allocation.rules.expiry import ExpiryWindows
from allocation.rules.orders import KitTypeSupply, OrderPolicy
from allocation.rules.picking import KitCandidate, PickDecision, SameLot, choose_kits_for_shipping


class Scanned(StrEnum):
    """What a scanned kit is to the order."""

    PACKED = "packed"
    TWICE = "twice"
    NOT_ORDERED = "not_ordered"


def judge_scans(
    scans: Sequence[str], ordered: Collection[str], packed_before: Collection[str]
) -> tuple[tuple[str, Scanned], ...]:
    """Each scanned kit number with what it is, in the order of scanning; a kit is packed once."""
    packed = set(packed_before)
    judged = []
    for number in scans:
        if number not in ordered:
            judged.append((number, Scanned.NOT_ORDERED))
        elif number in packed:
            judged.append((number, Scanned.TWICE))
        else:
            packed.add(number)
            judged.append((number, Scanned.PACKED))
    return tuple(judged)


@dataclass(frozen=True, slots=True)
class Departure:
    """What leaves, what is given back to the depot's stock, what goes in a second shipment, what must be packed before any of it leaves."""

    leaving: tuple[str, ...]
    left_behind: tuple[str, ...]
    split_off: tuple[str, ...]
    to_pack: tuple[str, ...]


def decide_departure(
    shippable: Collection[str],
    past_ship_date: Collection[str],
    packed: Collection[str],
    *,
    by_scan: bool,
    split: bool,
) -> Departure:
    """Decide what leaves of an order's kits on the day: those that may still be shipped (`shippable`), those that no longer may.

    `by_scan`: only what was packed by scan leaves, so the rest must be packed first. `split`: what was packed leaves, and the rest
    becomes a shipment of its own. Nothing leaves while `to_pack` is not empty.
    """
    behind = tuple(sorted(past_ship_date))
    unpacked = tuple(sorted(set(shippable) - set(packed)))
    if split:
        return Departure(tuple(sorted(set(shippable) & set(packed))), behind, unpacked, ())
    if by_scan and unpacked:
        return Departure((), behind, (), unpacked)
    return Departure(tuple(sorted(shippable)), behind, (), ())


def choose_exchange(
    candidates: Sequence[KitCandidate],
    kit_type: str,
    lots_in_order: Collection[str],
    today: date,
    windows: ExpiryWindows,
    min_shipments_window: int | None,
    same_lot: SameLot,
) -> PickDecision:
    """Choose one kit in place of one that cannot be packed, of the same kit type, by the picking rule for shipping (picking.py).

    `lots_in_order`: the lots of the order's other kits of this type, which the new kit must be of where `same_lot` is `required`, and
    is of where it can be by `where_possible`. The choice may be empty.
    """
    ours = [replace(one, available=one.available and one.lot in lots_in_order) for one in candidates]
    if same_lot != SameLot.OFF and lots_in_order:
        found = choose_kits_for_shipping(ours, kit_type, 1, today, windows, min_shipments_window)
        if found.chosen or same_lot == SameLot.REQUIRED:
            return found
    return choose_kits_for_shipping(candidates, kit_type, 1, today, windows, min_shipments_window)


def exposed_by_split(
    parts: Sequence[Mapping[str, int]], kit_types: Mapping[str, KitTypeSupply], policy: OrderPolicy
) -> tuple[str, ...]:
    """The blinding groups of several kit types of which a part of a split shipment holds a single kit or a single type.

    `parts`: kits by kit type. For the record alone, which the unblinded read: who splits is blinded, and a refusal would tell
    which kits are alike.
    """
    exposed = []
    for group in dict.fromkeys(one.blinding_group for one in kit_types.values()):
        of_group = [code for code, one in kit_types.items() if one.blinding_group == group]
        for part in parts:
            counts = [part[code] for code in of_group if part.get(code, 0) > 0]
            single_kit = policy.single_kit_protection and sum(counts) == 1
            single_type = policy.single_type_protection and len(counts) == 1
            if len(of_group) > 1 and group not in exposed and (single_kit or single_type):
                exposed.append(group)
    return tuple(exposed)
