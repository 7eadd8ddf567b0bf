"""Values as people may write them in requests and study files: text that every database and export can hold, dates that can be meant."""

from __future__ import annotations

import re
from datetime import date
from numbers import Integral
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, SecretStr, field_validator

EARLIEST: Final = date(1900, 1, 1)
LATEST: Final = date(2199, 12, 31)
"""No trial has a date outside of these; a date far outside is a slip, and arithmetic with days would leave the calendar."""

# Tabs and line breaks stay, since reasons may have several lines. Surrogates are no text: they cannot be written as UTF-8.
_NOT_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def fault_in_text(text: str) -> str | None:
    """What is wrong with a text, and after a semicolon the fix; None when every character of it can be kept."""
    found = _NOT_TEXT.search(text)
    return None if found is None else f"holds the control character U+{ord(found.group()):04X}; take it out"


def plain_text(value: Any) -> Any:
    """The value, when the texts in it (one, or those of a list or mapping) are fit to be kept. Raises ValueError."""
    if isinstance(value, dict):
        texts = [*value, *value.values()]
    elif isinstance(value, list | tuple):
        texts = list(value)
    else:
        texts = [value.get_secret_value() if isinstance(value, SecretStr) else value]
    for text in texts:
        if isinstance(text, str) and (fault := fault_in_text(text)) is not None:
            raise ValueError(fault)
    return value


def _written_day(value: Any) -> Any:
    """A date, or text as ISO 8601 writes a day: pydantic would take numbers, too, as seconds since 1970."""
    if isinstance(value, date) or (isinstance(value, str) and _DAY.fullmatch(value.strip())):
        return value
    raise ValueError("is not a date; write it like 2026-03-31")


def _plausible_day(day: date) -> date:
    if not EARLIEST <= day <= LATEST:
        raise ValueError(f"is no date of a trial; use one from {EARLIEST} to {LATEST}")
    return day


Day = Annotated[date, BeforeValidator(_written_day), AfterValidator(_plausible_day)]
"""A calendar date (of the place that the field names) between `EARLIEST` and `LATEST`."""


def _whole_number(value: Any) -> Any:
    """A whole number of Python or NumPy: pydantic would take text and truth values, too."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise ValueError("is not a whole number; write it like 3, without quotes")  # noqa: TRY004  (pydantic's word)
    return int(value)


Whole = Annotated[int, BeforeValidator(_whole_number)]
"""A whole number that is written as one."""


class PlainModel(BaseModel):
    """A model whose texts hold no control characters: PostgreSQL cannot store NUL, and no export can carry the others."""

    # Behind the field's own validation: in front of it, pydantic would forget that what it reads is JSON.
    @field_validator("*")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        return plain_text(value)
