"""The EDC: facts and contradictions (projections), sender keys, transfers, outbox."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from allocation.ledger.schema import UtcMoment

revision = "0004"
down_revision = "0003"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables of the EDC."""
    op.create_table(
        "edc_fact",
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in (
                "study_id",
                "subject_key",
                "kind",
                "event",
                "event_repeat",
                "form",
                "form_repeat",
                "item_group",
                "group_repeat",
                "item",
            )
        ),
        sa.Column("value", sa.Text(), nullable=True, comment="of an item; of a form how far it is"),
        sa.Column("source_at", UtcMoment(), nullable=False, comment="the moment of the fact by the EDC"),
        sa.Column("message_at", UtcMoment(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.CheckConstraint("kind IN ('item', 'form', 'removal')", name=op.f("ck_edc_fact_known_kind")),
        sa.PrimaryKeyConstraint(
            "study_id",
            "subject_key",
            "kind",
            "event",
            "event_repeat",
            "form",
            "form_repeat",
            "item_group",
            "group_repeat",
            "item",
            name=op.f("pk_edc_fact"),
        ),
    )
    op.create_index("ix_edc_fact_value", "edc_fact", ["study_id", "item", "value"], unique=False)
    op.create_table(
        "edc_contradiction",
        sa.Column("study_id", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column(
            "about", sa.Text(), nullable=False, comment="such as factor SEVERITY, visit V3, eligibility"
        ),
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("here", sa.Text(), nullable=False),
        sa.Column("in_edc", sa.Text(), nullable=False),
        sa.Column("found_at", UtcMoment(), nullable=False),
        sa.PrimaryKeyConstraint("study_id", "subject_id", "about", name=op.f("pk_edc_contradiction")),
    )
    op.create_table(
        "edc_key",
        sa.Column("key_id", sa.Text(), nullable=False, comment="never reused: a key is revoked, not deleted"),
        sa.Column("study_id", sa.Text(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column(
            "verifier",
            sa.Text(),
            nullable=False,
            comment="SHA-256 of the key, which itself is derived and never kept",
        ),
        sa.Column("created_at", UtcMoment(), nullable=False),
        sa.Column("revoked_at", UtcMoment(), nullable=True),
        sa.ForeignKeyConstraint(["username"], ["account.username"], name=op.f("fk_edc_key_username")),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_edc_key")),
    )
    op.create_table(
        "edc_transfer",
        sa.Column("transfer_id", _ID, autoincrement=True, nullable=False),
        sa.Column("study_id", sa.Text(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False, comment="the account, redcap, or operator"),
        sa.Column(
            "signature", sa.Text(), nullable=True, comment="of a push: the same one is never taken twice"
        ),
        sa.Column("came_at", UtcMoment(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True, comment="of a refusal"),
        sa.Column(
            "detail", sa.Text(), nullable=True, comment="of a refusal: says nothing of the message's values"
        ),
        sa.Column("message_id", sa.Text(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column(
            "facts_until", UtcMoment(), nullable=True, comment="of a pull: from where the next one begins"
        ),
        sa.Column("subjects", sa.Integer(), nullable=False),
        sa.Column("facts", sa.Integer(), nullable=False),
        sa.Column("superseded", sa.Integer(), nullable=False),
        sa.Column(
            "repeated",
            sa.Integer(),
            nullable=False,
            comment="subjects whose facts had been received before",
        ),
        sa.Column("unmapped_json", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "outcome IN ('arrived', 'accepted', 'repeated', 'refused')",
            name=op.f("ck_edc_transfer_known_outcome"),
        ),
        sa.PrimaryKeyConstraint("transfer_id", name=op.f("pk_edc_transfer")),
        sa.UniqueConstraint("signature", name=op.f("uq_edc_transfer_signature")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_edc_transfer_study", "edc_transfer", ["study_id", "transfer_id"], unique=False)
    op.create_table(
        "edc_outbox",
        sa.Column("entry_id", _ID, autoincrement=False, nullable=False),
        sa.Column("study_id", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_try_at", UtcMoment(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("sent_at", UtcMoment(), nullable=True),
        sa.CheckConstraint("state IN ('waiting', 'sent', 'dead')", name=op.f("ck_edc_outbox_known_state")),
        sa.ForeignKeyConstraint(["entry_id"], ["ledger_entry.entry_id"], name=op.f("fk_edc_outbox_entry_id")),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_edc_outbox")),
        sa.UniqueConstraint("message_id", name=op.f("uq_edc_outbox_message_id")),
    )
    op.create_index("ix_edc_outbox_state", "edc_outbox", ["study_id", "state", "entry_id"], unique=False)
