"""The one table of a lot's quality status: what is decided about a lot, from which status to which, with which reason and signature.

A kit has its own status (kit_status.py); its lot's says whether kits of the lot may be used at all. Where a lot may be used is another
matter: it is released country by country.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from allocation.errors import DomainRefusal
from allocation.rules.compilable import compilable

PENDING: Final = 0
RELEASED: Final = 1
RESTRICTED: Final = 2
QUARANTINED: Final = 3
REJECTED: Final = 4
RECALLED: Final = 5


@compilable
def lot_is_usable(status: int, released_here: bool, shipping: bool) -> bool:
    """Return whether kits of a lot may be used in a country that it is released for: shipped to it, or else dispensed in it.

    `status` is one of CODES.
    """
    return released_here and (status == RELEASED or (status == RESTRICTED and not shipping))


class LotStatus(StrEnum):
    """`pending`: not released yet. `restricted`: no kit of it leaves a depot any more; what is at sites is still used."""

    PENDING = "pending"
    RELEASED = "released"
    RESTRICTED = "restricted"
    QUARANTINED = "quarantined"
    REJECTED = "rejected"
    RECALLED = "recalled"


CODES: Final = {
    LotStatus.PENDING: PENDING,
    LotStatus.RELEASED: RELEASED,
    LotStatus.RESTRICTED: RESTRICTED,
    LotStatus.QUARANTINED: QUARANTINED,
    LotStatus.REJECTED: REJECTED,
    LotStatus.RECALLED: RECALLED,
}
"""The integer that the compilable rule takes for each status."""


class LotAct(StrEnum):
    """What is decided about a lot."""

    RELEASE = "release"
    RESTRICT = "restrict"
    QUARANTINE = "quarantine"
    REJECT = "reject"
    RECALL = "recall"


@dataclass(frozen=True, slots=True)
class LotTransition:
    """A row of the table. `signature`: the meaning that the act must be signed with, None where it need not be signed."""

    from_status: LotStatus
    act: LotAct
    to_status: LotStatus
    signature: str | None


LOT_RELEASED: Final = "lot released"
LOT_RESTRICTED: Final = "lot restricted"
LOT_REJECTED: Final = "lot rejected"
RELEASE_CHANGED: Final = "lot release by country changed"
"""The meaning of the signature under which a lot is released for countries or withdrawn from them."""

_S, _A = LotStatus, LotAct

LOT_TRANSITIONS: Final[tuple[LotTransition, ...]] = (
    LotTransition(_S.PENDING, _A.RELEASE, _S.RELEASED, LOT_RELEASED),
    LotTransition(_S.RESTRICTED, _A.RELEASE, _S.RELEASED, LOT_RELEASED),
    LotTransition(_S.QUARANTINED, _A.RELEASE, _S.RELEASED, LOT_RELEASED),
    LotTransition(_S.RELEASED, _A.RESTRICT, _S.RESTRICTED, LOT_RESTRICTED),
    LotTransition(_S.PENDING, _A.QUARANTINE, _S.QUARANTINED, None),
    LotTransition(_S.RELEASED, _A.QUARANTINE, _S.QUARANTINED, None),
    LotTransition(_S.RESTRICTED, _A.QUARANTINE, _S.QUARANTINED, None),
    LotTransition(_S.PENDING, _A.REJECT, _S.REJECTED, LOT_REJECTED),
    LotTransition(_S.RELEASED, _A.REJECT, _S.REJECTED, LOT_REJECTED),
    LotTransition(_S.RESTRICTED, _A.REJECT, _S.REJECTED, LOT_REJECTED),
    LotTransition(_S.QUARANTINED, _A.REJECT, _S.REJECTED, LOT_REJECTED),
    # What was rejected may have been used before; whoever has it is asked for it by a recall.
    LotTransition(_S.PENDING, _A.RECALL, _S.RECALLED, None),
    LotTransition(_S.RELEASED, _A.RECALL, _S.RECALLED, None),
    LotTransition(_S.RESTRICTED, _A.RECALL, _S.RECALLED, None),
    LotTransition(_S.QUARANTINED, _A.RECALL, _S.RECALLED, None),
    LotTransition(_S.REJECTED, _A.RECALL, _S.RECALLED, None),
)

NEVER_AGAIN: Final = frozenset({LotStatus.REJECTED, LotStatus.RECALLED})
"""No kit of such a lot is ever released again."""
DISPENSABLE: Final = frozenset(one for one in LotStatus if lot_is_usable(CODES[one], True, False))

_ROWS: Final = {(row.from_status, row.act): row for row in LOT_TRANSITIONS}


def lot_transition(lot: str, status: str, act: LotAct) -> LotTransition:
    """The row for this act on a lot of this status; `lot` only labels the message. Raises DomainRefusal where there is none."""
    row = _ROWS.get((LotStatus(status), act))
    if row is not None:
        return row
    possible = ", ".join(one.act for one in LOT_TRANSITIONS if one.from_status == status)
    raise DomainRefusal(
        f"lot {lot} is {status}, which does not allow '{act}'",
        code="lot-status",
        field="lot_id",
        fix=f"possible: {possible or 'nothing, this status is final'}",
    )


def may_be_used(status: str, released_for: frozenset[str], *countries: str, shipping: bool) -> bool:
    """Whether kits of a lot may be shipped to, or else dispensed in, one of these countries. `released_for`: country codes, or "*"."""
    released_here = "*" in released_for or not released_for.isdisjoint(countries)
    return lot_is_usable(CODES[LotStatus(status)], released_here, shipping)


def lot_never_used(status: str) -> DomainRefusal:
    """The refusal to use a lot of a status in `NEVER_AGAIN`."""
    fix = "none of its kits is used again"
    if status == LotStatus.RECALLED:
        return DomainRefusal("the lot was recalled", code="lot-recalled", field="lot_id", fix=fix)
    return DomainRefusal("the lot was rejected", code="lot-rejected", field="lot_id", fix=fix)


def kit_never_used(kit: str, status: str) -> DomainRefusal:
    """The refusal to release a kit whose lot is of a status in `NEVER_AGAIN`; it does not name the lot."""
    fix = "reject it, and return or destroy it"
    if status == LotStatus.RECALLED:
        return DomainRefusal(f"kit {kit} was recalled", code="kit-recalled", field="kit_numbers", fix=fix)
    return DomainRefusal(f"kit {kit} was rejected", code="kit-rejected", field="kit_numbers", fix=fix)
