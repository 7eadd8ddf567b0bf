"""A USDM document in memory: read from JSON, indexed by id, and asked tolerantly (a missing key is an empty answer).

USDM refers by `id` across the whole document, so every object is indexed once with its path; the paths name the place in findings.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from allocation.study.usdm.errors import UsdmUnreadable
from allocation.study.usdm.findings import Findings

USDM_MAJOR_VERSION = "4"

JsonObject = dict[str, Any]


class UsdmDocument:
    """One study version and one of its designs, with the objects of the whole document by id."""

    def __init__(self, data: JsonObject, version: JsonObject, design: JsonObject, findings: Findings) -> None:
        self.study: JsonObject = data["study"]
        self._data = data  # kept, because paths are found by the identity of its objects
        self.version = version
        self.design = design
        self.findings = findings
        self._by_id: dict[str, JsonObject] = {}
        self._paths: dict[int, str] = {}
        self._index(data)

    def _index(self, data: JsonObject) -> None:
        pending: list[tuple[str, Any]] = [("", data)]
        while pending:
            path, value = pending.pop()
            if isinstance(value, list):
                pending.extend((f"{path}[{place}]", item) for place, item in enumerate(value))
            elif isinstance(value, dict):
                self._paths[id(value)] = path
                key = value.get("id")
                if isinstance(key, str):
                    if key in self._by_id and self._by_id[key] != value:
                        self.findings.doubtful(path, f"id {key} occurs twice with different content")
                    self._by_id.setdefault(key, value)
                pending.extend((f"{path}.{name}" if path else name, item) for name, item in value.items())

    def path(self, item: JsonObject) -> str:
        """Where in the document `item` stands, such as `study.versions[0].studyDesigns[0].arms[1]`."""
        return self._paths.get(id(item), "")

    def by_id(self, key: object) -> JsonObject | None:
        """The object of that id, or None."""
        return self._by_id.get(key) if isinstance(key, str) else None

    def items(self, owner: JsonObject, key: str) -> list[JsonObject]:
        """The objects of a list; anything else found there is left out and remarked."""
        value = owner.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            self.findings.doubtful(f"{self.path(owner)}.{key}", "a list was expected; left out")
            return []
        found = [item for item in value if isinstance(item, dict)]
        if len(found) != len(value):
            self.findings.doubtful(f"{self.path(owner)}.{key}", "entries that are no objects were left out")
        return found

    def referred(self, owner: JsonObject, key: str) -> list[JsonObject]:
        """The objects whose ids the list `owner[key]` names; an id that leads nowhere is remarked."""
        ids = owner.get(key)
        found = []
        for reference in ids if isinstance(ids, list) else []:
            target = self.by_id(reference)
            if target is None:
                self.findings.doubtful(f"{self.path(owner)}.{key}", f"nothing has the id {reference!r}")
            else:
                found.append(target)
        return found

    def in_order(self, owner: JsonObject, key: str) -> list[JsonObject]:
        """The objects of a list in the order of their previousId / nextId links; where the links break, as listed."""
        items = self.items(owner, key)
        by_id = {str(item.get("id")): item for item in items}
        followed_ids = {str(item["nextId"]) for item in items if item.get("nextId")}
        ordered: list[JsonObject] = []
        current = next((item for item in items if str(item.get("id")) not in followed_ids), None)
        while current is not None and len(ordered) <= len(items):
            ordered.append(current)
            current = by_id.get(str(current.get("nextId")))
        if len(ordered) == len(items):
            return ordered
        if followed_ids:
            self.findings.doubtful(
                f"{self.path(owner)}.{key}",
                "the nextId links do not reach every entry; taken in the order of the list",
            )
        return items


def text(owner: JsonObject | None, *keys: str) -> str:
    """The first non-empty text among the keys, white space (also the non-breaking one) made single blanks; else empty."""
    for key in keys:
        value = (owner or {}).get(key)
        if isinstance(value, str) and value.strip():
            return " ".join(value.split())
    return ""


def code_of(value: Any) -> str:
    """The code (such as `C15601`) of a Code or an AliasCode; empty where there is none."""
    return _code_part(value, "code")


def decode_of(value: Any) -> str:
    """The decode (such as `Phase II Trial`) of a Code, an AliasCode or a plain text; empty where there is none."""
    return " ".join(value.split()) if isinstance(value, str) else _code_part(value, "decode")


def _code_part(value: Any, part: str) -> str:
    if not isinstance(value, dict):
        return ""
    standard = value.get("standardCode")
    return text(standard if isinstance(standard, dict) else value, part)


def number_of(quantity: Any) -> float | None:
    """The value of a Quantity (a number or a text that is one); of a Range the largest; None where there is none."""
    if isinstance(quantity, dict):
        return (
            number_of(quantity.get("maxValue"))
            if "maxValue" in quantity
            else number_of(quantity.get("value"))
        )
    if isinstance(quantity, bool) or not isinstance(quantity, int | float | str):
        return None
    try:
        return float(quantity)
    except (ValueError, OverflowError):
        return None


def open_document(file: Path, findings: Findings) -> UsdmDocument:
    """Read a USDM 4 JSON file and choose its study version and design.

    Raises UsdmUnreadable: the file cannot be read, is no JSON, is cut off, is no USDM, is of another major version of USDM,
    or has no study version or no study design.
    """
    data = _read_json(file)
    if not isinstance(data, dict) or not isinstance(data.get("study"), dict):
        raise UsdmUnreadable(
            file,
            "study",
            "not a USDM document: it has no object 'study'",
            "give the JSON of a whole USDM 4.0 study",
        )
    stated = data.get("usdmVersion")
    if stated is None:
        findings.doubtful("usdmVersion", "the USDM version is not stated; read as 4.0")
    elif str(stated).split(".")[0] != USDM_MAJOR_VERSION:
        raise UsdmUnreadable(
            file, "usdmVersion", f"USDM version {stated!r} is not supported", "export the study as USDM 4.0"
        )
    version = _first(file, data["study"], "study", "versions", "study version", findings)
    design = _first(file, version, "study.versions[0]", "studyDesigns", "study design", findings)
    return UsdmDocument(data, version, design, findings)


def _first(file: Path, owner: JsonObject, path: str, key: str, what: str, findings: Findings) -> JsonObject:
    found = owner.get(key)
    if not isinstance(found, list) or not found or not isinstance(found[0], dict):
        raise UsdmUnreadable(
            file, f"{path}.{key}", f"there is no {what}", f"give a document with at least one {what}"
        )
    if len(found) > 1:
        findings.doubtful(
            f"{path}.{key}", f"{len(found)} entries: the first {what} is taken, the others are ignored"
        )
    return found[0]


def _read_json(file: Path) -> Any:
    try:
        content = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsdmUnreadable(
            file, "", f"cannot be read: {error.strerror or error}", "name a USDM JSON file"
        ) from error
    except UnicodeDecodeError as error:
        raise UsdmUnreadable(
            file, "", f"is not text in UTF-8 (byte {error.start})", "save the JSON in UTF-8"
        ) from error
    try:
        return json.loads(content)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        cut_off = not content.strip() or error.pos >= len(content.rstrip()) or "Unterminated" in error.msg
        if cut_off:
            raise UsdmUnreadable(
                file,
                where,
                "the JSON ends in the middle: the file is cut off or empty",
                "copy it again as a whole",
            ) from error
        raise UsdmUnreadable(
            file, where, f"is no JSON: {error.msg}", "give the JSON form of the USDM document"
        ) from error
    except RecursionError as error:
        raise UsdmUnreadable(
            file, "", "is nested too deep to be a USDM document", "check the file"
        ) from error
