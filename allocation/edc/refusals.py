"""The refusals of EDC messages: each with its code, and none with a value that the message holds."""

from __future__ import annotations

from allocation.errors import DomainRefusal


def malformed(
    what: str, fix: str = "send a well-formed message; nothing of this one was kept"
) -> DomainRefusal:
    """The message cannot be read as a whole, so that none of it was taken."""
    return DomainRefusal(f"the message cannot be read: {what}", code="edc-malformed", field="body", fix=fix)


def too_large(limit: int) -> DomainRefusal:
    """The message has more bytes than are read."""
    return DomainRefusal(
        f"the message has more than {limit} bytes",
        code="edc-too-large",
        field="body",
        fix="split it by subject",
    )
