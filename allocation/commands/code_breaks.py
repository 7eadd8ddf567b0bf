"""Code break: the treatment of one subject is shown to the one who signs for it, and every showing is an entry of the ledger.

Entries of a break hold who, when and why, and never the arm: that stands in the randomizations alone, from which the answer is made in
the same transaction. Nothing of supply is asked: neither a pause nor empty shelves nor a subject who has left stands in the way.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import func, select

from allocation.access.signing import require_signature
from allocation.commands.participation import EndRequest, append_end
from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.signed_requests import asked_content
from allocation.commands.transaction import Transaction, execute
from allocation.errors import NotFound
from allocation.ledger.entry import moment_text
from allocation.ledger.schema import code_break, code_break_read, code_break_request
from allocation.rules.code_break import (
    BREAKERS,
    BROKEN_CODE_READ,
    CODE_BROKEN,
    OPEN_STATES,
    RULE_VERSION,
    CodeBreakCategory,
    CodeBreakKind,
    CodeBreakPolicy,
    breaking_role,
    check_approved,
    check_breakable,
    check_not_told,
)
from allocation.study.model import Code
from allocation.study.protocol import Protocol
from allocation.views.unblinded.treatment import treatment_of

ENDED_BY_BREAK: Final = "PROTOCOL-SPECIFIED WITHDRAWAL CRITERION MET"
"""How a participation ends that the protocol ends with a code break (SDTM NCOMPLT)."""


class BreakCodeRequest(CommandRequest):
    """Whose code is broken and why, in a word of the list; the reason of the act says it in full.

    `kind`: an emergency waits for no approval; what is not said to be one is planned.
    """

    subject_id: Code
    kind: CodeBreakKind
    category: CodeBreakCategory


class ReadBrokenCodeRequest(CommandRequest):
    """A subject whose code the reader broke before."""

    subject_id: Code


def break_code(service: Service, act: Act, study_id: str, request: BreakCodeRequest) -> dict[str, Any]:
    """Break the code of one subject: its treatment is answered to the one who signs, to nobody else, and the people responsible are told.

    Signed, with a reason. A retry with the same key is answered the same and recorded as one more reading. Raises NotFound,
    NotPermitted, SignatureRefused, and DomainRefusal for an open-label study, a subject who was never randomized, a code that the
    person broke before, a role that the protocol leaves out, and a planned break that wants an approval that it does not have.
    """
    content = asked_content(study_id, "break_code", request, act.reason)

    def body(transaction: Transaction) -> dict[str, Any]:
        row = transaction.at_subject(request.subject_id)
        require_signature(act.signature, CODE_BROKEN, content, username=act.actor.username)
        act.require_reason("a code is broken for a reason", "say why the treatment must be known")
        check_code(transaction, row)
        policy = policy_of(transaction.protocol)
        role = breaking_role(policy, request.kind, roles_held(transaction, row, BREAKERS))
        transaction.role = role
        person = act.actor.username
        check_not_told(row.subject_id, told=has_broken(transaction, row.subject_id))
        asked = open_request(transaction, row.subject_id, person)
        check_approved(policy, request.kind, None if asked is None else asked.state)
        unblinding = transaction.protocol.unblinding
        ends = unblinding.discontinue_after_code_break and row.status == "randomized"
        answer = {
            "subject_id": row.subject_id,
            "site_id": row.site_id,
            "kind": request.kind.value,
            "category": request.category.value,
            "broken_at": moment_text(transaction.now),
            "discontinued": ends,
        }
        after = {
            **_who(transaction, row, role),
            "kind": request.kind.value,
            "category": request.category.value,
            "broken_on": transaction.today.isoformat(),
            "request_id": None if asked is None else asked.request_id,
            "site_notified": unblinding.site_notified,
            "rule_version": RULE_VERSION,
        }
        transaction.append(after, answer=answer, subject_id=row.subject_id, site_id=row.site_id)
        if ends:
            end = EndRequest(
                subject_id=row.subject_id, end_reason=ENDED_BY_BREAK, end_term="TREATMENT UNBLINDED"
            )
            append_end(transaction, row, end, "discontinued", transaction.today, follows="discontinue")
        return _with_treatment(transaction, row, answer)

    answer = execute(service, act, study_id, "break_code", request, body)
    return _shown_again(service, act, study_id, answer, CODE_BROKEN, content)


def read_broken_code(
    service: Service, act: Act, study_id: str, request: ReadBrokenCodeRequest
) -> dict[str, Any]:
    """Read again the treatment, as it is now, of a subject whose code one broke. Signed, and one more entry.

    Raises NotFound where the reader broke no code of that subject, NotPermitted, SignatureRefused, DomainRefusal without a reason.
    """
    content = asked_content(study_id, "read_broken_code", request, act.reason)

    def body(transaction: Transaction) -> dict[str, Any]:
        act.require_reason("a broken code is read again for a reason", "say why")
        return _show(transaction, request.subject_id, "read", BROKEN_CODE_READ, content)

    answer = execute(service, act, study_id, "read_broken_code", request, body)
    return _shown_again(service, act, study_id, answer, BROKEN_CODE_READ, content)


def _shown_again(
    service: Service,
    act: Act,
    study_id: str,
    answer: dict[str, Any],
    meaning: str,
    content: dict[str, Any],
) -> dict[str, Any]:
    """The answer with the treatment. One that comes from the ledger has none (a retry): it is shown again and that is recorded.

    `execute` gives a retry its first answer whatever it was refused for, so that all is asked again here: role, place, signature.
    """
    if "treatment" in answer:
        return answer
    again = ReadBrokenCodeRequest(subject_id=answer["subject_id"])

    def body(transaction: Transaction) -> dict[str, Any]:
        return _show(transaction, again.subject_id, "retry", meaning, content)

    keyless = Act(act.actor, None, act.reason, act.signature)
    shown = execute(service, keyless, study_id, "read_broken_code", again, body)
    return {**answer, "treatment": shown["treatment"]}


def _show(
    transaction: Transaction, subject_id: str, how: str, meaning: str, content: dict[str, Any]
) -> dict[str, Any]:
    """Record that the person was shown the treatment of a subject whose code it broke, and show it."""
    act = transaction.act
    row = transaction.at_subject(subject_id)
    require_signature(act.signature, meaning, content, username=act.actor.username)
    check_code(transaction, row)
    held = roles_held(transaction, row, BREAKERS)
    role = transaction.role = breaking_role(CodeBreakPolicy(frozenset(), None), CodeBreakKind.PLANNED, held)
    if not has_broken(transaction, subject_id):
        raise NotFound(
            f"you have broken no code of subject {subject_id}",
            field="subject_id",
            fix="break it, if its treatment must be known",
        )
    number = _readings(transaction, subject_id) + 1
    answer = {"subject_id": subject_id, "site_id": row.site_id, "reading": number}
    after = {**_who(transaction, row, role), "number": number, "act": how}
    transaction.append(after, answer=answer, subject_id=subject_id, site_id=row.site_id)
    return _with_treatment(transaction, row, answer)


def policy_of(protocol: Protocol) -> CodeBreakPolicy:
    """What the protocol says of code breaks, as the rule takes it."""
    said = protocol.unblinding
    return CodeBreakPolicy(frozenset(said.emergency_by), said.approval_by)


def check_code(transaction: Transaction, row: Any) -> None:
    """Raise DomainRefusal where the subject of `row` has no code that could be broken."""
    check_breakable(
        row.subject_id,
        open_label=transaction.protocol.study.blinding == "open_label",
        randomized=row.arm is not None,
    )


def roles_held(transaction: Transaction, row: Any, among: frozenset[str]) -> frozenset[str]:
    """The roles of `among` that the actor holds at the subject's site."""
    actor, study_id = transaction.act.actor, transaction.study_id
    place = {"site_id": row.site_id, "country": transaction.site_country}
    return frozenset(role for role in among if actor.role_for(frozenset({role}), study_id, **place))


