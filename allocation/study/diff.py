"""What changed between two versions of a protocol, by the names of things and not by their position in a list."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from allocation.study.canonical import plain_document

if TYPE_CHECKING:
    from allocation.study.protocol import Protocol

Plain = Any
"""A JSON value."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change: at `path`, such as `visits[V3].window_before`, from `old` to `new` (JSON values; None where there is none).

    `reordered`: the same things in another order, where `old` and `new` are their names.
    """

    path: str
    kind: Literal["added", "removed", "changed", "reordered"]
    old: Plain
    new: Plain

    def __str__(self) -> str:
        """Such as `~ visits[V3].window_before: 3 -> 5`."""
        if self.kind == "added":
            return f"+ {self.path}: {_text(self.new)}"
        if self.kind == "removed":
            return f"- {self.path}: {_text(self.old)}"
        words = " (order)" if self.kind == "reordered" else ""
        return f"~ {self.path}{words}: {_text(self.old)} -> {_text(self.new)}"

    def as_json(self) -> dict[str, Plain]:
        """The change as a JSON object."""
        return asdict(self)


def _text(value: Plain) -> str:
    """A JSON value in one line, without what is empty."""
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if item not in (None, "", [], {})}
        return "{" + ", ".join(f"{key}: {_text(item)}" for key, item in kept.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_text(item) for item in value) + "]"
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)


def _joined(*names: str) -> Callable[[Mapping[str, Plain]], str]:
    def key(item: Mapping[str, Plain]) -> str:
        parts = [item[name] for name in names]
        return " ".join(
            "+".join(part) if isinstance(part, list) else str(part)
            for part in parts
            if part not in (None, "", [])
        )

    return key


def _parameter_set(item: Mapping[str, Plain]) -> str:
    return _joined("level", "key", "kit_type", "from")({**item, "from": item["parameters"]["valid_from"]})


KEYS: Final[Mapping[str, Callable[[Mapping[str, Plain]], str]]] = {
    "caps": _joined("kind", "scope", "key"),
    "cells": _joined("arm", "epoch"),
    "dispensing": _joined("visits", "arm", "dose_level"),
    "items": _joined("item"),
    "kits": _joined("kit_type"),
    "lanes": _joined("depot", "country", "site", "to_depot"),
    "parameters": _parameter_set,
    "periods": _joined("visit", "offset_days"),
    "regimens": _joined("arm", "dose_level", "visits"),
}
"""What names an item of a list, for the lists whose items have no code."""


def diff_protocols(old: Protocol, new: Protocol) -> list[Change]:
    """Every change from `old` to `new`, in the order of the document; empty when they say the same."""
    changes: list[Change] = []
    _compare("", "", plain_document(old), plain_document(new), changes)
    return changes


def _compare(path: str, name: str, old: Plain, new: Plain, changes: list[Change]) -> None:
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            where = f"{path}.{key}" if path else key
            if key not in new:
                changes.append(Change(where, "removed", old[key], None))
            elif key not in old:
                changes.append(Change(where, "added", None, new[key]))
            else:
                _compare(where, key, old[key], new[key], changes)
    elif _is_named_list(old) and _is_named_list(new):
        _compare_lists(path, _by_name(name, old), _by_name(name, new), changes)
    else:
        changes.append(Change(path, "changed", old, new))


def _compare_lists(path: str, old: dict[str, Plain], new: dict[str, Plain], changes: list[Change]) -> None:
    for key, item in old.items():
        if key not in new:
            changes.append(Change(f"{path}[{key}]", "removed", item, None))
        else:
            _compare(f"{path}[{key}]", "", item, new[key], changes)
    changes.extend(
        Change(f"{path}[{key}]", "added", None, item) for key, item in new.items() if key not in old
    )
    before, after = [key for key in old if key in new], [key for key in new if key in old]
    if before != after:
        changes.append(Change(path, "reordered", before, after))


def _is_named_list(value: Plain) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _by_name(name: str, items: list[dict[str, Plain]]) -> dict[str, Plain]:
    """The items by what names them; a second one of a name gets a number."""
    key_of = KEYS.get(name, _joined("code"))
    by_name: dict[str, Plain] = {}
    for item in items:
        key, count = key_of(item), 2
        while key in by_name:
            key, count = f"{key_of(item)} #{count}", count + 1
        by_name[key] = item
    return by_name
