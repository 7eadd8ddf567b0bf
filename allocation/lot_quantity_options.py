"""Bulk supply on the command line: LOT=QUANTITY, as the commands take it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import typer

from allocation.errors import DomainRefusal

Units = Annotated[
    list[str] | None,
    typer.Option("--units", help="LOT=QUANTITY of bulk supply (may be repeated).", show_default=False),
]
ReceivedUnits = Annotated[
    list[str] | None,
    typer.Option(
        "--units",
        help="LOT=GOOD, or LOT=GOOD,damaged=2,lost=1 (quarantined, not_arrived): all units of a lot of bulk supply (may be repeated).",
        show_default=False,
    ),
]

CountedUnits = Annotated[
    list[str] | None,
    typer.Option(
        "--units",
        help="Of bulk supply so many units, and what came of them in all: LOT=QUANTITY:RETURNED, "
        "LOT=QUANTITY:RETURNED/LOST or LOT=QUANTITY:RETURNED/LOST/USED.",
        show_default=False,
    ),
]
MissingUnits = Annotated[
    list[str] | None,
    typer.Option("--missing-units", help="LOT=QUANTITY that are not there.", show_default=False),
]
DamagedUnits = Annotated[
    list[str] | None,
    typer.Option("--damaged-units", help="LOT=QUANTITY that are damaged.", show_default=False),
]


def lot_quantities(texts: Iterable[str] | None, **more: Any) -> list[dict[str, Any]]:
    """Each LOT=QUANTITY as the fields of a request, with `more` on every one. Raises DomainRefusal."""
    found = []
    for text in texts or ():
        lot, _, quantity = text.partition("=")
        found.append({"lot": _lot(lot, text), "quantity": _whole(quantity, text), **more})
    return found


def received_lots(texts: Iterable[str] | None) -> list[dict[str, Any]]:
    """Each LOT=GOOD,found=QUANTITY... as the fields of a request. Raises DomainRefusal."""
    found = []
    for text in texts or ():
        lot, _, counts = text.partition("=")
        said: dict[str, Any] = {"lot": _lot(lot, text)}
        for part in counts.split(","):
            what, equals, quantity = part.rpartition("=")
            name = what if equals else "available"
            if name in said:
                raise _malformed(text)
            said[name] = _whole(quantity, text)
        found.append(said)
    return found


def kits_told(answer: dict[str, Any], field: str) -> list[str]:
    """What a command's answer names in a field: kits by number, bulk supply as lots and quantities."""
    value = answer[field]
    numbers = [] if value is None else [value] if isinstance(value, str) else list(value)
    return numbers + [
        f"{one['quantity']} of lot {one['lot']}" for one in answer.get("bulk", {}).get(field, ())
    ]


def kits_in(answer: dict[str, Any], field: str) -> int:
    """How many kits and units of bulk supply a command's answer names in a field."""
    units: int = sum(one["quantity"] for one in answer.get("bulk", {}).get(field, ()))
    return len(answer[field]) + units


def _lot(lot: str, text: str) -> str:
    if not lot:
        raise _malformed(text)
    return lot


def _whole(quantity: str, text: str) -> int:
    """A whole number; whether it may be this one, the request says."""
    digits = quantity.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal()):
        raise _malformed(text)
    return int(quantity)


def _malformed(text: str) -> DomainRefusal:
    return DomainRefusal(
        f"{text!r} is no quantity of a lot",
        code="invalid-request",
        field="units",
        fix="write LOT=QUANTITY with a whole number, as SY2601=12",
    )
