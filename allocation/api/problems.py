"""Every refusal as problem+json (RFC 9457): a stable type from the error's code, the field at fault, and the fix.

Messages of refusals are blinded by their makers (allocation/errors.py). Whatever else goes wrong is answered without its message,
which could name an arm, and the log says where it happened (allocation/service_log.py).
"""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from allocation.commands.malformed import fault_of
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
from allocation.service_log import service_logger

log = service_logger(__name__)

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
        "already-decided",
        "already-randomized",
        "already-replaced",
        "already-requested",
        "already-unblinded",
        "approval-awaited",
        "approval-missing",
        "approval-not-needed",
        "four-eyes",
        "no-address",
        "no-home-delivery",
        "nothing-to-send",
        "cap-reached",
        "digits-fixed",
        "kit-elsewhere",
        "kit-quarantined",
        "kit-recalled",
        "label-contradicts",
        "kit-rejected",
        "kit-not-released",
        "lot-rejected",
        "lot-status",
        "release-unchanged",
        "expiry-unchanged",
        "nothing-to-relabel",
        "excursion-open",
        "budget-spent",
        "mean-kinetic-temperature",
        "already-recorded",
        "nothing-to-settle",
        "lot-recalled",
        "already-seeded",
        "not-packed",
        "kit-packed",
        "kit-not-ordered",
        "kit-listed",
        "own-order",
        "own-proposal",
        "not-your-proposal",
        "proposal-closed",
        "proposal-outdated",
        "already-filed",
        "certificate-differs",
        "kit-counted",
        "kit-not-returnable",
        "kit-not-reusable",
        "kit-reconciled",
        "no-destruction-at-site",
        "no-reuse",
        "nothing-to-return",
        "own-return",
        "return-changed",
        "return-gate",
        "return-needed",
        "shipment-of-return",
        "edc-not-ready",
        "edc-replayed",
        "cohort-not-open",
        "cohort-out-of-order",
        "cohort-state",
        "list-exists",
        "list-outdated",
        "list-state",
        "no-active-list",
        "no-version-in-country",
        "not-eligible",
        "not-in-screening",
        "not-replaceable",
        "not-on-study",
        "not-on-treatment",
        "nothing-to-ship",
        "pause-state",
        "transfer-short",
        "role-conflict",
        "shipment-state",
        "numbers-in-use",
        "site-not-open",
        "site-open",
        "subject-exists",
        "subject-never-removed",
        "username-taken",
        "vault-key-malformed",
        "vault-key-missing",
        "vault-key-wrong",
        "vault-mixed-up",
        "version-in-effect",
        "version-out-of-order",
        "version-superseded",
        "visit-on-record",
    }
)
"""Codes of refusals that the present state is the reason for (409), where the request as such is well formed."""


class FieldError(BaseModel):
    """What is wrong with one field of a request. The value is not repeated: it may be a password."""

    field: str
    message: str = Field(description="what is wrong, and in brackets the fix")


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
    if isinstance(
        error, DatabaseUnavailable
    ):  # it names the database's address, for those who run the service
        log.error("database unavailable", path=_request.url.path, error=error.message)
        error = DatabaseUnavailable(
            "the database does not answer", field="database", fix="try again; the service's log says why"
        )
    listed = list(error.problems) if isinstance(error, FileRefused) else []
    return problem_response(
        _problem(status, error.code, error.message, field=error.field, fix=error.fix, problems=listed)
    )


def _invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101  (registered for it)
    if any(
        one["loc"] == ("header", IDEMPOTENCY_HEADER) and one["type"] == "missing" for one in error.errors()
    ):
        return problem_response(
            _problem(
                400,
                "idempotency-key-missing",
                f"the header {IDEMPOTENCY_HEADER} is missing",
                field=IDEMPOTENCY_HEADER,
                fix="send a new key with each new act, and the same key with a retry, so that nothing happens twice",
            )
        )
    faults = [fault_of(one) for one in error.errors()]
    first = faults[0]
    return problem_response(
        _problem(
            422,
            "invalid-request",
            f"{first.field} {first.message}",
            field=first.field,
            fix=first.fix,
            errors=[FieldError(field=one.field, message=f"{one.message} ({one.fix})") for one in faults],
        )
    )


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


class DefectsAnswered:
    """Answers what no handler knows. A handler of Exception would not do: the framework answers by it and raises again, so that the
    server writes the exception a second time, message and all, and drops the connection.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; where it fails before its answer has begun, answer it as a defect."""
        begun = False

        async def noting(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception as error:
            if begun or scope["type"] != "http":
                raise
            await _defect(Request(scope), error)(scope, receive, send)


def install_problem_handlers(app: FastAPI) -> None:
    """Answer every error of the app as problem+json."""
    app.add_exception_handler(RTSMError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_middleware(DefectsAnswered)
