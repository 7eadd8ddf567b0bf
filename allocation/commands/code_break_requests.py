"""Planned code breaks that the protocol wants approved: asked for, then approved or refused by somebody else, who is shown nothing."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from sqlalchemy import func, select

from allocation.access.permissions import authorize
from allocation.access.signing import require_signature
from allocation.commands.code_breaks import check_code, has_broken, open_request, policy_of, roles_held
from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.signed_requests import asked_content
from allocation.commands.transaction import Transaction, execute
from allocation.errors import NotFound
from allocation.ledger.entry import moment_text
from allocation.ledger.schema import code_break_request
from allocation.rules.code_break import (
    APPROVERS,
    CODE_BREAK_APPROVED,
    CODE_BREAK_REFUSED,
    CODE_BREAK_REQUESTED,
    RULE_VERSION,
    CodeBreakCategory,
    RequestState,
    check_decision,
    check_not_told,
    check_request,
)
from allocation.study.model import Code


class RequestCodeBreakRequest(CommandRequest):
    """Whose code is to be broken and why, in a word of the list; the reason of the act says it in full."""

    subject_id: Code
    category: CodeBreakCategory


class DecideCodeBreakRequest(CommandRequest):
    """A request that is decided on."""

    request_id: str = Field(min_length=1, max_length=80)


def request_code_break(
    service: Service, act: Act, study_id: str, request: RequestCodeBreakRequest
) -> dict[str, Any]:
    """Ask for a planned code break. Signed, with a reason; answers the request's number.

    Raises NotFound, NotPermitted, SignatureRefused, and DomainRefusal where nobody approves, where there is no code to break, where
    one has asked or been told before.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        row = transaction.at_subject(request.subject_id)
        content = asked_content(study_id, "request_code_break", request, act.reason)
        person = act.actor.username
        require_signature(act.signature, CODE_BREAK_REQUESTED, content, username=person)
        act.require_reason("a code break is asked for with a reason", "say why the treatment must be known")
        check_code(transaction, row)
        check_not_told(row.subject_id, told=has_broken(transaction, row.subject_id))
        asked = open_request(transaction, row.subject_id, person)
        check_request(policy_of(transaction.protocol), None if asked is None else asked.state)
        name = f"{row.subject_id}-U{_count(transaction, row.subject_id) + 1}"
        after = {
            "request_id": name,
            "subject_id": row.subject_id,
            "person": person,
            "at": moment_text(transaction.now),
            "category": request.category.value,
            "site_notified": transaction.protocol.unblinding.site_notified,
            "rule_version": RULE_VERSION,
        }
        answer = {
            "request_id": name,
            "subject_id": row.subject_id,
            "site_id": row.site_id,
            "state": RequestState.REQUESTED.value,
        }
        return transaction.append(after, answer=answer, subject_id=row.subject_id, site_id=row.site_id)

    return execute(service, act, study_id, "request_code_break", request, body)


def approve_code_break(
    service: Service, act: Act, study_id: str, request: DecideCodeBreakRequest
) -> dict[str, Any]:
    """Approve a request for a code break, so that the one who asked may break it. Signed; the approver is shown no treatment.

    Raises NotFound, NotPermitted, SignatureRefused, and DomainRefusal for one's own request, one that was decided on, or a role that
    the protocol does not name.
    """
    return _decide(
        service, act, study_id, request, "approve_code_break", RequestState.APPROVED, CODE_BREAK_APPROVED
    )


def refuse_code_break(
    service: Service, act: Act, study_id: str, request: DecideCodeBreakRequest
) -> dict[str, Any]:
    """Refuse a request for a code break, with a reason. Signed. Raises as `approve_code_break`."""
    return _decide(
        service, act, study_id, request, "refuse_code_break", RequestState.REFUSED, CODE_BREAK_REFUSED
    )


def _decide(
    service: Service,
    act: Act,
    study_id: str,
    request: DecideCodeBreakRequest,
    command: str,
    state: RequestState,
    meaning: str,
) -> dict[str, Any]:
    def body(transaction: Transaction) -> dict[str, Any]:
        named = _request(transaction, request.request_id)
        if named is None:
            # Who may decide nowhere in the study is not told whether there is such a request.
            if not APPROVERS & set(act.actor.roles_in(study_id)):
                authorize(act.actor, "code.approve", study_id)
            raise NotFound(
                f"there is no request {request.request_id!r} for a code break",
                field="request_id",
                fix="`rtsm code-break list` names them",
            )
        row = transaction.at_subject(named.subject_id)
        found = _request(transaction, request.request_id)  # as it is now that the subject is locked
        assert found is not None  # noqa: S101  (nothing deletes requests)
        content = asked_content(study_id, command, request, act.reason)
        require_signature(act.signature, meaning, content, username=act.actor.username)
        if state is RequestState.REFUSED:
            act.require_reason("a code break is refused for a reason")
        transaction.role = check_decision(
            policy_of(transaction.protocol),
            roles_held(transaction, row, APPROVERS),
            asked_by=found.requested_by,
            decided_by=act.actor.username,
            state=found.state,
        )
        after = {
            "request_id": found.request_id,
            "subject_id": found.subject_id,
            "person": act.actor.username,
            "at": moment_text(transaction.now),
            "category": found.category,
            "state": state.value,
            "site_notified": True,  # the one who asked is of the site
            "rule_version": RULE_VERSION,
        }
        answer = {
            "request_id": found.request_id,
            "subject_id": found.subject_id,
            "site_id": found.site_id,
            "state": state.value,
        }
        return transaction.append(
            after,
            before={"state": found.state},
            answer=answer,
            subject_id=found.subject_id,
            site_id=found.site_id,
        )

    return execute(service, act, study_id, command, request, body)


def _request(transaction: Transaction, request_id: str) -> Any:
    table = code_break_request
    query = select(table).where(table.c.study_id == transaction.study_id, table.c.request_id == request_id)
    return transaction.connection.execute(query).first()


def _count(transaction: Transaction, subject_id: str) -> int:
    """How many requests there were for the subject, whose row is locked."""
    table = code_break_request.c
    query = select(func.count()).where(table.study_id == transaction.study_id, table.subject_id == subject_id)
    count: int = transaction.connection.execute(query).scalar_one()
    return count
