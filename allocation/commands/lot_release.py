"""What is decided about a lot while the study runs: its quality status, and the countries that it is released for. Signed; it unblinds."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import model_validator
from sqlalchemy import Row, func, select

from allocation.access.signing import require_signature
from allocation.commands.kit_scope import locked_lot
from allocation.commands.lent_lots import decided_in, enter_with_borrowers, lot_there
from allocation.commands.lot_places import countries_named
from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.signed_requests import asked_content
from allocation.commands.transaction import Transaction, execute
from allocation.errors import DomainRefusal
from allocation.ledger.schema import kit, site
from allocation.rules.kit_status import Act as KitAct
from allocation.rules.kit_status import KitStatus, Place, rows_of
from allocation.rules.lot_status import RELEASE_CHANGED, LotAct, LotStatus, lot_transition, may_follow
from allocation.study.model import Code

EVERYWHERE = "*"
_REACHING = (LotAct.RESTRICT, LotAct.REJECT)
"""The decisions that reach studies which the lot was lent to. Whether they use a released one, they decide themselves."""


class JudgeLotRequest(CommandRequest):
    """A decision on the quality of a lot."""

    lot_id: Code
    decision: Literal["release", "restrict", "reject"]


class ChangeLotReleaseRequest(CommandRequest):
    """Countries or label groups that a lot is released for now (`*`: all), and those that it is withdrawn from."""

    lot_id: Code
    release: tuple[str, ...] = ()
    withdraw: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _something(self) -> ChangeLotReleaseRequest:
        if not self.release and not self.withdraw:
            raise ValueError("name countries or label groups under release, withdraw or both")
        return self


def judge_lot(service: Service, act: Act, study_id: str, request: JudgeLotRequest) -> dict[str, Any]:
    """Release, restrict or reject a lot as a whole, with a reason and signed; answers its status.

    A restricted lot is no more shipped; what sites have of it is used. Kits of a rejected lot go into quarantine wherever they are, and
    none is released again. It UNBLINDS. Raises NotFound, NotPermitted, SignatureRefused, DomainRefusal where its status does not allow it.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        others = enter_with_borrowers(transaction, request.lot_id)
        found = locked_lot(transaction, request.lot_id)
        row = lot_transition(request.lot_id, found.status, LotAct(request.decision))
        act.require_reason("a decision on a lot needs a reason")
        content = asked_content(study_id, "judge_lot", request, act.reason)
        require_signature(act.signature, str(row.signature), content, username=act.actor.username)
        after, numbers = _judged(transaction, request.lot_id, row.to_status)
        elsewhere = []
        for other in others if row.act in _REACHING else ():
            there = lot_there(other, request.lot_id)
            if there is None or not may_follow(LotStatus(there.status), row.act):
                continue
            also, kits = _judged(other, request.lot_id, row.to_status)
            before = {"lot_status": there.status}
            payload = {**also, **decided_in(transaction)}
            other.append(payload, before=before, answer={}, kit_numbers=kits, follows=other.command)
            elsewhere.append({"study_id": other.study_id, "kits": list(kits)})
        answer = {
            "lot_id": request.lot_id,
            "status": row.to_status.value,
            "quarantined": list(numbers),
            "other_studies": elsewhere,
        }
        return transaction.append(
            after, before={"lot_status": found.status}, answer=answer, kit_numbers=numbers
        )

    return execute(service, act, study_id, "judge_lot", request, body)


def change_lot_release(
    service: Service, act: Act, study_id: str, request: ChangeLotReleaseRequest
) -> dict[str, Any]:
    """Release a lot for countries or label groups, or withdraw it, with a reason and signed; answers where it may be used now.

    A label group stands for the countries that it has at this moment. What is at sites of a country that it was withdrawn from stays
    there and is neither assigned nor dispensed; `held` counts it by site. It UNBLINDS. Raises NotFound, NotPermitted, SignatureRefused,
    DomainRefusal for an unknown country, one that is named on both sides, or where nothing changes.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        others = enter_with_borrowers(transaction, request.lot_id)
        found = locked_lot(transaction, request.lot_id)
        act.require_reason("a decision on a lot needs a reason")
        content = asked_content(study_id, "change_lot_release", request, act.reason)
        require_signature(act.signature, RELEASE_CHANGED, content, username=act.actor.username)
        held = set(json.loads(found.released_for))
        released_for = _changed(transaction, held, request)
        if released_for == held:
            raise _refused("the lot is released for just these countries already", code="release-unchanged")
        after = {
            "lot_id": request.lot_id,
            "released_for": sorted(released_for),
            "withdrawn_from": sorted(
                one.code
                for one in transaction.protocol.countries
                if {EVERYWHERE, one.code} & held and not {EVERYWHERE, one.code} & released_for
            ),
        }
        elsewhere = [_withdrawn_there(transaction, other, request) for other in others if request.withdraw]
        answer = {
            "lot_id": request.lot_id,
            "released_for": sorted(released_for),
            "held": _held_at_sites(transaction, request.lot_id, released_for),
            "other_studies": [one for one in elsewhere if one is not None],
        }
        return transaction.append(after, before={"released_for": sorted(held)}, answer=answer)

    return execute(service, act, study_id, "change_lot_release", request, body)


def _judged(
    transaction: Transaction, lot_id: str, status: LotStatus
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The payload of the decision in one study, and the kits that go into quarantine there."""
    taken = _usable(transaction, lot_id) if status == LotStatus.REJECTED else []
    after = {
        "lot_id": lot_id,
        "lot_status": status.value,
        "moved_on": transaction.today.isoformat(),
        "kits": [[one.kit_number, one.status, one.place_kind, one.place] for one in taken],
    }
    return after, tuple(one.kit_number for one in taken)


