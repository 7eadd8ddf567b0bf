"""The vault of patients' addresses, and who opened it. Neither is a projection: no address enters the ledger, so none can be replayed.

An address is personal data that must be deletable (GDPR, article 17); the ledger never forgets. So the ledger says that an address was
recorded or forgotten, and the address itself stands here alone, encrypted.
"""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Index, Table, Text

from allocation.ledger.table_basis import ENTRY_ID, UtcMoment, metadata

vault_address = Table(
    "vault_address",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("subject_id", Text, primary_key=True),
    Column("ciphertext", Text, nullable=False, comment="a Fernet token; its key is not in the database"),
    Column("updated_at", UtcMoment, nullable=False),
    Column("updated_by", Text, nullable=False),
    comment="addresses of patients; no projection: a rebuild leaves them alone",
)

vault_access = Table(
    "vault_access",
    metadata,
    Column("access_id", ENTRY_ID, primary_key=True, autoincrement=True),
    Column("study_id", Text, nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("at", UtcMoment, nullable=False),
    Column("actor", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("act", Text, nullable=False),
    CheckConstraint("act IN ('write', 'read', 'forget', 'rotate')", name="known_act"),
    Index("ix_vault_access_subject", "study_id", "subject_id"),
    comment="who opened the vault, for whom and when, never what it held; append-only",
    sqlite_autoincrement=True,
)
