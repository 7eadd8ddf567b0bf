"""Pausing automatic orders at run time, and resuming them: of a site, of a kit type, of both together, or of the whole study."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, select

from allocation.access.permissions import authorize
from allocation.commands.kit_scope import in_whole_study
from allocation.commands.service import FOR_THE_TRAIL, Act, CommandRequest, Service
from allocation.commands.transaction import Transaction, execute
from allocation.errors import DomainRefusal, NotFound
from allocation.ledger.entry import moment_text
from allocation.ledger.schema import resupply_pause
from allocation.study.model import Code


class PauseRequest(CommandRequest):
    """What is paused or resumed: a site, a kit type (unblinded), both together, or, with neither, the whole study."""

    site_id: Code | None = None
    kit_type: Code | None = None


def pause_resupply(service: Service, act: Act, study_id: str, request: PauseRequest) -> dict[str, Any]:
    """Let no automatic order be made for the site, the kit type, both together or the study, with a reason; answers what is paused.

    Orders that are made already go on, and a person may order by hand. Raises DomainRefusal without a reason or where just this is paused
    already, NotFound for an unknown site or kit type, NotPermitted (a kit type is named by unblinded supply managers only).
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        _enter(transaction, request, "a pause is made")
        if transaction.connection.execute(select(resupply_pause).where(_this(study_id, request))).first():
            raise DomainRefusal(
                "just this is paused already",
                code="pause-state",
                field="site_id",
                fix="nothing is to be done",
            )
        after = {
            "site_id": request.site_id,
            "kit_type": request.kit_type,
            "paused_at": moment_text(transaction.now),
            "by": act.actor.username,
            "reason": act.reason.strip(),
        }
        return transaction.append(after, answer=_answer(request, paused=True), site_id=request.site_id)

    return execute(service, act, study_id, "pause_resupply", request, body)


def resume_resupply(service: Service, act: Act, study_id: str, request: PauseRequest) -> dict[str, Any]:
    """Lift a pause that was made with the same site and kit type, with a reason; answers what is resumed. Other pauses stay.

    Raises DomainRefusal without a reason or where just this is not paused (what the protocol pauses, a new version resumes), NotFound,
    NotPermitted.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        _enter(transaction, request, "a pause is lifted")
        row = transaction.connection.execute(select(resupply_pause).where(_this(study_id, request))).first()
        if row is None:
            raise DomainRefusal(
                "just this is not paused by hand",
                code="pause-state",
                field="site_id",
                fix="name site and kit type as the pause did; what the protocol pauses, a new version resumes",
            )
        before = {"by": row.paused_by, "reason": row.reason, "paused_at": moment_text(row.paused_at)}
        after = {"site_id": request.site_id, "kit_type": request.kit_type}
        answer = _answer(request, paused=False)
        return transaction.append(after, before=before, answer=answer, site_id=request.site_id)

    return execute(service, act, study_id, "resume_resupply", request, body)


def _enter(transaction: Transaction, request: PauseRequest, what: str) -> None:
    if request.kit_type is not None:
        authorize(
            transaction.act.actor, "resupply.pause_kit_type", transaction.study_id, site_id=request.site_id
        )
    if request.site_id is None:
        in_whole_study(transaction)  # which no order is being decided in meanwhile
    else:
        transaction.at_site(request.site_id)
    if request.kit_type is not None and transaction.protocol.kit_type(request.kit_type) is None:
        known = ", ".join(one.code for one in transaction.protocol.kit_types)
        raise NotFound(
            f"kit type {request.kit_type!r} is not in the protocol", field="kit_type", fix=f"one of {known}"
        )
    transaction.act.require_reason(f"{what} with a reason only", FOR_THE_TRAIL)


def _this(study_id: str, request: PauseRequest) -> ColumnElement[bool]:
    table = resupply_pause.c
    return (
        (table.study_id == study_id)
        & (table.site_id == (request.site_id or ""))
        & (table.kit_type == (request.kit_type or ""))
    )


def _answer(request: PauseRequest, *, paused: bool) -> dict[str, Any]:
    return {"site_id": request.site_id, "kit_type": request.kit_type, "paused": paused}
