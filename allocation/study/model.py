"""The common shape of every part of a protocol: strict, frozen, and with field names that the YAML uses."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import ConfigDict, StringConstraints

from allocation.plain_values import PlainModel

_CODE = r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,39}$"

Code = Annotated[str, StringConstraints(strip_whitespace=True, pattern=_CODE)]
"""A short identifier that the ledger, the files and the exports use as a key."""


def is_code(text: str) -> bool:
    """Whether a text is a `Code` as it stands."""
    return re.fullmatch(_CODE, text) is not None


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
"""A non-empty text for people. No `max_length` here: pydantic would let it win over the one that a field sets for itself."""

LONGEST = 36_500
"""Days: a hundred years. Longer is a slip, and would leave the calendar."""

LARGEST = 1_000_000
"""The largest count of anything that a protocol plans; far below what the compiled rules and the databases can hold."""

PLACEHOLDER = "TO FILL IN"
"""Stands in a drafted study file at every place that a person must still decide; a file that holds it is not valid yet."""


class ProtocolPart(PlainModel):
    """A frozen piece of a protocol; an unknown key is an error, so that a typing slip never goes unnoticed."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)
