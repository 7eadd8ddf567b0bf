"""The one spelling of a protocol that is hashed, signed and stored: equal protocols have equal text."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel


def decimal_text(value: Decimal) -> str:
    """The shortest plain spelling of a number, so that 1, 1.0 and 1E0 are one.

    >>> decimal_text(Decimal("35.00")), decimal_text(Decimal("1E+2")), decimal_text(Decimal("-0"))
    ('35', '100', '0')
    """
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text


def plain_document(document: BaseModel) -> dict[str, Any]:
    """The whole document, defaults included, as JSON values: dates as ISO text, decimals as their shortest text."""
    plain: dict[str, Any] = _plain(document.model_dump(mode="python"))
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Decimal):
        return decimal_text(value)
    if value is None or isinstance(value, (str, int, float)):
        return value
    return value.isoformat()


def canonical_json(protocol: BaseModel) -> str:
    """The protocol as JSON with sorted keys, no white space, ASCII only; `Protocol.model_validate_json` reads it back.

    The format is that of the ledger's own canonical JSON, so that an inspector can hash the document in an exported entry.
    """
    return json.dumps(
        plain_document(protocol), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )


def protocol_sha256(protocol: BaseModel) -> str:
    """The SHA-256 of the canonical JSON, as 64 hexadecimal digits: the identity of a version's content.

    It covers defaults as well. To check a stored version, hash the document as it was stored: a later release may know more keys.
    """
    return hashlib.sha256(canonical_json(protocol).encode()).hexdigest()
