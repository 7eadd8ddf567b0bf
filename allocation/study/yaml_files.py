"""Study documents in YAML: read with every problem named by its place in the file, written in a readable order.

Reading reports all problems at once. Names across the parts are checked too where the shape is right, apart from the parts that
have a problem of their own, since one slip should not give ten messages.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.representer import RoundTripRepresenter
from ruamel.yaml.scalarstring import LiteralScalarString

from allocation.study.canonical import decimal_text
from allocation.study.doubts import warnings
from allocation.study.errors import DocumentError, Problem, ProtocolError
from allocation.study.inconsistency import Inconsistency, path_text
from allocation.study.inconsistency import Path as DocumentPath
from allocation.study.model import PLACEHOLDER
from allocation.study.protocol import Protocol
from allocation.study.shape_problems import inconsistency_problems, own_errors, shape_problems
from allocation.study.yaml_positions import PositionedDocument, read_positions

Document = TypeVar("Document", bound=BaseModel)
Check = Callable[[Document], Iterable[Inconsistency]]
"""What is wrong with a document beside its shape."""

_LINE_WIDTH = 100
_SAFE_IN_BRACKETS = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._/()=+-]*")


def load_protocol(path: Path | str) -> Protocol:
    """Read the study protocol in the YAML file `path`. Raises ProtocolError with every problem of the file."""
    return load_document(Protocol, path, ProtocolError)


def load_protocol_with_warnings(path: Path | str) -> tuple[Protocol, list[Problem]]:
    """The protocol in the YAML file `path`, and what is doubtful in it, each with its line. Raises ProtocolError."""
    protocol, document = load_protocol_with_places(path)
    return protocol, inconsistency_problems(warnings(protocol), document)


def load_protocol_with_places(path: Path | str) -> tuple[Protocol, PositionedDocument]:
    """The protocol in the YAML file `path`, and where each of its values stands. Raises ProtocolError."""
    protocol = load_protocol(path)
    return protocol, read_positions(_read(path, ProtocolError))


def parse_protocol(text: str, source: str = "(text)") -> Protocol:
    """Read a study protocol from YAML text; `source` names it in messages. Raises ProtocolError."""
    return parse_document(Protocol, text, source, ProtocolError)


def load_document(
    model: type[Document],
    path: Path | str,
    error: type[DocumentError] = DocumentError,
    check: Check[Document] | None = None,
) -> Document:
    """Read the YAML file `path` as a `model`, as `parse_document` does. Raises `error`, also for an unreadable file."""
    return parse_document(model, _read(path, error), str(path), error, check)


def _read(path: Path | str, error: type[DocumentError]) -> str:
    try:
        return Path(path).read_bytes().decode("utf-8-sig")
    except OSError as unreadable:
        reason = unreadable.strerror or str(unreadable)
        problem = Problem("", 0, 0, "the file", f"cannot be read ({reason})", "check its name and rights")
        raise error(str(path), [problem]) from unreadable
    except UnicodeDecodeError as undecodable:
        problem = Problem(
            "", 0, 0, "the file", f"is not UTF-8 text ({undecodable.reason})", "save it as UTF-8"
        )
        raise error(str(path), [problem]) from undecodable


def parse_document(
    model: type[Document],
    text: str,
    source: str = "(text)",
    error: type[DocumentError] = DocumentError,
    check: Check[Document] | None = None,
) -> Document:
    """Read YAML `text` as a `model`; `source` names it in messages. Raises `error` with every problem.

    `check` gets the document once its shape is right, and says what else is wrong (names in another document, say).
    """
    document = read_positions(text)
    problems = list(document.problems)
    if document.data is None and problems:
        raise error(source, problems)
    if other := _other_kind(model, document.data):
        raise error(source, [*problems, other])
    problems += _placeholders(document)
    try:
        read = _validate(model, document.data)
    except ValidationError as invalid:
        found = shape_problems(model, invalid, document)
        unfilled = {problem.path for problem in problems}
        problems += [problem for problem in found if problem.path not in unfilled]
        problems += _behind_unknown_keys(model, document, invalid)
    else:
        problems += inconsistency_problems(check(read) if check is not None else (), document)
        if not problems:
            return read
    raise error(source, sorted(problems, key=lambda problem: (problem.line, problem.column)))


def _validate(model: type[Document], data: Any) -> Document:
    # Strict, so that "3" is no number and 1 is no truth value; as JSON, so that a list is a tuple and a text is a date.
    return model.model_validate_json(json.dumps(data), strict=True)


def _other_kind(model: type[BaseModel], data: Any) -> Problem | None:
    """One problem instead of one for each key, for a document of another kind (a scenario where a protocol is wanted)."""
    required = [name for name, one in model.model_fields.items() if one.is_required()]
    if not isinstance(data, dict) or not data or any(name in data for name in required[: len(required) // 2]):
        return None
    value = (
        f"a document with the keys {', '.join(list(data)[:4])}, ..."
        if len(data) > 4
        else f"a document with {', '.join(data)}"
    )
    return Problem(
        "",
        1,
        1,
        value,
        f"is no {model.__name__.lower()}",
        f"a {model.__name__.lower()} has {', '.join(required)}",
    )


def _placeholders(document: PositionedDocument) -> list[Problem]:
    return [
        Problem(path_text(path), *document.values[path], PLACEHOLDER, "is still to be decided", "fill it in")
        for path, raw in document.raw.items()
        if raw.strip() == PLACEHOLDER
    ]


def _behind_unknown_keys(
    model: type[BaseModel], document: PositionedDocument, invalid: ValidationError
) -> list[Problem]:
    """The problems across parts that would show once the unknown keys were gone, except inside the parts that have one."""
    errors = own_errors(invalid, document)
    unknown: list[DocumentPath] = [tuple(one["loc"]) for one in errors if one["type"] == "extra_forbidden"]
    if len(unknown) < len(errors) or any(len(path) == 1 for path in unknown):
        return []
    data = json.loads(json.dumps(document.data))
    for path in unknown:
        part = data
        for step in path[:-1]:
            part = part[step]
        del part[path[-1]]
    try:
        _validate(model, data)
    except ValidationError as further:
        touched = [path_text(path[:-1]) for path in unknown]
        return [
            problem
            for problem in shape_problems(model, further, document)
            if not any(
                problem.path == part or problem.path.startswith((f"{part}.", f"{part}[")) for part in touched
            )
        ]
    return []


def dump_protocol(protocol: Protocol) -> str:
    """The protocol as YAML text that reads back equal, without what only repeats a default."""
    return dump_document(protocol)


def dump_document(document: BaseModel) -> str:
    """A study document as YAML text, keys in the order of the model, short rows on one line."""
    data = document.model_dump(mode="python", exclude_defaults=True)
    version = getattr(document, "schema_version", None)
    if version is not None:
        data = {"schema_version": version, **data}
    yaml = YAML()
    yaml.Representer = _StudyRepresenter
    yaml.width = _LINE_WIDTH
    yaml.indent(mapping=2, sequence=4, offset=2)
    text = io.StringIO()
    yaml.dump(_laid_out(data), text)
    return text.getvalue()


class _StudyRepresenter(RoundTripRepresenter):
    """Writes a Decimal as the plain number that it is, or in quotes where reading it as a float would lose digits."""

    def represent_decimal(self, value: Decimal) -> Any:
        """The scalar node of `value`."""
        text = decimal_text(value)
        if Decimal(repr(float(text))) != value:
            return self.represent_scalar("tag:yaml.org,2002:str", text, style="'")
        return self.represent_scalar(f"tag:yaml.org,2002:{'float' if '.' in text else 'int'}", text)


_StudyRepresenter.add_representer(Decimal, _StudyRepresenter.represent_decimal)


def _laid_out(value: Any) -> Any:
    """`value` as nodes that say how they are written: lists of single values and short rows on one line."""
    if isinstance(value, dict):
        return CommentedMap((key, _laid_out(item)) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        sequence = CommentedSeq(_laid_out(item) for item in value)
        if all(_is_single(item) for item in value):
            sequence.fa.set_flow_style()
        for item in sequence:
            if isinstance(item, CommentedMap) and _fits_on_a_line(item):
                item.fa.set_flow_style()
        return sequence
    return LiteralScalarString(value) if isinstance(value, str) and "\n" in value else value


def _is_single(value: Any) -> bool:
    """A value that may stand inside brackets: ruamel.yaml leaves some texts there unquoted that it cannot read again."""
    if isinstance(value, str):
        return _SAFE_IN_BRACKETS.fullmatch(value) is not None
    return value is None or isinstance(value, (int, float, Decimal, date))


def _fits_on_a_line(mapping: CommentedMap) -> bool:
    width = sum(len(str(key)) + len(str(value)) + 4 for key, value in mapping.items())
    return width < _LINE_WIDTH - 12 and all(_is_single(value) for value in mapping.values())
