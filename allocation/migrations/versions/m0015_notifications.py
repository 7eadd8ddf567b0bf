"""Notifications: the addresses of accounts, mail to people, what was told of and lasts, what people want."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from allocation.ledger.schema import UtcMoment

revision = "0015"
down_revision = "0014"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the address, and create the tables of notifications."""
    op.add_column(
        "account",
        sa.Column("email", sa.Text(), nullable=True, comment="where notifications go; null: none are sent"),
    )
    op.create_table(
        "notice",
        sa.Column("notice_id", _ID, autoincrement=True, nullable=False),
        sa.Column("study_id", sa.Text(), nullable=False),
        sa.Column(
            "occurrence",
            sa.Text(),
            nullable=False,
            comment="what it tells of: nobody is told the same twice",
        ),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("variant", sa.Text(), nullable=False),
        sa.Column(
            "places", sa.Text(), nullable=False, comment="such as depot D1, site 701; empty: the study"
        ),
        sa.Column("message_id", sa.Text(), nullable=False, comment="the left part of the Message-ID"),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", UtcMoment(), nullable=False),
        sa.Column("for_digest", sa.Boolean(), nullable=False),
        sa.Column("digest_id", _ID, nullable=True, comment="the digest that carries it"),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_try_at", UtcMoment(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("sent_at", UtcMoment(), nullable=True),
        sa.CheckConstraint("variant IN ('blinded', 'unblinded')", name=op.f("ck_notice_known_variant")),
        sa.CheckConstraint(
            "state IN ('waiting', 'bundled', 'sent', 'dead')", name=op.f("ck_notice_known_state")
        ),
        sa.ForeignKeyConstraint(["digest_id"], ["notice.notice_id"], name=op.f("fk_notice_digest_id")),
        sa.ForeignKeyConstraint(["username"], ["account.username"], name=op.f("fk_notice_username")),
        sa.PrimaryKeyConstraint("notice_id", name=op.f("pk_notice")),
        sa.UniqueConstraint("message_id", name=op.f("uq_notice_message_id")),
        sa.UniqueConstraint(
            "study_id", "occurrence", "username", name=op.f("uq_notice_study_id_occurrence_username")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_notice_state", "notice", ["study_id", "state", "next_try_at"], unique=False)
    op.create_table(
        "notice_condition",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("study_id", "event", "variant")),
        sa.Column("about", sa.Text(), nullable=False, comment="the place, shipment, kits that it is about"),
        sa.Column("since", UtcMoment(), nullable=False),
        sa.PrimaryKeyConstraint("study_id", "event", "variant", "about", name=op.f("pk_notice_condition")),
        comment="what lasts and was told of; when it has ended and comes again, it is told again",
    )
    op.create_table(
        "notice_preference",
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("digest_hour", sa.Integer(), nullable=True, comment="null: each at once"),
        sa.Column(
            "timezone",
            sa.Text(),
            nullable=True,
            comment="of that hour; null: the site's, for people of one site, else UTC",
        ),
        sa.Column(
            "off", sa.Text(), nullable=False, comment="events that are not mailed, with spaces between"
        ),
        sa.CheckConstraint("digest_hour BETWEEN 0 AND 23", name=op.f("ck_notice_preference_known_hour")),
        sa.ForeignKeyConstraint(
            ["username"], ["account.username"], name=op.f("fk_notice_preference_username")
        ),
        sa.PrimaryKeyConstraint("username", name=op.f("pk_notice_preference")),
    )
