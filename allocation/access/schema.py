"""The tables of accounts, grants and tokens. They are not projections: password hashes never enter the ledger."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, Table, Text

from allocation.ledger.schema import ENTRY_ID, UtcMoment, metadata

account = Table(
    "account",
    metadata,
    Column("username", Text, primary_key=True, comment="never reused: an account is disabled, not deleted"),
    Column("display_name", Text, nullable=False, comment="the printed name on signatures"),
    Column("email", Text, comment="where notifications go; null: none are sent"),
    Column("password_hash", Text, nullable=False, comment="argon2id, with its salt and cost"),
    Column("status", Text, nullable=False),
    Column("failed_attempts", Integer, nullable=False, default=0),
    Column("locked_until", UtcMoment),
    Column("password_changed_at", UtcMoment, nullable=False),
    Column("created_at", UtcMoment, nullable=False),
    CheckConstraint("status IN ('active', 'disabled')", name="known_status"),
)

access_grant = Table(
    "access_grant",
    metadata,
    Column("grant_id", ENTRY_ID, primary_key=True, autoincrement=True),
    Column("username", Text, ForeignKey("account.username"), nullable=False),
    Column("role", Text, nullable=False),
    Column("study_id", Text, nullable=False, comment="* for every study"),
    Column("scope_kind", Text, nullable=False),
    Column("scope_key", Text, nullable=False),
    Column("granted_at", UtcMoment, nullable=False),
    Column("granted_by", Text, nullable=False),
    Column("revoked_at", UtcMoment),
    CheckConstraint("scope_kind IN ('study', 'country', 'site', 'depot')", name="known_scope"),
    Index("ix_access_grant_username", "username"),
)

api_token = Table(
    "api_token",
    metadata,
    Column("token_sha256", Text, primary_key=True, comment="the token itself is shown once and never kept"),
    Column(
        "token_id",
        Text,
        nullable=False,
        unique=True,
        comment="names the token in the ledger and when it is revoked",
    ),
    Column("username", Text, ForeignKey("account.username"), nullable=False),
    Column("role", Text, comment="narrows the account's grants to one role"),
    Column("study_id", Text, comment="narrows them to one study"),
    Column("site_id", Text, comment="narrows them to one site of that study"),
    Column("created_at", UtcMoment, nullable=False),
    Column("expires_at", UtcMoment, nullable=False),
    Column("revoked_at", UtcMoment),
    Index("ix_api_token_username", "username"),
)
