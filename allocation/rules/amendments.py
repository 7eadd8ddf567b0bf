"""Which protocol version a subject's own visits follow, once the protocol was amended while the subject is on study."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

RULE_VERSION: Final = "amendment/2"

VersionsByVisit = tuple[tuple[Decimal | None, int], ...]
"""The versions that a subject's visits follow, each with the visit number (VISITNUM) from which on it does. The first has none: it counts
for every visit before that of the next one. Visit numbers and versions both rise."""


def amended(
    versions: VersionsByVisit, version: int, moves: bool, from_visit: Decimal | None = None
) -> VersionsByVisit:
    """The versions of a randomized subject's visits once a later `version` is in force that moves it or does not.

    `moves`: with the next visit; else from the visit of number `from_visit` on, which takes whoever has passed it with the next visit;
    without either the subject stays as it is.
    """
    if moves:
        return ((None, version),)
    if from_visit is None:
        return versions
    before = tuple(one for one in versions if one[0] is None or one[0] < from_visit)
    return (*before, (from_visit, version))


def versions_by_visit(
    in_force: int,
    randomized_under: int | None,
    moves_to: int | None,
    from_visits: Iterable[tuple[int, Decimal]] = (),
) -> VersionsByVisit:
    """The versions that the subject's visits are decided under, by the number of the visit.

    `in_force` is the version in force in the subject's country, `randomized_under` that of the subject's latest randomization
    (None: not randomized, or on no version of its own), `moves_to` the latest version in force there that moves subjects on study with
    their next visit (None: there is none), `from_visits` those in force there that move them from a visit on, with that visit's number.

    Whoever is not randomized goes by the version in force. Others stay on their version until a later one moves them; from then on a
    version that moves nobody leaves them on the one they moved to.
    """
    if randomized_under is None:
        return ((None, in_force),)
    base = max(randomized_under, moves_to or 0)
    versions: VersionsByVisit = ((None, base),)
    for version, number in sorted(from_visits):
        if version > base:
            versions = amended(versions, version, False, number)
    return versions


def version_at(versions: VersionsByVisit, number: Decimal | None) -> int:
    """The version that a visit of that number follows; `number` None: a subject who was at none yet."""
    passed = [
        version for start, version in versions if start is None or (number is not None and start <= number)
    ]
    return passed[-1]
