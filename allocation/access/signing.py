"""Electronic signatures: the password again, a meaning, and the hash of what is signed (21 CFR 11.50, 11.70, 11.200)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from allocation.access.accounts import verify_password
from allocation.access.actors import Actor
from allocation.errors import LoginRefused, SignatureRefused
from allocation.ledger.canonical import canonical_json, sha256_hex
from allocation.ledger.database import Database
from allocation.ledger.entry import moment_text


@dataclass(frozen=True, slots=True)
class Signature:
    """Who signed what, when, and what the signature means. `signed_at` is UTC; `content_sha256` binds the content."""

    username: str
    printed_name: str
    role: str
    signed_at: datetime
    meaning: str
    content_sha256: str

    def manifest(self) -> dict[str, str]:
        """The signature as JSON values, as it stands in the ledger entry and in every copy that people read."""
        return {**asdict(self), "signed_at": moment_text(self.signed_at)}


def content_hash_of(content: dict[str, Any]) -> str:
    """The SHA-256 that a signature of `content` (JSON values only) carries."""
    return sha256_hex(canonical_json(content))


def sign(
    database: Database,
    actor: Actor,
    password: str,
    meaning: str,
    content: dict[str, Any],
    clock: Callable[[], datetime],
    *,
    role: str,
) -> Signature:
    """Sign `content` as `actor`, acting under `role`, after the password was given again.

    Raises SignatureRefused for a wrong password (it counts toward the lock-out, as a failed login does), a locked account, or
    an empty meaning.
    """
    if not meaning.strip():
        raise SignatureRefused(
            "a signature needs a meaning", field="meaning", fix="say what is signed for, such as 'approval'"
        )
    try:
        account = verify_password(database, actor.username, password, clock)
    except LoginRefused as refusal:
        raise SignatureRefused(refusal.message, field="password", fix=refusal.fix) from refusal
    return Signature(
        username=account.username,
        printed_name=account.display_name,
        role=role,
        signed_at=clock().astimezone(UTC),
        meaning=meaning.strip(),
        content_sha256=content_hash_of(content),
    )


def require_signature(
    signature: Signature | None, meaning: str, content: dict[str, Any], *, username: str | None = None
) -> Signature:
    """The signature, when it has this meaning, covers exactly this content and (with `username`) is this identity's.

    Raises SignatureRefused otherwise.
    """
    if signature is None:
        raise SignatureRefused(
            "this act must be signed",
            field="signature",
            fix=f"sign it with your password, meaning {meaning!r}",
        )
    if username is not None and signature.username != username:
        raise SignatureRefused(
            f"the signature is {signature.username}'s, but {username} acts",
            field="signature",
            fix="the one who acts signs",
        )
    if signature.meaning != meaning:
        raise SignatureRefused(
            f"the signature means {signature.meaning!r}, not {meaning!r}",
            field="meaning",
            fix=f"sign with meaning {meaning!r}",
        )
    if signature.content_sha256 != content_hash_of(content):
        raise SignatureRefused(
            "the signature was given for other content than this",
            field="signature",
            fix="sign what is to be done",
        )
    return signature
