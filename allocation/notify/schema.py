"""The tables of notifications: mail to people, what was told of and still lasts, what people want. They are not projections."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
)

from allocation.access.schema import account  # noqa: F401  (the foreign key's table)
from allocation.delivery import delivery_columns
from allocation.ledger.schema import ENTRY_ID, UtcMoment, metadata

notice = Table(
    "notice",
    metadata,
    Column("notice_id", ENTRY_ID, primary_key=True, autoincrement=True),
    Column("study_id", Text, nullable=False),
    Column("occurrence", Text, nullable=False, comment="what it tells of: nobody is told the same twice"),
    Column("username", Text, ForeignKey("account.username"), nullable=False),
    Column("event", Text, nullable=False),
    Column("variant", Text, nullable=False),
    Column("places", Text, nullable=False, comment="such as depot D1, site 701; empty: the study"),
    Column("message_id", Text, nullable=False, unique=True, comment="the left part of the Message-ID"),
    Column("subject", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("created_at", UtcMoment, nullable=False),
    Column("for_digest", Boolean, nullable=False),
    Column("digest_id", ENTRY_ID, ForeignKey("notice.notice_id"), comment="the digest that carries it"),
    *delivery_columns(),
    CheckConstraint("variant IN ('blinded', 'unblinded')", name="known_variant"),
    CheckConstraint("state IN ('waiting', 'bundled', 'sent', 'dead')", name="known_state"),
    UniqueConstraint("study_id", "occurrence", "username"),
    Index("ix_notice_state", "study_id", "state", "next_try_at"),
    sqlite_autoincrement=True,
)

notice_condition = Table(
    "notice_condition",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("event", Text, primary_key=True),
    Column("variant", Text, primary_key=True),
    Column("about", Text, primary_key=True, comment="the place, shipment, kits that it is about"),
    Column("since", UtcMoment, nullable=False),
    comment="what lasts and was told of; when it has ended and comes again, it is told again",
)

notice_preference = Table(
    "notice_preference",
    metadata,
    Column("username", Text, ForeignKey("account.username"), primary_key=True),
    Column("digest_hour", Integer, comment="null: each at once"),
    Column("timezone", Text, comment="of that hour; null: the site's, for people of one site, else UTC"),
    Column("off", Text, nullable=False, comment="events that are not mailed, with spaces between"),
    CheckConstraint("digest_hour BETWEEN 0 AND 23", name="known_hour"),
)
