"""One byte-exact text for a JSON value, so that its hash is the same on every machine and in both databases."""

from __future__ import annotations

import hashlib
import json
from typing import Any

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def canonical_json(value: Any) -> str:
    """JSON with sorted keys, no white space, ASCII only, no NaN. Decimals and dates must already be text.

    Raises TypeError for a value that JSON has no type for, ValueError for NaN and infinities.
    """
    return _ENCODER.encode(value)


def sha256_hex(text: str) -> str:
    """The SHA-256 of the UTF-8 bytes of `text`, in lower-case hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()
