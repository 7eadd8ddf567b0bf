"""A ledger entry: who did what to whom, when, under which protocol version, and the hash that binds it.

The content hash covers every field but the entry's number (which the database gives). It is what the chain is made of, and the
offline verifier (offline_verifier.py) recomputes it from an export with the standard library alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from allocation.ledger.canonical import canonical_json, sha256_hex

GENESIS = "0" * 64
"""The chain hash before a study's first entry."""


def moment_text(moment: datetime) -> str:
    """UTC moment as `2026-01-31T08:15:30.000123Z` (always microseconds), as it is hashed and exported."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


@dataclass(frozen=True, slots=True)
class EntryDraft:
    """An entry before it is appended. `before` and `after` hold JSON values only (dates and decimals as text)."""

    study_id: str
    recorded_at: datetime
    actor: str
    role: str
    command: str
    after: dict[str, Any]
    before: dict[str, Any] = field(default_factory=dict)
    subject_id: str | None = None
    site_id: str | None = None
    kit_numbers: tuple[str, ...] = ()
    reason: str = ""
    signature: dict[str, Any] | None = None
    config_version: int = 0
    idempotency_key: str | None = None
    request_sha256: str | None = None
    answer: dict[str, Any] = field(default_factory=dict)

    def row(self) -> dict[str, Any]:
        """The columns of `ledger_entry`, content hash included."""
        columns: dict[str, Any] = {
            "study_id": self.study_id,
            "recorded_at": self.recorded_at,
            "actor": self.actor,
            "role": self.role,
            "command": self.command,
            "subject_id": self.subject_id,
            "site_id": self.site_id,
            "kit_numbers": canonical_json(list(self.kit_numbers)),
            "before_json": canonical_json(self.before),
            "after_json": canonical_json(self.after),
            "reason": self.reason,
            "signature_json": None if self.signature is None else canonical_json(self.signature),
            "config_version": self.config_version,
            "idempotency_key": self.idempotency_key,
            "request_sha256": self.request_sha256,
            "answer_json": canonical_json(self.answer),
        }
        columns["content_hash"] = content_hash({**columns, "recorded_at": moment_text(self.recorded_at)})
        return columns


HASHED_FIELDS = (
    "study_id",
    "recorded_at",
    "actor",
    "role",
    "command",
    "subject_id",
    "site_id",
    "kit_numbers",
    "before_json",
    "after_json",
    "reason",
    "signature_json",
    "config_version",
    "idempotency_key",
    "request_sha256",
    "answer_json",
)
"""The fields that the content hash covers, in its order."""


def content_hash(columns: dict[str, Any]) -> str:
    """SHA-256 of the canonical JSON list of the hashed fields; `recorded_at` must be text (see `moment_text`)."""
    return sha256_hex(canonical_json([columns[name] for name in HASHED_FIELDS]))


def chain_hash(previous: str, position: int, content: str) -> str:
    """The link of the chain at `position` (1 for a study's first entry; `previous` is then GENESIS)."""
    return sha256_hex(f"{previous}:{position}:{content}")
