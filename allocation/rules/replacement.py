"""Replacing a subject who left: who may be replaced, and what the new subject is allocated where it takes the same arm.

By `next_entry` the new subject is allocated as anybody is. By `same_arm` it takes the arm of the one it replaces, uses no list entry and
no draw, and must be of the same stratum, so that the balance within strata stays as it was drawn. Version "replacement-same-arm/1".

The number of such a subject is that of the one replaced with a mark and a count ("4711023-R1"): it tells of the link, which the site
made itself, and of nothing else. Whoever has learnt the arm of one of the two has learnt that of the other.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from allocation.errors import DomainRefusal
from allocation.rules.compilable import compilable

RULE_VERSION: Final = "replacement-same-arm/1"
MARK: Final = "-R"

REPLACEABLE: Final = 0
NO_REPLACEMENT: Final = 1
NOT_REPLACEABLE: Final = 2
ALREADY_REPLACED: Final = 3


@compilable
def replacement_code(policy_replaces: bool, randomized_and_left: bool, already_replaced: bool) -> int:
    """Return REPLACEABLE, or the code of the first reason why a subject who left is not replaced."""
    if not policy_replaces:
        return NO_REPLACEMENT
    if not randomized_and_left:
        return NOT_REPLACEABLE
    if already_replaced:
        return ALREADY_REPLACED
    return REPLACEABLE


_MARKED = re.compile(rf"(?P<base>.+){MARK}[0-9]+")


@dataclass(frozen=True, slots=True)
class ReplacedSubject:
    """The subject who left, as it was randomized. `replaced_by`: who replaces it already."""

    subject_id: str
    status: str
    stratum: str | None
    number: str | None
    arm: str | None
    replaced_by: str | None


@dataclass(frozen=True, slots=True)
class ReplacementDecision:
    """The record of a same-arm replacement. Unblinded by its nature."""

    rule_version: str
    replaces: str
    arm: str
    number: str


def check_replaceable(policy: str, replaced: ReplacedSubject) -> None:
    """Raise DomainRefusal unless the protocol's `policy` lets this subject be replaced: it was randomized, left, and has no replacement."""
    who = replaced.subject_id
    left = replaced.status == "discontinued"
    code = replacement_code(policy != "none", left, replaced.replaced_by is not None)
    if code == NO_REPLACEMENT:
        raise DomainRefusal(
            "the protocol does not replace subjects",
            code="no-replacement",
            field="replaces",
            fix="screen the subject without it",
        )
    if code == NOT_REPLACEABLE:
        raise DomainRefusal(
            f"subject {who} is {replaced.status}: only one who was randomized and left is replaced",
            code="not-replaceable",
            field="replaces",
            fix="discontinue the subject first",
        )
    if code == ALREADY_REPLACED:
        raise DomainRefusal(
            f"subject {who} is replaced by {replaced.replaced_by} already",
            code="already-replaced",
            field="replaces",
            fix="a subject is replaced once; its replacement can be replaced in turn",
        )


def replacement_number(number: str, is_taken: Callable[[str], bool]) -> str:
    """The first number of the chain that `number` belongs to which is not taken: 4711023-R1, then -R2."""
    marked = _MARKED.fullmatch(number)
    base = number if marked is None else marked["base"]
    count = 1
    while is_taken(found := f"{base}{MARK}{count}"):
        count += 1
    return found


def same_arm_replacement(
    replaced: ReplacedSubject, stratum: str, is_taken: Callable[[str], bool]
) -> ReplacementDecision:
    """Allocate the arm of the one replaced to its replacement of `stratum`. Raises DomainRefusal for another stratum."""
    if replaced.arm is None or replaced.number is None:
        raise DomainRefusal(
            f"subject {replaced.subject_id} was never randomized", code="not-replaceable", field="replaces"
        )
    if replaced.stratum != stratum:
        raise DomainRefusal(
            f"the replacement of subject {replaced.subject_id} must be of its stratum, {replaced.stratum}",
            code="replacement-stratum",
            field="factors",
            fix="correct the factors if they are wrong, or screen a subject of that stratum",
        )
    number = replacement_number(replaced.number, is_taken)
    return ReplacementDecision(RULE_VERSION, replaced.subject_id, replaced.arm, number)
