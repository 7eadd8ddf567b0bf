"""Scans out of or into a box: numbered kits, and quantities of bulk supply by the lot and count of their label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from allocation.commands.bulk_receiving import ReceivedLot
from allocation.commands.lot_quantities import LotQuantity
from allocation.commands.scanning import contradiction, gtin_of
from allocation.commands.transaction import Transaction
from allocation.commands.unlisted_kits import scanned_numbers
from allocation.errors import DomainRefusal
from allocation.gs1_labels import read_scan
from allocation.ledger.lot_units import units_among
from allocation.ledger.schema import lot
from allocation.rules.bulk_units import LotUnit
from allocation.rules.scanned_kits import LotLabel, label_contradictions


@dataclass(frozen=True, slots=True)
class ScannedBox:
    """What was scanned: kit numbers in their order, and units by the word for their lot. `inside`: the units that may be meant."""

    numbers: tuple[str, ...]
    lots: dict[str, int]
    inside: tuple[LotUnit, ...]

    def packed(self) -> tuple[LotQuantity, ...]:
        """The scanned quantities, as they are asked of a lot."""
        return tuple(
            LotQuantity.model_construct(lot=word, quantity=units) for word, units in self.lots.items()
        )

    def received(self, counted: Sequence[ReceivedLot]) -> tuple[ReceivedLot, ...]:
        """The scanned quantities as usable, and what else there should be of their lots as not arrived.

        Raises DomainRefusal (`lot-counted`) for a lot that was `counted` by hand as well.
        """
        by_hand = {
            unit.lot_word
            for one in counted
            for unit in self.inside
            if one.lot in (unit.lot, unit.blinded_lot)
        }
        if both := sorted(by_hand & set(self.lots)):
            raise DomainRefusal(
                f"lot {both[0]} was scanned, and counted by hand as well",
                code="lot-counted",
                field="bulk",
                fix="count it by hand alone, with what was found damaged or missing",
            )
        there = Counter(unit.lot_word for unit in self.inside)
        return tuple(
            ReceivedLot.model_construct(lot=word, available=units, not_arrived=max(0, there[word] - units))
            for word, units in self.lots.items()
        )


def scanned_box(transaction: Transaction, scans: Sequence[str], inside: Collection[str]) -> ScannedBox:
    """Read scans at a shipment that has the kits `inside`.

    Raises NotFound, DomainRefusal for a label that cannot be read or contradicts the records (`label-contradicts`), and for a lot of which
    nothing is inside (`lot-not-in-shipment`).
    """
    kits, lots = [], Counter[str]()
    units = tuple(units_among(transaction.connection, transaction.study_id, inside)) if scans else ()
    for scan in scans:
        label = read_scan(scan)
        if not isinstance(label, LotLabel):
            kits.append(scan)
            continue
        of_lot = [unit for unit in units if label.lot in (unit.lot, unit.blinded_lot)]
        if not of_lot:
            raise DomainRefusal(
                f"no units of lot {label.lot} are still to come from this box, or to go into it",
                code="lot-not-in-shipment",
                field="scans",
                fix="put them aside, and scan the lots of this shipment; nothing was done",
            )
        _check_lot_label(transaction, label, of_lot)
        lots[of_lot[0].lot_word] += label.quantity
    return ScannedBox(scanned_numbers(transaction, kits), dict(lots), units)


def _check_lot_label(transaction: Transaction, label: LotLabel, units: Sequence[LotUnit]) -> None:
    query = select(lot.c.kit_type).where(lot.c.study_id == transaction.study_id, lot.c.lot_id == units[0].lot)
    gtin = gtin_of(transaction.protocol, transaction.connection.execute(query).scalar_one())
    expiries = sorted({unit.expiry for unit in units})
    expiry = label.expiry if label.expiry in expiries else expiries[0]
    on_record = LotLabel(label.lot, label.quantity, gtin, expiry)
    if wrong := label_contradictions(label, on_record):
        raise contradiction(f"lot {label.lot}", label, on_record, wrong)
