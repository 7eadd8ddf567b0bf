"""What pydantic found wrong with a request, in words: the field, what is wrong, and the fix. Never the value: it may be a password."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from allocation.errors import DomainRefusal
from allocation.study.shape_problems import LIMITS, WRONG_TYPE, pattern_problem

RequestT = TypeVar("RequestT", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a request; `field` is a path such as `lots[0].expiry_date`."""

    field: str
    message: str
    fix: str


def field_path(loc: tuple[int | str, ...]) -> str:
    """The place of an error as text, such as `lots[0].expiry_date`: without `body`, which every field is in."""
    text = ""
    for part in loc[1:] if len(loc) > 1 and loc[0] in ("body", "query", "path", "header") else loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "body"


def fault_of(error: ErrorDetails) -> Fault:
    """An error of pydantic in words."""
    kind, context, field = error["type"], error.get("ctx", {}), field_path(error["loc"])
    if kind == "json_invalid":  # its place is the character, which is no field
        where = error["loc"][-1] if isinstance(error["loc"][-1], int) else 0
        return Fault("body", f"is not JSON from character {where} on ({context['error']})", "send whole JSON")
    return Fault(field, *_words(kind, context, error["msg"]))


def _words(kind: str, context: dict[str, Any], message: str) -> tuple[str, str]:
    """(message, fix) of one kind of error."""
    if kind == "missing":
        return "is missing", "give it"
    if kind == "extra_forbidden":
        return "is not a field here", "leave it out; /docs lists the fields"
    if kind in ("literal_error", "enum"):
        return "is not a value for this field", f"use {context['expected']}"
    if kind == "string_pattern_mismatch":
        return pattern_problem(context["pattern"])
    if kind in LIMITS:
        name, wrong, fix = LIMITS[kind]
        return wrong.format(context[name]), fix.format(context[name])
    if kind == "value_error":
        wrong, _, fix = str(context["error"]).partition("; ")
        return wrong, fix or "correct it"
    found = WRONG_TYPE.get(kind.partition("_")[0])
    if found is not None and "parsing" not in kind:
        return found[0], found[1]
    return message[:1].lower() + message[1:], "correct it; /docs has an example"


def request_from(kind: type[RequestT], /, **values: Any) -> RequestT:
    """The request with these values, which came from people one by one. Raises DomainRefusal (invalid-request) with the field."""
    try:
        return kind(**values)
    except ValidationError as invalid:
        fault = fault_of(invalid.errors()[0])
    raise DomainRefusal(fault.message, code="invalid-request", field=fault.field, fix=fault.fix)
