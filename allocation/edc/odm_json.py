"""Reading ODM 2.0 as JSON: attributes are members with a plain value, elements are members with an object or a list of them.

The text of an element is its member `_content` (odmlib), `content` (CDISC's LinkML model) or `value`.
"""

from __future__ import annotations

import json
from typing import IO, Any, Final
from zoneinfo import ZoneInfo

from allocation.edc.odm_reading import DEEPEST, OdmReader, Wanted
from allocation.edc.refusals import malformed, too_large

LARGEST: Final = 64 * 1024 * 1024
"""Bytes. JSON is read as a whole, unlike XML: larger transfers go as XML."""

_TEXT: Final = ("_content", "content", "value")


def read_odm_json(stream: IO[bytes], zone: ZoneInfo, wanted: Wanted) -> OdmReader:
    """Read a whole ODM 2.0 JSON file. Raises DomainRefusal for one that is too large, not well formed, or not ODM."""
    body = stream.read(LARGEST + 1)
    if len(body) > LARGEST:
        raise too_large(LARGEST)
    try:
        # Numbers stay the text that was sent: no digit is lost, and none is too long to be read.
        document = json.loads(
            body.decode("utf-8-sig"),
            object_pairs_hook=_once,
            parse_constant=_no_number,
            parse_int=str,
            parse_float=str,
        )
    except RecursionError:
        raise malformed("its values lie too deep") from None
    except UnicodeDecodeError:
        raise malformed("it is not UTF-8", "send UTF-8") from None
    except json.JSONDecodeError as error:
        raise malformed(f"it is not well-formed JSON (line {error.lineno}, column {error.colno})") from None
    if isinstance(document, dict) and set(document) == {"ODM"}:
        document = document["ODM"]
    if not isinstance(document, dict) or "FileOID" not in document:
        raise malformed("it is no ODM file: FileOID is missing")
    reader = OdmReader(zone, wanted)
    _walk(reader, "ODM", document, 1)
    return reader


def _walk(reader: OdmReader, name: str, element: Any, depth: int) -> None:
    if depth > DEEPEST:
        raise malformed(f"elements lie more than {DEEPEST} deep")
    if isinstance(element, list):
        raise malformed(f"a list stands in the list of {name[:40]}")
    if not isinstance(element, dict):
        reader.start(name, {})
        reader.end(name, _text(element))
        return
    reader.start(name, {key: _text(value) for key, value in element.items() if not _is_element(value)})
    for key, value in element.items():
        if name.startswith("ItemData") and key == "Value" and not _is_element(value):
            continue  # an attribute already
        if _is_element(value):
            for child in value if isinstance(value, list) else [value]:
                _walk(reader, key, child, depth + 1)
        elif key == "DateTimeStamp":
            _walk(reader, key, value, depth + 1)
    content = next((element[key] for key in _TEXT if key in element), "")
    reader.end(name, "" if _is_element(content) else _text(content))


def _is_element(value: Any) -> bool:
    return isinstance(value, (dict, list))


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return str(value)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise malformed("an object has one name twice", "give each name once, and several elements as a list")
    return members


def _no_number(_text: str) -> None:
    raise malformed("it holds NaN or an infinity, which JSON does not know")
