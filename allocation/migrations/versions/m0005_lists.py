"""Lists: what they were made for, drafts with their faults, numbers unique in the study, and entries that stay as they are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

FIXED = ("study_id", "list_id", "holder", "stratum", "sequence", "block", "randomization_number", "arm")
"""Columns of an entry that are never edited."""

USE = ("subject_id", "used_on")
"""Columns that are written once, when the entry is used."""


def upgrade() -> None:
    """Add the columns, widen the uniqueness of numbers, and refuse every change of an entry but its use."""
    with op.batch_alter_table("randomization_list") as lists:
        lists.add_column(sa.Column("file_sha256", sa.Text(), comment="of the uploaded file as it was sent"))
        lists.add_column(
            sa.Column(
                "made_for_json",
                sa.Text(),
                nullable=False,
                server_default="{}",
                comment="the event's holders, and each run's ratio",
            )
        )
        lists.add_column(
            sa.Column("faults_json", sa.Text(), comment="of a draft: what is wrong with it, by line")
        )
    with op.batch_alter_table("randomization_list") as lists:
        lists.alter_column("made_for_json", server_default=None)
    with op.batch_alter_table("list_entry") as entries:
        entries.drop_constraint(op.f("uq_list_entry_study_id_list_id_randomization_number"), type_="unique")
        entries.create_unique_constraint(
            op.f("uq_list_entry_study_id_randomization_number"), ["study_id", "randomization_number"]
        )
    if op.get_bind().dialect.name == "postgresql":
        _protect_postgresql()
    else:
        _protect_sqlite()


def _protect_sqlite() -> None:
    op.execute(
        f"CREATE TRIGGER list_entry_fixed BEFORE UPDATE OF {', '.join(FIXED)} ON list_entry "
        "BEGIN SELECT RAISE(ABORT, 'an entry of a randomization list is never edited'); END"
    )
    op.execute(
        f"CREATE TRIGGER list_entry_used_once BEFORE UPDATE OF {', '.join(USE)} ON list_entry "
        "WHEN OLD.subject_id IS NOT NULL "
        "BEGIN SELECT RAISE(ABORT, 'an entry of a randomization list is used once'); END"
    )


def _protect_postgresql() -> None:
    op.execute(
        """
        CREATE FUNCTION refuse_list_edit() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'an entry of a randomization list is %', TG_ARGV[0] USING ERRCODE = 'insufficient_privilege';
        END $$
        """
    )
    op.execute(
        f"CREATE TRIGGER list_entry_fixed BEFORE UPDATE OF {', '.join(FIXED)} ON list_entry "
        "FOR EACH ROW EXECUTE FUNCTION refuse_list_edit('never edited')"
    )
    op.execute(
        f"CREATE TRIGGER list_entry_used_once BEFORE UPDATE OF {', '.join(USE)} ON list_entry "
        "FOR EACH ROW WHEN (OLD.subject_id IS NOT NULL) EXECUTE FUNCTION refuse_list_edit('used once')"
    )
