"""What is written into a kit's barcode, and read out of one: a kit number, or a GS1 element string.

    (01) GTIN   (17) expiry, YYMMDD   (10) lot   (21) serial number: the kit number
    (02) GTIN of what a case holds    (30), (37) count: so many units of bulk supply, which have a lot and no serial number

The grammar of element strings is the library's (biip), after the GS1 General Specifications. Scanners send the separator FNC1 as the
control character GS; texts of requests hold no control characters, so that it is taken for its symbol there. A label as people read
it, with identifiers in parentheses, is understood as well. The library is loaded where it works: its tables of prefixes take a tenth
of a command's start, and nearly all commands read no label.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field

from allocation.errors import DomainRefusal
from allocation.rules.scanned_kits import KitLabel, LotLabel

SEPARATOR: Final = "\u241d"
"""The symbol of the group separator: how it stands in a text that holds no control characters."""

LONGEST_SERIAL: Final = 20
"""Characters of a serial number (GS1 General Specifications, section 3.5.2), and of a lot."""

_SYMBOLOGY = re.compile(
    r"\](C1|d2|Q3|e0|J1)"
)  # what scanners put before GS1-128, DataMatrix, QR, DataBar and DotCode
_SPELLED = re.compile(r"\(\d{2,4}\)")
_LONGEST_NUMBER = 40
_COUNTS: Final = ("30", "37")
"""Application identifiers: a variable count of items, and a count of the items that a case holds, whose GTIN is (02)."""


def _without_control_characters(scan: Any) -> Any:
    return scan.replace("\x1d", SEPARATOR) if isinstance(scan, str) else scan


Scan = Annotated[
    str,
    BeforeValidator(_without_control_characters),
    Field(
        min_length=1, max_length=200, description="what a scanner read: a kit number or a GS1 element string"
    ),
]


def is_gtin(text: str) -> bool:
    """Whether a text is a GTIN of 14 digits with the right check digit."""
    if re.fullmatch(r"\d{14}", text) is None:
        return False
    from biip import ParseError
    from biip.gtin import Gtin

    try:
        Gtin.parse(text)
    except ParseError:
        return False
    return True


def element_string(label: KitLabel) -> str:
    """The label in the form that people read, such as (01)09501101530003(21)483920.

    Raises DomainRefusal for a label without a GTIN, or a number or lot that GS1 has no room for.
    """
    for field, text in (("kit_number", label.kit_number), ("lot_id", label.lot or "")):
        if len(text) > LONGEST_SERIAL:
            raise DomainRefusal(
                f"{text} is longer than the {LONGEST_SERIAL} characters of a GS1 element",
                code="label-too-long",
                field=field,
                fix="print it without a GTIN: leave `gtin` out of the blinding group",
            )
    if label.gtin is None:
        raise DomainRefusal(
            "a GS1 label needs a GTIN", code="no-gtin", field="gtin", fix="give the blinding group one"
        )
    parts = [f"(01){label.gtin}"]
    parts += [] if label.expiry is None else [f"(17){label.expiry:%y%m%d}"]
    parts += [] if label.lot is None else [f"(10){label.lot}"]
    return "".join([*parts, f"(21){label.kit_number}"])


def barcode_text(spelled: str) -> str:
    """What the bars of a GS1-128 say for that element string: GS behind an element of open length that is not the last."""
    from biip.gs1_messages import GS1Message

    elements = GS1Message.parse_hri(spelled).element_strings
    parts = [f"{one.ai.ai}{one.value}" for one in elements]
    ends = ["\x1d" if one.ai.separator_required else "" for one in elements[:-1]] + [""]
    return "".join(part + end for part, end in zip(parts, ends, strict=True))


def read_label(scan: str) -> KitLabel:
    """What a scan of a kit says. Raises DomainRefusal (`label-unreadable`) as `read_scan`, and for a label without a kit number."""
    label = read_scan(scan)
    if isinstance(label, LotLabel):
        raise _unreadable("has no serial number (21), which is the kit number")
    return label


def read_scan(scan: str) -> KitLabel | LotLabel:
    """What a scan says: a kit, or without a serial number (21) units of a lot (10), as many as its count says (30 or 37), else one.

    Raises DomainRefusal (`label-unreadable`) for a text that is neither a GS1 element string nor a number.
    """
    text = scan.strip().replace("\x1d", SEPARATOR)
    symbology = _SYMBOLOGY.match(text)
    if (
        symbology is None
        and _SPELLED.match(text) is None
        and SEPARATOR not in text
        and not _begins_with_gtin(text)
    ):
        if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.\-]*", text) is None or len(text) > _LONGEST_NUMBER:
            raise _unreadable("is neither a kit number nor a GS1 element string")
        return KitLabel(text)
    from biip import ParseConfig, ParseError
    from biip.gs1_messages import GS1Message

    try:
        if _SPELLED.match(text):
            message = GS1Message.parse_hri(text)
        else:
            config = ParseConfig(separator_chars=(SEPARATOR,))
            message = GS1Message.parse(text[3:] if symbology else text.lstrip(SEPARATOR), config=config)
    except ParseError as error:
        raise _unreadable("is not a whole GS1 element string") from error
    found = {one.ai.ai: one for one in message.element_strings}
    if "01" in found and not is_gtin(found["01"].value):
        raise _unreadable("has a GTIN with a wrong check digit")

    def value(identifier: str) -> str | None:
        return found[identifier].value if identifier in found else None

    expiry: date | None = found["17"].date if "17" in found else None
    if "21" not in found:
        counts = {int(found[one].value) for one in _COUNTS if one in found}
        if "10" not in found:
            raise _unreadable("has neither a serial number (21), which is the kit number, nor a lot (10)")
        if len(counts) > 1 or 0 in counts:
            raise _unreadable("has no count that can be: (30) and (37) are the same number, of 1 or more")
        content = value("02") or value("01")
        return LotLabel(found["10"].value, next(iter(counts), 1), content, expiry)
    return KitLabel(found["21"].value, value("01"), expiry, value("10"))


def _begins_with_gtin(text: str) -> bool:
    """Whether a scan without any mark is an element string: longer than a GTIN, which it begins with, check digit and all."""
    return text.startswith("01") and len(text) > 18 and is_gtin(text[2:16])


def _unreadable(what: str) -> DomainRefusal:
    return DomainRefusal(
        f"what was scanned {what}",
        code="label-unreadable",
        field="scan",
        fix="scan it again, or type the kit number",
    )
