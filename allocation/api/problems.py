"""Every refusal as problem+json (RFC 9457): a stable type from the error's code, the field at fault, and the fix.

Messages of refusals are blinded by their makers (allocation/errors.py). Whatever else goes wrong is answered without its message,
which could name an arm, and is logged instead.
"""

from __future__ import annotations

from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from allocation.errors import (
    DatabaseUnavailable,
    DomainRefusal,
    FileRefused,
    IdempotencyConflict,
    KitTransitionRefused,
    ListExhausted,
    LoginRefused,
    NotFound,
    NotPermitted,
    NoUsableKit,
    RTSMError,
    SignatureRefused,
    StateChanged,
)

log = structlog.get_logger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
URN: Final = "urn:openrtsm:problem:"
IDEMPOTENCY_HEADER: Final = "Idempotency-Key"

STATUS: Final[tuple[tuple[type[RTSMError], int], ...]] = (
    (LoginRefused, 401),
    (NotPermitted, 403),
    (SignatureRefused, 403),
    (NotFound, 404),
    (IdempotencyConflict, 409),
    (StateChanged, 409),
    (ListExhausted, 409),
    (NoUsableKit, 409),
    (KitTransitionRefused, 409),
    (DatabaseUnavailable, 503),
    (DomainRefusal, 422),
)
"""The first class that matches gives the HTTP status; what matches none is a defect (500)."""

STATE_CODES: Final = frozenset(
    {
        "already-randomized",
        "already-replaced",
        "cap-reached",
        "cohort-not-open",
        "cohort-out-of-order",
        "cohort-state",
        "list-exists",
        "list-outdated",
        "list-state",
        "no-active-list",
        "not-eligible",
        "not-in-screening",
        "not-replaceable",
        "not-on-study",
        "not-on-treatment",
        "nothing-to-ship",
        "role-conflict",
        "shipment-state",
        "numbers-in-use",
        "site-not-open",
        "site-not-supplied",
        "site-open",
        "subject-exists",
        "subject-never-removed",
        "username-taken",
        "version-out-of-order",
        "visit-on-record",
    }
)
"""Codes of refusals that the present state is the reason for (409), where the request as such is well formed."""


class FieldError(BaseModel):
    """What is wrong with one field of a request. The value is not repeated: it may be a password."""

    field: str
    message: str


class Problem(BaseModel):
    """A refusal (RFC 9457). `type` is stable; `field` names the input at fault and `fix` says what to do."""

    type: str = Field(examples=[URN + "already-randomized"])
    title: str = Field(examples=["Already randomized"])
    status: int = Field(examples=[409])
    detail: str = Field(examples=["subject DE01-0001 was randomized on 2026-03-02"])
    code: str = Field(examples=["already-randomized"])
    field: str | None = Field(default=None, examples=["subject_id"])
    fix: str | None = Field(default=None, examples=["a randomization is never repeated or removed"])
    errors: list[FieldError] = Field(default_factory=list)
    problems: list[str] = Field(default_factory=list, description="of a file: one text a line at fault")


RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": Problem, "description": description, "content": {MEDIA_TYPE: {}}}
    for status, description in {
        400: "The Idempotency-Key header is missing",
        401: "Not identified: no token, or one that is unknown, expired or revoked",
        403: "No role of yours allows this here, or the signature is refused",
        404: "What is named does not exist",
        409: "The present state does not allow this, or the key was used for another request",
        422: "A value is missing, malformed or not allowed",
        503: "The database does not answer",
    }.items()
}
"""The refusals that a route may give, for its OpenAPI description."""


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI descriptions of these refusals."""
    return {status: RESPONSES[status] for status in statuses}


def status_of(error: RTSMError) -> int:
    """The HTTP status of an error."""
    if error.code in STATE_CODES:
        return 409
    return next((status for kind, status in STATUS if isinstance(error, kind)), 500)


def problem_response(problem: Problem) -> JSONResponse:
    """The answer that carries a problem; 401 also says how to identify oneself."""
    headers = {"WWW-Authenticate": "Bearer"} if problem.status == 401 else None
    content = problem.model_dump(exclude_none=True, exclude_defaults=True)
    return JSONResponse(content, problem.status, headers=headers, media_type=MEDIA_TYPE)


def _problem(status: int, code: str, detail: str, **more: Any) -> Problem:
    title = code.replace("-", " ").capitalize()
    return Problem(type=URN + code, title=title, status=status, detail=detail, code=code, **more)


def _refused(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RTSMError)  # noqa: S101  (registered for it)
    status = status_of(error)
    if status == 500:
        return _defect(_request, error)
    listed = list(error.problems) if isinstance(error, FileRefused) else []
    return problem_response(
        _problem(status, error.code, error.message, field=error.field, fix=error.fix, problems=listed)
    )


def _invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101  (registered for it)
    found = [(_path(one["loc"]), one) for one in error.errors()]
    if any(one["loc"] == ("header", IDEMPOTENCY_HEADER) and one["type"] == "missing" for _, one in found):
        return problem_response(
            _problem(
                400,
                "idempotency-key-missing",
                f"the header {IDEMPOTENCY_HEADER} is missing",
                field=IDEMPOTENCY_HEADER,
                fix="send a new key with each new act, and the same key with a retry, so that nothing happens twice",
            )
        )
    errors = [FieldError(field=path, message=one["msg"]) for path, one in found]
    first = errors[0]
    return problem_response(
        _problem(
            422,
            "invalid-request",
            f"{first.field}: {first.message}",
            field=first.field,
            fix="see the route's description at /docs",
            errors=errors,
        )
    )


def _path(loc: tuple[int | str, ...]) -> str:
    """Such as `lots[0].expiry_date`: without `body`, which every field is in."""
    text = ""
    for part in loc[1:] if len(loc) > 1 and loc[0] in ("body", "query", "path", "header") else loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _http(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101  (registered for it)
    code = {404: "no-such-route", 405: "method-not-allowed"}.get(error.status_code, "http-error")
    return problem_response(
        _problem(error.status_code, code, str(error.detail), fix="see /docs for the routes")
    )


def _defect(request: Request, error: Exception) -> JSONResponse:
    log.error("request failed", method=request.method, path=request.url.path, exc_info=error)
    return problem_response(
        _problem(500, "internal-error", "the service could not carry this out; nothing was changed")
    )


def install_problem_handlers(app: FastAPI) -> None:
    """Answer every error of the app as problem+json."""
    app.add_exception_handler(RTSMError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _defect)
