"""A YAML text as plain data, with the line and column of everything in it.

YAML 1.2, one document, with fewer freedoms than the format has: a key stands once, and there are no aliases, merges and own tags (a
document that people sign says each thing where it holds). Numbers keep their sign and digits: what is not plainly an
integer or a decimal number stays a string, so that a code such as 007 is never changed in silence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from math import isfinite
from typing import Any, cast

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from allocation.study.errors import Problem
from allocation.study.inconsistency import Path, path_text

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]{1,3})?")
_PLAIN_TAGS = {"null", "bool", "int", "float", "str", "seq", "map", "timestamp"}
_MAX_DEPTH = 40
_SHOWN_CHARACTERS = 60


@dataclass(slots=True)
class PositionedDocument:
    """`data` is made of dict, list, str, int, float, bool and None. Positions are (line, column), counted from 1.

    `values` has the position of each value, `keys` that of each mapping key, `raw` each scalar as written, and `quoted` those
    with quotes around them.
    """

    data: Any = None
    values: dict[Path, tuple[int, int]] = field(default_factory=dict)
    keys: dict[Path, tuple[int, int]] = field(default_factory=dict)
    raw: dict[Path, str] = field(default_factory=dict)
    quoted: set[Path] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)

    def position(self, path: Path) -> tuple[int, int]:
        """Where `path` is, or where the nearest part around it is, since a document leaves out what has a default."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.values:
                return self.values[path[:length]]
        return (1, 1)

    def shown(self, path: Path) -> str:
        """The value at `path` in a few words, as it was written."""
        if path in self.raw:
            text = self.raw[path]
            short = text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."
            return f'"{short}"' if path in self.quoted else short or "(empty)"
        value = self._at(path)
        if value is None:
            return "(nothing)"
        return f"(a list of {len(value)})" if isinstance(value, list) else "(a mapping)"

    def length(self, path: Path) -> int:
        """How many items the list at `path` has; 0 where there is none."""
        value = self._at(path)
        return len(value) if isinstance(value, list) else 0

    def _at(self, path: Path) -> Any:
        value = self.data
        for step in path:
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                return None
        return value


def read_positions(text: str) -> PositionedDocument:
    """Parse `text`. What is wrong with it as YAML is in `problems`; after a syntax error there are no data."""
    document = PositionedDocument()
    try:
        root = _composed(text)
    except MarkedYAMLError as broken:
        mark = broken.problem_mark or broken.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        reason = ", ".join(part for part in (broken.context, broken.problem) if part)
        document.problems.append(
            Problem("", line, column, "the text", f"is not valid YAML ({reason})", _syntax_fix(reason))
        )
        return document
    except ReaderError as broken:
        document.problems.append(
            Problem(
                "",
                text.count("\n", 0, broken.position) + 1,
                1,
                repr(broken.character),
                "is a character that YAML does not allow",
                "remove it",
            )
        )
        return document
    if root is None:
        document.problems.append(Problem("", 1, 1, "the file", "is empty", "start it with schema_version: 1"))
        return document
    document.data = _Walk(document).value(root, ())
    return document


@lru_cache(maxsize=16)
def _composed(text: str) -> Node | None:
    """The node tree of `text`, which nobody changes. To make it takes most of the time of reading a document, often several times."""
    yaml = YAML(typ="safe", pure=True)
    yaml.max_depth = _MAX_DEPTH
    root: Node | None = yaml.compose(text)
    return root


def _syntax_fix(reason: str) -> str:
    if "but found another document" in reason:
        return "put each document into a file of its own"
    if "undefined alias" in reason:
        return "write the value out, or in quotes where it begins with *"
    if "maximum depth" in reason:
        return f"nest at most {_MAX_DEPTH} levels deep"
    if "cannot start any token" in reason:
        return "indent with spaces, and put a text that begins with @, `, % or a tab into quotes"
    if "mapping values are not allowed" in reason:
        return "put a text that holds ': ' into quotes, or mend the indentation"
    return "mend the indentation, bracket or quote at or just before this place"


class _Walk:
    """Turns the node tree into plain data, and notes positions and problems on the way."""

    def __init__(self, document: PositionedDocument) -> None:
        self.document = document
        self.seen: set[int] = set()

    def value(self, node: Node, path: Path) -> Any:
        """The plain value of `node`, which stands at `path`."""
        position = _position(node)
        self.document.values[path] = position
        if id(node) in self.seen:
            self._problem(path, position, "(an alias)", "is not allowed in a study document", "write it out")
            return None
        self.seen.add(id(node))
        tag = str(node.tag).rpartition(":")[2] if str(node.tag).startswith("tag:yaml.org") else str(node.tag)
        if tag not in _PLAIN_TAGS:
            self._problem(path, position, tag, "is a YAML tag that is not supported", "write a plain value")
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        scalar = cast(ScalarNode, node)
        raw: str = scalar.value
        self.document.raw[path] = raw
        if scalar.style in ("'", '"'):
            self.document.quoted.add(path)
        return _scalar(tag, raw)

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, ScalarNode) else "(a key that is no word)"
            here = (*path, key)
            if key in data:
                line = self.document.keys[here][0]
                self._problem(
                    here,
                    _position(key_node),
                    key,
                    f"is a key that line {line} has too",
                    "keep one of the two",
                )
                continue
            self.document.keys[here] = _position(key_node)
            data[key] = self.value(value_node, here)
            if self.document.raw.get(here) == "" and here not in self.document.quoted:
                self.document.values[here] = self.document.keys[
                    here
                ]  # nothing was written: YAML says the next line
        return data

    def _problem(self, path: Path, position: tuple[int, int], value: str, message: str, fix: str) -> None:
        self.document.problems.append(Problem(path_text(path), *position, value, message, fix))


def _position(node: Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _scalar(tag: str, raw: str) -> str | int | float | bool | None:
    if tag == "null":
        return None
    if tag == "bool":
        return raw.lower() == "true"
    if tag == "int" and _INTEGER.fullmatch(raw):
        return int(raw)
    if tag == "float" and _DECIMAL.fullmatch(raw) and isfinite(float(raw)):
        return float(raw)
    return raw
