"""One thing that does not fit between the parts of a protocol, and the list that the checks write it into."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

Path = tuple[str | int, ...]
"""Where in the document: keys and list positions from 0, such as ("visits", 3, "epoch")."""


def path_text(path: Path) -> str:
    """Write a path as people read it in the file.

    >>> path_text(("visits", 3, "window_before"))
    'visits[3].window_before'
    """
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else (f".{step}" if text else step)
    return text


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` was most likely meant to be, or None; upper and lower case count as one."""
    by_folded = {candidate.casefold(): candidate for candidate in known}
    found = difflib.get_close_matches(word.casefold(), list(by_folded), n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None


def choice_text(word: str, known: Sequence[str], none_known: str) -> str:
    """How to mend a name that is not among `known`: the nearest one first, then a short list of them all."""
    if not known:
        return none_known
    shown = ", ".join(known[:12]) + (f", ... ({len(known)} in all)" if len(known) > 12 else "")
    meant = nearest(word, known)
    return f"did you mean {meant}? known: {shown}" if meant else f"use one of {shown}"


@dataclass(frozen=True, slots=True)
class Inconsistency:
    """What is wrong at `path` (`message`, about `value`), and how to mend it (`fix`)."""

    path: Path
    value: str
    message: str
    fix: str

    def __str__(self) -> str:
        """One line: path, value, what is wrong, and the fix after the semicolon."""
        return f"{path_text(self.path) or '(the whole document)'}: {self.value} {self.message}; {self.fix}"


class InconsistentProtocolError(ValueError):
    """The parts of a protocol do not fit each other; `found` has every reason. pydantic hands it on as `ctx.error`."""

    def __init__(self, found: Sequence[Inconsistency]) -> None:
        super().__init__("\n".join(str(one) for one in found))
        self.found = tuple(found)


@dataclass(slots=True)
class Findings:
    """The list that checks append to, with the two checks that recur everywhere: known names and unique names."""

    found: list[Inconsistency] = field(default_factory=list)

    def add(self, path: Path, value: object, message: str, fix: str) -> None:
        """Note one finding about `value` at `path`."""
        self.found.append(Inconsistency(path, str(value), message, fix))

    def name(self, path: Path, value: str | None, known: Sequence[str], kind: str) -> bool:
        """Check that `value` is one of the `known` names of that `kind` (None passes); return whether it is."""
        if value is None or value in known:
            return True
        article = "an" if kind[0] in "aeiou" else "a"
        self.add(
            path,
            value,
            f"is not {article} {kind} of this protocol",
            choice_text(value, known, f"this protocol has no {kind}: add one, or leave this out"),
        )
        return False

    def names(self, path: Path, values: Sequence[str], known: Sequence[str], kind: str) -> None:
        """Check each of `values` as `name` does, and that none is given twice."""
        for index, value in enumerate(values):
            self.name((*path, index), value, known, kind)
        self.unique(path, values, kind)

    def unique(self, path: Path, values: Sequence[object], kind: str, key: str | None = None) -> None:
        """Check that no value stands twice in the list at `path`; `key` is the field of its items that holds the value."""
        first: dict[object, int] = {}
        for index, value in enumerate(values):
            if value in first:
                here = (*path, index) if key is None else (*path, index, key)
                there = path_text((*path, first[value]))
                self.add(
                    here,
                    value,
                    f"is a {kind} that {there} has too",
                    "give each its own, or remove one of the two",
                )
            else:
                first[value] = index
