"""Accounts, grants and API tokens."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from allocation.ledger.schema import UtcMoment

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the tables of access."""
    op.create_table(
        "account",
        sa.Column(
            "username", sa.Text(), nullable=False, comment="never reused: an account is disabled, not deleted"
        ),
        sa.Column("display_name", sa.Text(), nullable=False, comment="the printed name on signatures"),
        sa.Column("password_hash", sa.Text(), nullable=False, comment="argon2id, with its salt and cost"),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("failed_attempts", sa.Integer(), nullable=False),
        sa.Column("locked_until", UtcMoment(), nullable=True),
        sa.Column("password_changed_at", UtcMoment(), nullable=False),
        sa.Column("created_at", UtcMoment(), nullable=False),
        sa.CheckConstraint("status IN ('active', 'disabled')", name=op.f("ck_account_known_status")),
        sa.PrimaryKeyConstraint("username", name=op.f("pk_account")),
    )
    op.create_table(
        "access_grant",
        sa.Column(
            "grant_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("study_id", sa.Text(), nullable=False, comment="* for every study"),
        sa.Column("scope_kind", sa.Text(), nullable=False),
        sa.Column("scope_key", sa.Text(), nullable=False),
        sa.Column("granted_at", UtcMoment(), nullable=False),
        sa.Column("granted_by", sa.Text(), nullable=False),
        sa.Column("revoked_at", UtcMoment(), nullable=True),
        sa.CheckConstraint(
            "scope_kind IN ('study', 'country', 'site', 'depot')", name=op.f("ck_access_grant_known_scope")
        ),
        sa.ForeignKeyConstraint(["username"], ["account.username"], name=op.f("fk_access_grant_username")),
        sa.PrimaryKeyConstraint("grant_id", name=op.f("pk_access_grant")),
    )
    op.create_index("ix_access_grant_username", "access_grant", ["username"], unique=False)
    op.create_table(
        "api_token",
        sa.Column(
            "token_sha256", sa.Text(), nullable=False, comment="the token itself is shown once and never kept"
        ),
        sa.Column(
            "token_id",
            sa.Text(),
            nullable=False,
            comment="names the token in the ledger and when it is revoked",
        ),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=True, comment="narrows the account's grants to one role"),
        sa.Column("study_id", sa.Text(), nullable=True, comment="narrows them to one study"),
        sa.Column("site_id", sa.Text(), nullable=True, comment="narrows them to one site of that study"),
        sa.Column("created_at", UtcMoment(), nullable=False),
        sa.Column("expires_at", UtcMoment(), nullable=False),
        sa.Column("revoked_at", UtcMoment(), nullable=True),
        sa.ForeignKeyConstraint(["username"], ["account.username"], name=op.f("fk_api_token_username")),
        sa.PrimaryKeyConstraint("token_sha256", name=op.f("pk_api_token")),
        sa.UniqueConstraint("token_id", name=op.f("uq_api_token_token_id")),
    )
    op.create_index("ix_api_token_username", "api_token", ["username"], unique=False)
