"""Whether what a kit's label says is what the records say of that kit.

A scanner reads a kit number, or a GS1 element string that says more: the trade item's number (GTIN), the expiry date, the lot. Whatever it
says must be on record for that kit, else label and kit were mixed up and nothing is done with it. A label may say less than the
records know. Application identifiers: GS1 General Specifications, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class LabelElement(StrEnum):
    """What a label may say of a kit beside its number."""

    GTIN = "gtin"
    EXPIRY = "expiry"
    LOT = "lot"


@dataclass(frozen=True, slots=True)
class KitLabel:
    """What was scanned; None where the label does not say it."""

    kit_number: str
    gtin: str | None = None
    expiry: date | None = None
    lot: str | None = None


@dataclass(frozen=True, slots=True)
class LotLabel:
    """What was scanned of bulk supply: so many units of a lot, which have no numbers; None where the label does not say it."""

    lot: str
    quantity: int = 1
    gtin: str | None = None
    expiry: date | None = None


def label_contradictions(
    label: KitLabel | LotLabel, on_record: KitLabel | LotLabel
) -> tuple[LabelElement, ...]:
    """What the label says otherwise than the records of the kit of that number, or of that lot, in the order of `LabelElement`.

    A lot names kits that are alike inside: whoever may not know lots is told neither that one nor what it should have been.
    """
    said = (label.gtin, label.expiry, label.lot)
    known = (on_record.gtin, on_record.expiry, on_record.lot)
    pairs = zip(LabelElement, said, known, strict=True)
    return tuple(element for element, one, other in pairs if one is not None and one != other)
