"""Folds of code breaks: requests and what was decided on them, breaks, and readings. None of their payloads has an arm."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, insert, update

from allocation.ledger.projections.fold import Fold, day, expect_rows, moment
from allocation.ledger.schema import code_break, code_break_read, code_break_request
from allocation.rules.code_break import OPEN_STATES, RequestState


def request_code_break(
    connection: Connection, study_id: str, subject_id: str, site_id: str, after: dict[str, Any]
) -> None:
    """A request waits for its decision."""
    row = {
        "study_id": study_id,
        "request_id": after["request_id"],
        "subject_id": subject_id,
        "site_id": site_id,
        "category": after["category"],
        "requested_by": after["person"],
        "requested_at": moment(after["at"]),
        "state": RequestState.REQUESTED.value,
    }
    connection.execute(insert(code_break_request), row)


def decide_code_break(
    connection: Connection, study_id: str, _subject: str, _site: str, after: dict[str, Any]
) -> None:
    """A request is approved or refused by somebody else."""
    change = (
        update(code_break_request)
        .where(*_request(study_id, after), code_break_request.c.state == RequestState.REQUESTED.value)
        .values(state=after["state"], decided_by=after["person"], decided_at=moment(after["at"]))
    )
    expect_rows(connection.execute(change), 1, "request for a code break")


def break_code(
    connection: Connection, study_id: str, subject_id: str, site_id: str, after: dict[str, Any]
) -> None:
    """A person is unblinded for a subject; the person's open request, if there is one, has come to its end."""
    row = {
        "study_id": study_id,
        "subject_id": subject_id,
        "person": after["person"],
        "site_id": site_id,
        "role": after["role"],
        "kind": after["kind"],
        "category": after["category"],
        "broken_at": moment(after["at"]),
        "broken_on": day(after["broken_on"]),
        "request_id": after["request_id"],
    }
    connection.execute(insert(code_break), row)
    if after["request_id"] is not None:
        change = (
            update(code_break_request)
            .where(*_request(study_id, after), code_break_request.c.state.in_(OPEN_STATES))
            .values(state=RequestState.USED.value)
        )
        expect_rows(connection.execute(change), 1, "request for a code break")
    read_broken_code(connection, study_id, subject_id, site_id, {**after, "number": 1, "act": "break"})


def read_broken_code(
    connection: Connection, study_id: str, subject_id: str, site_id: str, after: dict[str, Any]
) -> None:
    """The person was shown the treatment once more."""
    row = {
        "study_id": study_id,
        "subject_id": subject_id,
        "person": after["person"],
        "number": after["number"],
        "site_id": site_id,
        "role": after["role"],
        "act": after["act"],
        "read_at": moment(after["at"]),
    }
    connection.execute(insert(code_break_read), row)


def _request(study_id: str, after: dict[str, Any]) -> tuple[Any, Any]:
    table = code_break_request.c
    return table.study_id == study_id, table.request_id == after["request_id"]


FOLDS: dict[str, Fold] = {
    "request_code_break": request_code_break,
    "approve_code_break": decide_code_break,
    "refuse_code_break": decide_code_break,
    "break_code": break_code,
    "read_broken_code": read_broken_code,
}
