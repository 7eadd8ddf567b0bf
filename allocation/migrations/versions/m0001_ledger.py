"""The ledger, its seal and the projections; triggers that refuse any change of what has been written."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from allocation.ledger.schema import UtcMoment

revision = "0001"
down_revision = None

APPEND_ONLY = ("ledger_entry", "ledger_seal")


def upgrade() -> None:
    """Create the tables, then make the ledger append-only in the database itself."""
    op.create_table(
        "depot",
        sa.Column("study_id", sa.Text(), nullable=False),
        sa.Column("depot_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("study_id", "depot_id", name=op.f("pk_depot")),
    )
    op.create_table(
        "kit",
        sa.Column("study_id", sa.Text(), nullable=False),
        sa.Column("kit_number", sa.Text(), nullable=False),
        sa.Column("kit_type", sa.Text(), nullable=False),
        sa.Column("lot_id", sa.Text(), nullable=False),
        sa.Column("pick_sequence", sa.Integer(), nullable=False),
        sa.Column("expiry_date", sa.Date(), nullable=False),
        sa.Column("last_ship_date", sa.Date(), nullable=False),
        sa.Column("last_count_date", sa.Date(), nullable=False),
        sa.Column("last_dispense_date", sa.Date(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("place_kind", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("shipment_id", sa.Text(), nullable=True),
        sa.Column("subject_id", sa.Text(), nullable=True),
        sa.Column("visit_number", sa.Text(), nullable=True),
        sa.Column("dispensed_on", sa.Date(), nullable=True),
        sa.CheckConstraint(
            "(status = 'dispensed') = (place_kind = 'subject')",
            name=op.f("ck_kit_dispensed_is_with_a_subject"),
        ),
        sa.CheckConstraint(
            "place_kind IN ('depot', 'transit', 'site', 'subject', 'returned', 'destroyed', 'lost')",
            name=op.f("ck_kit_known_place"),
        ),
        sa.CheckConstraint(
            "dispensed_on IS NULL OR dispensed_on <= last_dispense_date",
            name=op.f("ck_kit_never_dispensed_past_dnd"),
        ),
        sa.PrimaryKeyConstraint("study_id", "kit_number", name=op.f("pk_kit")),
        sa.UniqueConstraint("study_id", "pick_sequence", name=op.f("uq_kit_study_id_pick_sequence")),
    )
    op.create_index("ix_kit_shipment", "kit", ["study_id", "shipment_id"], unique=False)
    op.create_index(
        "ix_kit_stock",
        "kit",
        ["study_id", "place_kind", "place", "kit_type", "status", "expiry_date", "pick_sequence"],
        unique=False,
    )
    op.create_table(
        "ledger_entry",
        sa.Column(
            "entry_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("study_id", sa.Text(), nullable=False),
        sa.Column("recorded_at", UtcMoment(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("command", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=True),
        sa.Column("site_id", sa.Text(), nullable=True),
        sa.Column("kit_numbers", sa.Text(), nullable=False),
        sa.Column("before_json", sa.Text(), nullable=False),
        sa.Column("after_json", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("signature_json", sa.Text(), nullable=True),
        sa.Column("config_version", sa.Integer(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("request_sha256", sa.Text(), nullable=True),
        sa.Column("answer_json", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_ledger_entry")),
        sa.UniqueConstraint(
            "study_id",
            "actor",
            "idempotency_key",
            name=op.f("uq_ledger_entry_study_id_actor_idempotency_key"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_ledger_entry_subject", "ledger_entry", ["study_id", "subject_id"], unique=False)
    op.create_table(
        "list_entry",
        sa.Column("study_id", sa.Text(), nullable=False),
        sa.Column("list_id", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("stratum", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("block", sa.Integer(), nullable=True),
        sa.Column("randomization_number", sa.Text(), nullable=False),
        sa.Column("arm", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=True),
        sa.Column("used_on", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint(
            "study_id", "list_id", "holder", "stratum", "sequence", name=op.f("pk_list_entry")
        ),
        sa.UniqueConstraint(
            "study_id",
            "list_id",
            "randomization_number",
            name=op.f("uq_list_entry_study_id_list_id_randomization_number"),
        ),
        sa.UniqueConstraint(
            "study_id", "list_id", "subject_id", name=op.f("uq_list_entry_study_id_list_id_subject_id")
        ),
    )
    op.create_table(
        "lot",
        sa.Column("study_id", sa.Text(), nullable=False),
        sa.Column("lot_id", sa.Text(), nullable=False),
        sa.Column("kit_type", sa.Text(), nullable=False),
        sa.Column("expiry_date", sa.Date(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("released_for", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("study_id", "lot_id", name=op.f("pk_lot")),
    )
    op.create_table(
        "randomization_list",
        sa.Column("study_id", sa.Text(), nullable=False),
        sa.Column("list_id", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("activated_on", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("study_id", "list_id", name=op.f("pk_randomization_list")),
    )
    op.create_table(
        "resupply_run",
        sa.Column("study_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("run_date", sa.Date(), nullable=False),
        sa.Column("orders", sa.Integer(), nullable=False),
        sa.Column("kits", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("study_id", "run_id", name=op.f("pk_resupply_run")),
    )
    op.create_table(
        "shipment",
        sa.Column("study_id", sa.Text(), nullable=False),
        sa.Column("shipment_id", sa.Text(), nullable=False),
        sa.Column("depot_id", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("kit_count", sa.Integer(), nullable=False),
        sa.Column("requested_on", sa.Date(), nullable=False),
        sa.Column("dispatched_on", sa.Date(), nullable=True),
        sa.Column("expected_on", sa.Date(), nullable=True),
        sa.Column("received_on", sa.Date(), nullable=True),
        sa.Column("carrier", sa.Text(), nullable=True),
        sa.Column("tracking_number", sa.Text(), nullable=True),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("study_id", "shipment_id", name=op.f("pk_shipment")),
    )
    op.create_index("ix_shipment_site", "shipment", ["study_id", "site_id", "status"], unique=False)
    op.create_table(
        "shipment_kit",
        sa.Column("study_id", sa.Text(), nullable=False),
        sa.Column("shipment_id", sa.Text(), nullable=False),
        sa.Column("kit_number", sa.Text(), nullable=False),
        sa.Column("disposition", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("study_id", "shipment_id", "kit_number", name=op.f("pk_shipment_kit")),
    )
    op.create_table(
        "site",
        sa.Column("study_id", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("depot_id", sa.Text(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("profile", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("opened_on", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("study_id", "site_id", name=op.f("pk_site")),
    )
    op.create_table(
        "study",
        sa.Column("study_id", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("latest_version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("study_id", name=op.f("pk_study")),
    )
    op.create_table(
        "study_version",
        sa.Column("study_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("effective_at", UtcMoment(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("protocol_json", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("study_id", "version", name=op.f("pk_study_version")),
    )
    op.create_table(
        "subject",
        sa.Column("study_id", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("screened_on", sa.Date(), nullable=False),
        sa.Column("consented_on", sa.Date(), nullable=True),
        sa.Column("sex", sa.Text(), nullable=True),
        sa.Column("age", sa.Integer(), nullable=True),
        sa.Column("race", sa.Text(), nullable=True),
        sa.Column("ethnic", sa.Text(), nullable=True),
        sa.Column("factors_json", sa.Text(), nullable=False),
        sa.Column("cohort", sa.Text(), nullable=True),
        sa.Column("eligible", sa.Boolean(), nullable=True),
        sa.Column("stratum", sa.Text(), nullable=True),
        sa.Column("randomized_on", sa.Date(), nullable=True),
        sa.Column("randomization_number", sa.Text(), nullable=True),
        sa.Column("arm", sa.Text(), nullable=True),
        sa.Column("dose_level", sa.Text(), nullable=True),
        sa.Column("first_dose_on", sa.Date(), nullable=True),
        sa.Column("last_dispensed_on", sa.Date(), nullable=True),
        sa.Column("ended_on", sa.Date(), nullable=True),
        sa.Column("end_reason", sa.Text(), nullable=True),
        sa.Column("last_dose_on", sa.Date(), nullable=True),
        sa.Column("last_contact_on", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("study_id", "subject_id", name=op.f("pk_subject")),
        sa.UniqueConstraint(
            "study_id", "randomization_number", name=op.f("uq_subject_study_id_randomization_number")
        ),
    )
    op.create_index("ix_subject_site", "subject", ["study_id", "site_id", "status"], unique=False)
    op.create_table(
        "subject_visit",
        sa.Column("study_id", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("visit_number", sa.Text(), nullable=False),
        sa.Column("occurrence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("visit_code", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("visit_date", sa.Date(), nullable=True),
        sa.Column("end_date", sa.Date(), nullable=True),
        sa.Column("override_reason", sa.Text(), nullable=False),
        sa.Column("dispensed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint(
            "study_id", "subject_id", "visit_number", "occurrence", name=op.f("pk_subject_visit")
        ),
    )
    op.create_table(
        "ledger_seal",
        sa.Column("study_id", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entry_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("chain_hash", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["ledger_entry.entry_id"], name=op.f("fk_ledger_seal_entry_id")
        ),
        sa.PrimaryKeyConstraint("study_id", "position", name=op.f("pk_ledger_seal")),
        sa.UniqueConstraint("entry_id", name=op.f("uq_ledger_seal_entry_id")),
    )
    op.create_table(
        "ledger_unsealed",
        sa.Column(
            "entry_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["ledger_entry.entry_id"], name=op.f("fk_ledger_unsealed_entry_id")
        ),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_ledger_unsealed")),
        comment="PostgreSQL: committed entries that wait for the sealer (filled by a trigger); always empty on SQLite",
    )
    if op.get_bind().dialect.name == "postgresql":
        _protect_postgresql()
    else:
        _protect_sqlite()


def _protect_sqlite() -> None:
    for table in APPEND_ONLY:
        for act in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{act.lower()} BEFORE {act} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only: {act} refused'); END"
            )


def _protect_postgresql() -> None:
    op.execute(
        """
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
        END $$
        """
    )
    op.execute(
        """
        CREATE FUNCTION queue_for_sealing() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO ledger_unsealed (entry_id) VALUES (NEW.entry_id);
            RETURN NULL;
        END $$
        """
    )
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
        op.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM PUBLIC")
    op.execute(
        "CREATE TRIGGER ledger_entry_queue AFTER INSERT ON ledger_entry FOR EACH ROW EXECUTE FUNCTION queue_for_sealing()"
    )
