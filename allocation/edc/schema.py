"""The tables of the exchange with an EDC: sender keys, transfers that came in, messages that go out. They are not projections.

What a message said is in the ledger and its projections; here stands how it came, and how far what goes out has got.
"""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, Table, Text

from allocation.access.schema import account  # noqa: F401  (the foreign key's table)
from allocation.delivery import delivery_columns
from allocation.ledger.schema import ENTRY_ID, UtcMoment, metadata

edc_key = Table(
    "edc_key",
    metadata,
    Column("key_id", Text, primary_key=True, comment="never reused: a key is revoked, not deleted"),
    Column("study_id", Text, nullable=False),
    Column("username", Text, ForeignKey("account.username"), nullable=False),
    Column(
        "verifier", Text, nullable=False, comment="SHA-256 of the key, which itself is derived and never kept"
    ),
    Column("created_at", UtcMoment, nullable=False),
    Column("revoked_at", UtcMoment),
)

edc_transfer = Table(
    "edc_transfer",
    metadata,
    Column("transfer_id", ENTRY_ID, primary_key=True, autoincrement=True),
    Column("study_id", Text, nullable=False),
    Column("sender", Text, nullable=False, comment="the account, redcap, or operator"),
    Column("signature", Text, unique=True, comment="of a push: the same one is never taken twice"),
    Column("came_at", UtcMoment, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("code", Text, comment="of a refusal"),
    Column("detail", Text, comment="of a refusal: says nothing of the message's values"),
    Column("message_id", Text),
    Column("sha256", Text),
    Column("facts_until", UtcMoment, comment="of a pull: from where the next one begins"),
    Column("subjects", Integer, nullable=False),
    Column("facts", Integer, nullable=False),
    Column("superseded", Integer, nullable=False),
    Column("repeated", Integer, nullable=False, comment="subjects whose facts had been received before"),
    Column("unmapped_json", Text, nullable=False),
    CheckConstraint("outcome IN ('arrived', 'accepted', 'repeated', 'refused')", name="known_outcome"),
    Index("ix_edc_transfer_study", "study_id", "transfer_id"),
    sqlite_autoincrement=True,
)

edc_outbox = Table(
    "edc_outbox",
    metadata,
    Column("entry_id", ENTRY_ID, ForeignKey("ledger_entry.entry_id"), primary_key=True, autoincrement=False),
    Column("study_id", Text, nullable=False),
    Column("message_id", Text, nullable=False, unique=True),
    Column("subject_id", Text, nullable=False),
    Column("site_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("body", Text, nullable=False),
    *delivery_columns(),
    CheckConstraint("state IN ('waiting', 'sent', 'dead')", name="known_state"),
    Index("ix_edc_outbox_state", "study_id", "state", "entry_id"),
)
