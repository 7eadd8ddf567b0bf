"""Errors of the allocation package.

The tree (add a class here when a caller must tell it from its siblings; else use the nearest one with its own `code`):

    RTSMError
    ├── DomainRefusal            the trial says no: CLI exit 1, API 4xx; the person can act on it
    │   ├── ListExhausted        no unused entry is left in the randomization list of a stratum or holder
    │   ├── NoUsableKit          a kit that is needed is not usable at this place
    │   ├── KitTransitionRefused the kit's state does not allow this act
    │   ├── TitrationRefused     the dose move is not allowed
    │   ├── VisitOutsideWindow   a hard window was missed and no override reason was given
    │   ├── FileRefused          a file has lines that cannot be loaded, so that none of it was
    │   ├── LoginRefused         who asks could not be identified (API 401)
    │   ├── NotPermitted         no role of the actor allows this here (API 403)
    │   ├── NotFound             what is named does not exist (API 404)
    │   ├── IdempotencyConflict  the key was used for another request (API 409)
    │   └── SignatureRefused     a signature is missing, wrong, or for other content
    ├── DatabaseUnavailable      the database cannot be opened, or is not one of ours
    └── RuleError                a rule was given values that it cannot be applied to
        └── InvalidParameter     a parameter or configured value is out of its range: names the field

Each error has a `code`: a stable slug that clients, tests and the API's problem type rely on. Messages may reach blinded
users, so the message of a `DomainRefusal` never names an arm, a kit type or a dose strength; what the unblinded may know
goes into the decision record.
"""

from __future__ import annotations

from collections.abc import Sequence


class RTSMError(Exception):
    """Root of every error that the system raises on purpose.

    `code` is a slug such as "list-exhausted"; `field` names the input or parameter at fault; `fix` says what to do.
    """

    default_code = "rtsm-error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        field: str | None = None,
        fix: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code if code is not None else self.default_code
        self.message = message
        self.field = field
        self.fix = fix

    def __str__(self) -> str:
        """One line: the field, the message and the fix, as far as they are known."""
        text = f"{self.field}: {self.message}" if self.field else self.message
        return f"{text} ({self.fix})" if self.fix else text


class DomainRefusal(RTSMError):
    """The request is understood and the trial's rules say no; nothing was changed."""

    default_code = "refused"


class ListExhausted(DomainRefusal):
    """The randomization list has no unused entry for this stratum or holder."""

    default_code = "list-exhausted"


class NoUsableKit(DomainRefusal):
    """Too few usable kits at this place for what is to be dispensed."""

    default_code = "no-usable-kit"


class KitTransitionRefused(DomainRefusal):
    """The kit state table has no row for this act from the kit's present state."""

    default_code = "kit-transition-refused"


class TitrationRefused(DomainRefusal):
    """The dose move is outside the limits or the order of steps of the study."""

    default_code = "titration-refused"


class VisitOutsideWindow(DomainRefusal):
    """The visit date is outside a hard window and no reason for an override was given."""

    default_code = "visit-outside-window"


class RuleError(RTSMError):
    """A rule got values that it cannot be applied to: wrong configuration or a defect of the caller."""

    default_code = "rule-error"


class InvalidParameter(RuleError):
    """A parameter is out of its range; `field` is always set."""

    default_code = "invalid-parameter"


class DatabaseUnavailable(RTSMError):
    """The database cannot be opened or is not one of ours."""

    default_code = "database-unavailable"


class LoginRefused(DomainRefusal):
    """Username and password, or the token, do not identify an active account."""

    default_code = "login-refused"


class NotPermitted(DomainRefusal):
    """No role that the actor holds allows this act in this study, country, site or depot."""

    default_code = "not-permitted"


class NotFound(DomainRefusal):
    """What the request names does not exist in this study, or not for this actor."""

    default_code = "not-found"


class IdempotencyConflict(DomainRefusal):
    """The idempotency key was used before, for a request with other content."""

    default_code = "idempotency-conflict"


class SignatureRefused(DomainRefusal):
    """An electronic signature is missing, its password is wrong, or it was given for other content."""

    default_code = "signature-refused"


class FileRefused(DomainRefusal):
    """A file cannot be loaded as a whole, so nothing of it was; `problems` has one text for each, with its line."""

    default_code = "file-refused"

    def __init__(self, what: str, problems: Sequence[str]) -> None:
        """`what` names the file to people; `problems` are texts such as `line 3: ...`, in the file's order."""
        self.problems = tuple(problems)
        shown = "; ".join(self.problems[:10])
        more = f"; and {len(self.problems) - 10} more" if len(self.problems) > 10 else ""
        super().__init__(
            f"nothing of {what} was loaded: {shown}{more}",
            field="file",
            fix="mend the file and load it again",
        )


class StateChanged(DomainRefusal):
    """Somebody else's act came first: the state no longer allows this one. Nothing was done."""

    default_code = "state-changed"


class Unsupported(DomainRefusal):
    """The protocol asks for something that this version of the service cannot run, so it is refused before it starts."""

    default_code = "unsupported"
