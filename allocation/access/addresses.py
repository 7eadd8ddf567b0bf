"""What is an e-mail address, as a library judges it."""

from __future__ import annotations

from allocation.errors import DomainRefusal


def email_address(text: str) -> str:
    """The address as it is written on an envelope (ASCII; an international domain in its ASCII form). Raises DomainRefusal."""
    # Here, since few commands read an address.
    from email_validator import EmailNotValidError, validate_email

    try:
        found = validate_email(text.strip(), allow_smtputf8=False, check_deliverability=False)
    except EmailNotValidError as error:
        raise DomainRefusal(
            f"{text!r} is no e-mail address: {error}",
            code="invalid-email",
            field="email",
            fix="write it like anna.weber@example.org",
        ) from error
    return found.ascii_email or found.normalized
