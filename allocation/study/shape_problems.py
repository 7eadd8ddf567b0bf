"""What pydantic found wrong with a document, in words for the person who wrote the file: path, value, and the fix."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from allocation.study.errors import Problem
from allocation.study.inconsistency import (
    Inconsistency,
    InconsistentProtocolError,
    Path,
    choice_text,
    path_text,
)
from allocation.study.yaml_positions import PositionedDocument

WRONG_TYPE = {
    "int": ("is not a whole number", "write it like 3, without quotes"),
    "float": ("is not a number", "write it like 2.5, without quotes"),
    "decimal": ("is not a number", "write it like 2.5"),
    "is": ("is not a number", "write it like 2.5"),
    "finite": ("is not a number", "write it like 2.5"),
    "bool": ("is neither true nor false", "write true or false, without quotes"),
    "date": ("is not a date", "write it like 2026-03-31"),
    "tuple": ("is not a list", "write it as a list, each item on a line that begins with -"),
    "list": ("is not a list", "write it as a list, each item on a line that begins with -"),
    "model": ("is not a mapping", "write it as lines of key: value"),
    "dict": ("is not a mapping", "write it as lines of key: value"),
}
"""First word of pydantic's error type -> what is wrong, and the fix."""

LIMITS = {
    "greater_than_equal": ("ge", "is below {0}", "use {0} or more"),
    "greater_than": ("gt", "is not above {0}", "use more than {0}"),
    "less_than_equal": ("le", "is above {0}", "use {0} or less"),
    "less_than": ("lt", "is not below {0}", "use less than {0}"),
    "too_short": ("min_length", "has too few items", "list at least {0}"),
    "too_long": ("max_length", "has too many items", "list at most {0}"),
    "string_too_short": ("min_length", "is too short", "write at least {0} characters"),
    "string_too_long": ("max_length", "is too long", "write at most {0} characters"),
    "decimal_max_digits": ("max_digits", "has too many digits", "use at most {0}"),
    "decimal_max_places": ("decimal_places", "has too many decimal places", "use at most {0}"),
    "decimal_whole_digits": ("whole_digits", "is too large", "use at most {0} digits before the point"),
}
"""pydantic's error type -> the name of the limit in its context, what is wrong, and the fix."""


def own_errors(invalid: ValidationError, document: PositionedDocument) -> list[ErrorDetails]:
    """pydantic's errors without those that only follow: a list is called too short when its items are wrong themselves."""
    return [
        error
        for error in invalid.errors(include_url=False)
        if error["type"] != "too_short" or document.length(tuple(error["loc"])) < error["ctx"]["min_length"]
    ]


def shape_problems(
    model: type[BaseModel], invalid: ValidationError, document: PositionedDocument
) -> list[Problem]:
    """Explain what pydantic found in `document`, which should have had the shape of `model`."""
    problems: list[Problem] = []
    for error in own_errors(invalid, document):
        path: Path = tuple(error["loc"])
        about_key = path[-1:] == ("[key]",)
        path = path[:-1] if about_key else path
        cause = error.get("ctx", {}).get("error")
        if isinstance(cause, InconsistentProtocolError):
            problems.extend(inconsistency_problems(cause.found, document))
            continue
        value, message, fix = _explain(model, path, error, document)
        value = str(path[-1]) if about_key else value
        at_key = (about_key or error["type"] == "extra_forbidden") and path in document.keys
        position = document.keys[path] if at_key else document.position(path)
        problems.append(Problem(path_text(path), *position, value, message, fix))
    return problems


def inconsistency_problems(found: Iterable[Inconsistency], document: PositionedDocument) -> list[Problem]:
    """The same findings, with the places in `document` where they are to be mended."""
    return [
        Problem(path_text(one.path), *document.position(one.path), one.value, one.message, one.fix)
        for one in found
    ]


def _explain(
    model: type[BaseModel], path: Path, error: ErrorDetails, document: PositionedDocument
) -> tuple[str, str, str]:
    """(value, message, fix) of one error."""
    kind, context = error["type"], error.get("ctx", {})
    shown = document.shown(path)
    if kind == "extra_forbidden":
        if " " in str(path[-1]) and document.raw.get(path) == "":
            return str(path[-1]), "is not a key here", "put a text with a comma or colon into quotes"
        known = list(_part_at(model, path[:-1]).model_fields)
        return str(path[-1]), "is not a key here", choice_text(str(path[-1]), known, "remove it")
    if kind == "missing":
        return str(path[-1]), "is missing", f"add {path[-1]}: {_meaning(model, path)}"
    if kind == "literal_error":
        choices = [choice.strip("'") for choice in context["expected"].replace(" or ", ", ").split(", ")]
        return shown, "is not a value for this key", choice_text(shown, choices, "")
    if kind == "string_type":
        fix = (
            "give it a value"
            if document.raw.get(path, "") in ("", "null", "~")
            else f'write it in quotes: "{shown}"'
        )
        return shown, "is not a text", fix if path in document.raw else "write a text here"
    if kind == "string_pattern_mismatch":
        return (shown, *pattern_problem(context["pattern"]))
    if kind in LIMITS:
        name, message, fix = LIMITS[kind]
        limit = context[name]
        return shown, message.format(limit), fix.format(limit)
    if kind == "value_error":
        message, _, fix = str(context["error"]).partition("; ")
        return shown, message, fix or "correct it"
    message, fix = WRONG_TYPE.get(kind.partition("_")[0], (f"is not right ({error['msg']})", "correct it"))
    return shown, message, fix


def pattern_problem(pattern: str) -> tuple[str, str]:
    """(message, fix) for a text that does not match a pattern of the protocol's types."""
    if pattern == "^[A-Z]{3}$":
        return "is not a three-letter code", "use three capitals: a country as DEU, a currency as EUR"
    if pattern == r"^(P.+)?$":
        return "is not a duration", "write it as ISO 8601, such as P14D or P24W"
    if pattern == "^[0-9a-f]{64}$":
        return "is not a SHA-256", "give its 64 hexadecimal digits, in lower case"
    return "is not a code", "use letters, digits, _ . and -, beginning with a letter or digit, at most 40"


def _meaning(model: type[BaseModel], path: Path) -> str:
    """What to write for a missing field: its description where it has one, else what kind of value it takes."""
    field = _part_at(model, path[:-1]).model_fields[str(path[-1])]
    if field.description:
        return f"... ({field.description})"
    if get_origin(field.annotation) is tuple:
        return "(a list)"
    if _model_in(field.annotation) is not None:
        return "(a mapping)"
    words = {
        int: "(a whole number)",
        float: "(a number)",
        Decimal: "(a number)",
        date: "(a date)",
        str: "(a text)",
    }
    return words.get(field.annotation, "...") if isinstance(field.annotation, type) else "..."


def _part_at(model: type[BaseModel], path: Path) -> type[BaseModel]:
    """The model of the part at `path`."""
    part = model
    for step in path:
        if isinstance(step, str) and step in part.model_fields:
            part = _model_in(part.model_fields[step].annotation) or part
    return part


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model class inside an annotation such as `tuple[Visit, ...]` or `StorageLimits | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (tuple, list, dict, Union, UnionType):
        return next((found for found in map(_model_in, get_args(annotation)) if found is not None), None)
    return None