def open_request(transaction: Transaction, subject_id: str, person: str) -> Any:
    """The request of the person for this subject that something may still come of."""
    table = code_break_request.c
    return transaction.connection.execute(
        select(table.request_id, table.state).where(
            table.study_id == transaction.study_id,
            table.subject_id == subject_id,
            table.requested_by == person,
            table.state.in_(OPEN_STATES),
        )
    ).first()


def has_broken(transaction: Transaction, subject_id: str) -> bool:
    """Whether the actor has broken this subject's code."""
    table = code_break.c
    query = select(table.person).where(
        table.study_id == transaction.study_id,
        table.subject_id == subject_id,
        table.person == transaction.act.actor.username,
    )
    return transaction.connection.execute(query).first() is not None


def _readings(transaction: Transaction, subject_id: str) -> int:
    """How often the person was shown this treatment so far; the subject's row is locked, so nobody counts beside it."""
    table = code_break_read.c
    count: int = transaction.connection.execute(
        select(func.max(table.number)).where(
            table.study_id == transaction.study_id,
            table.subject_id == subject_id,
            table.person == transaction.act.actor.username,
        )
    ).scalar_one()
    return count


def _who(transaction: Transaction, row: Any, role: str) -> dict[str, Any]:
    return {
        "subject_id": row.subject_id,
        "person": transaction.act.actor.username,
        "role": role,
        "at": moment_text(transaction.now),
    }


def _with_treatment(transaction: Transaction, row: Any, answer: dict[str, Any]) -> dict[str, Any]:
    """The answer to the one who signed. What the ledger keeps as the answer has no treatment."""
    found = treatment_of(transaction.connection, transaction.study_id, row.subject_id, transaction.protocol)
    return {**answer, "treatment": found.model_dump(mode="json")}
