"""The sender's signature: who sent this message, just now, and that nobody has changed it.

    X-RTSM-Key: <id of the key>
    X-RTSM-Timestamp: <seconds since 1970, UTC>
    X-RTSM-Signature: v1=<hexadecimal HMAC-SHA-256 of "v1:<study>:<timestamp>:<SHA-256 of the body, hexadecimal>">

The hash of the body stands in for the body, so that a large one is signed and checked as it streams. A key is derived from the
installation's secret and the key's id (HKDF's expand step, RFC 5869), so the database holds nothing that could sign; the secret is
configuration (settings.py).
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, insert, select, update

from allocation.access.accounts import Clock, record
from allocation.access.actors import Actor
from allocation.access.grants import actor_named
from allocation.access.permissions import authorize
from allocation.edc.schema import edc_key
from allocation.errors import DomainRefusal, LoginRefused, NotFound
from allocation.ledger.database import Database

SKEW: Final = timedelta(minutes=5)
"""How far the sender's clock may be from ours, either way."""

_SIGNATURE = re.compile(r"v1=([0-9a-f]{64})")
_REFUSAL = "the message's signature, key or timestamp is wrong"
_FIX = "sign study, timestamp and body with a key that is in force, and check the clock"


@dataclass(frozen=True, slots=True)
class Signed:
    """A message's headers, and the hash of its body."""

    key_id: str
    timestamp: str
    signature: str
    body_sha256: str


def derived_key(secret: bytes, key_id: str) -> bytes:
    """The key of this id: 32 bytes, the same whenever it is asked for."""
    return hmac.digest(secret, b"openrtsm edc sender " + key_id.encode() + b"\x01", "sha256")


def signature_of(key: bytes, study_id: str, timestamp: str, body_sha256: str) -> str:
    """The header's value for a body with this hash."""
    signed = f"v1:{study_id}:{timestamp}:{body_sha256}".encode()
    return "v1=" + hmac.new(key, signed, hashlib.sha256).hexdigest()


def check_signature(
    database: Database, secret: bytes | None, study_id: str, signed: Signed, now: datetime
) -> Actor:
    """The sender, an account with the role edc, when the signature is right and fresh.

    Raises LoginRefused with one message for every cause, so that it does not tell which key ids exist.
    """
    with database.read() as connection:
        row = connection.execute(select(edc_key).where(edc_key.c.key_id == signed.key_id)).first()
    key = derived_key(
        secret or os.urandom(32), signed.key_id
    )  # also for an unknown id, so that both answers take as long
    expected = signature_of(key, study_id, signed.timestamp, signed.body_sha256)
    right = hmac.compare_digest(expected.encode(), signed.signature.encode())
    known = (
        row is not None
        and row.study_id == study_id
        and row.revoked_at is None
        and row.verifier == hashlib.sha256(key).hexdigest()
    )
    if not (right and known and _SIGNATURE.fullmatch(signed.signature) and _is_fresh(signed.timestamp, now)):
        raise LoginRefused(_REFUSAL, code="edc-signature-refused", field="X-RTSM-Signature", fix=_FIX)
    assert row is not None  # noqa: S101  (known)
    return actor_named(database, row.username)


def issue_key(
    database: Database, by: Actor, study_id: str, username: str, secret: bytes, clock: Clock
) -> tuple[str, str]:
    """Give an account a new sender key in a study: its id, and the key in hexadecimal, which is shown this once.

    Raises NotPermitted, NotFound for an unknown account, DomainRefusal for one without the role edc in the study.
    """
    role = authorize(by, "access.administer", study_id)
    actor = actor_named(database, username)
    if "edc" not in actor.roles_in(study_id):
        raise DomainRefusal(
            f"{username} does not hold the role edc in study {study_id}",
            code="no-sender",
            field="username",
            fix="give it the role first: an EDC acts under an account of its own",
        )
    key_id = f"edc-{secrets.token_hex(6)}"
    key = derived_key(secret, key_id)
    now = clock()
    with database.write() as connection:
        connection.execute(
            insert(edc_key).values(
                key_id=key_id,
                study_id=study_id,
                username=username,
                verifier=hashlib.sha256(key).hexdigest(),
                created_at=now,
            )
        )
        after = {"username": username, "key_id": key_id}
        record(connection, by, role, "issue_edc_key", after, now, study_id=study_id)
    return key_id, key.hex()


def revoke_key(
    database: Database, by: Actor, study_id: str, key_id: str, clock: Clock, *, reason: str
) -> None:
    """End a sender key; what it signs from now on is refused. Raises NotPermitted, or NotFound when it is not in force."""
    role = authorize(by, "access.administer", study_id)
    now = clock()
    with database.write() as connection:
        revoked = connection.execute(
            update(edc_key)
            .where(edc_key.c.key_id == key_id, edc_key.c.study_id == study_id, edc_key.c.revoked_at.is_(None))
            .values(revoked_at=now)
        )
        if revoked.rowcount == 0:
            raise NotFound(
                f"key {key_id!r} is not in force in study {study_id}", field="key_id", fix="list the keys"
            )
        before = {"key_id": key_id}
        record(
            connection, by, role, "revoke_edc_key", {}, now, study_id=study_id, before=before, reason=reason
        )


def keys_derived_otherwise(connection: Connection, study_id: str, secret: bytes) -> list[str]:
    """Keys in force that another secret was used for: their senders would be refused until that secret is back or they get new ones."""
    rows = connection.execute(
        select(edc_key).where(edc_key.c.study_id == study_id, edc_key.c.revoked_at.is_(None))
    )
    return sorted(
        row.key_id
        for row in rows
        if hashlib.sha256(derived_key(secret, row.key_id)).hexdigest() != row.verifier
    )


def _is_fresh(timestamp: str, now: datetime) -> bool:
    if not re.fullmatch(r"[0-9]{1,12}", timestamp):
        return False
    return abs(now.timestamp() - int(timestamp)) <= SKEW.total_seconds()
