"""The schedule of a subject whose visits follow several protocol versions: the old one up to a visit, a later one from it on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

from allocation.rules.amendments import VersionsByVisit, version_at

if TYPE_CHECKING:
    from allocation.study.protocol import Protocol
    from allocation.study.schedule import Dispensing, Titration

_Part = TypeVar("_Part", "Dispensing", "Titration")


def followed_schedule(versions: VersionsByVisit, protocols: Mapping[int, Protocol], version: int) -> Protocol:
    """The protocol of `version` with each visit, what is dispensed at it and its titration as the version says that the visit follows.

    `protocols` holds at least the versions named. A visit is that of the version which its number falls to; one that only other versions
    have is not in the schedule. Where one version counts for all visits it is that version's protocol itself. The entries of `version`'s
    own dispensing table keep their places.
    """
    if len(versions) <= 1:
        return protocols[version]
    base = protocols[version]
    numbers = {visit.code: visit.number for one in protocols.values() for visit in one.visits}
    follows = {code: version_at(versions, number) for code, number in numbers.items()}
    used = [base, *(protocols[number] for _, number in versions if number != version)]
    return base.model_copy(
        update={
            "visits": tuple(
                visit for one in used for visit in one.visits if follows[visit.code] == one.study.version
            ),
            "dispensing": tuple(
                part
                for one in used
                for part in _of_visits(one.dispensing, follows, one.study.version)
                if part.visits or one is base
            ),
            "titration": tuple(
                part
                for one in used
                for part in _of_visits(one.titration, follows, one.study.version)
                if part.visits
            ),
        }
    )


def _of_visits(parts: tuple[_Part, ...], follows: Mapping[str, int], version: int) -> list[_Part]:
    """The parts with only those of their visits that follow `version`."""
    return [
        part.model_copy(update={"visits": tuple(code for code in part.visits if follows[code] == version)})
        for part in parts
    ]