def _withdrawn_there(
    transaction: Transaction, other: Transaction, request: ChangeLotReleaseRequest
) -> dict[str, Any] | None:
    """Withdraw the lot in a study that has kits of it, from the countries that it shares; None where that changes nothing.

    That study is not released by this one for any country: it decides that itself.
    """
    found = lot_there(other, request.lot_id)
    theirs = {one.code for one in other.protocol.countries}
    if found is None:
        return None
    if EVERYWHERE in request.withdraw:
        less = theirs | {EVERYWHERE}
    else:
        less = set(countries_named(transaction.protocol, request.withdraw, "withdraw")) & theirs
    held = set(json.loads(found.released_for))
    left = ((theirs | held) - {EVERYWHERE} if EVERYWHERE in held and less else held) - less
    if left == held:
        return None
    after = {"lot_id": request.lot_id, "released_for": sorted(left), **decided_in(transaction)}
    before = {"released_for": sorted(held)}
    other.append(after, before=before, answer={}, follows=other.command)
    kits = sum(_held_at_sites(other, request.lot_id, left).values())
    return {"study_id": other.study_id, "released_for": sorted(left), "held": kits}


def _refused(message: str, *, code: str) -> DomainRefusal:
    return DomainRefusal(message, code=code, field="release", fix="name other countries; nothing was changed")


def _changed(transaction: Transaction, held: set[str], request: ChangeLotReleaseRequest) -> set[str]:
    """The countries after the change. "*" stays "*" until the lot is withdrawn from one: then it is released for all others."""
    protocol = transaction.protocol
    everywhere = EVERYWHERE in request.release
    named = [one for one in request.release if one != EVERYWHERE]
    more = set(countries_named(protocol, named, "release"))
    if EVERYWHERE in request.withdraw:
        less = {EVERYWHERE} | held | {one.code for one in protocol.countries}
    else:
        less = set(countries_named(protocol, request.withdraw, "withdraw"))
    if both := sorted(more & less):
        raise _refused(
            f"{', '.join(both)} would be released and withdrawn at once", code="release-and-withdraw"
        )
    after = {EVERYWHERE} if everywhere else held | more
    if EVERYWHERE in after and less:
        after = {one.code for one in protocol.countries} | more
    elif EVERYWHERE in after:
        after = {EVERYWHERE}
    return after - less


def _usable(transaction: Transaction, lot_id: str) -> list[Row[Any]]:
    """The kits of the lot that the table of kit states lets into quarantine."""
    possible = {(row.from_status, row.from_place) for row in rows_of(KitAct.QUARANTINE)}
    query = select(kit).where(kit.c.study_id == transaction.study_id, kit.c.lot_id == lot_id)
    rows = transaction.connection.execute(query.order_by(kit.c.kit_number).with_for_update())
    return [one for one in rows if (KitStatus(one.status), Place(one.place_kind)) in possible]


def _held_at_sites(transaction: Transaction, lot_id: str, released_for: set[str]) -> dict[str, int]:
    """Kits of the lot, by site, at sites of countries where it is not released."""
    query = (
        select(site.c.site_id, site.c.country, func.count().label("kits"))
        .join_from(kit, site, (site.c.study_id == kit.c.study_id) & (site.c.site_id == kit.c.place))
        .where(
            kit.c.study_id == transaction.study_id,
            kit.c.lot_id == lot_id,
            kit.c.place_kind == Place.SITE.value,
            kit.c.status.in_((KitStatus.SITE_AVAILABLE.value, KitStatus.ASSIGNED.value)),
        )
        .group_by(site.c.site_id, site.c.country)
        .order_by(site.c.site_id)
    )
    rows = transaction.connection.execute(query)
    if EVERYWHERE in released_for:
        return {}
    return {row.site_id: row.kits for row in rows if row.country not in released_for}
