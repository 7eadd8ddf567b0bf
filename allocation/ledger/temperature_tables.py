"""The projections of temperature excursions, and the files that were handed in with them.

`evidence_file` is no projection: it holds what people sent, under the hash of its content, which the ledger's entries name.
"""

from __future__ import annotations

from sqlalchemy import Column, Date, Index, Integer, LargeBinary, Table, Text

from allocation.ledger.table_basis import UtcMoment, metadata

excursion = Table(
    "excursion",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("excursion_id", Text, primary_key=True),
    Column("place_kind", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("began_at", UtcMoment, nullable=False, comment="the first reading"),
    Column("ended_at", UtcMoment, nullable=False, comment="the last reading"),
    Column("recorded_on", Date, nullable=False),
    Column("source", Text, nullable=False, comment="logger or reported"),
    Column("file_sha256", Text, comment="the logger's file"),
    Column("timezone", Text, nullable=False, comment="in which the file's moments are read"),
    Column("attachments_json", Text, nullable=False, comment="hashes of further files, as the logger's PDF"),
    Column("lowest", Text, nullable=False, comment="degrees Celsius"),
    Column("highest", Text, nullable=False, comment="degrees Celsius"),
    Column("mean_kinetic", Text, nullable=False, comment="degrees Celsius"),
    Index("ix_excursion_place", "study_id", "place_kind", "place"),
)

excursion_kit = Table(
    "excursion_kit",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("excursion_id", Text, primary_key=True),
    Column("kit_number", Text, primary_key=True),
    Column("minutes_above", Integer, nullable=False),
    Column("minutes_below", Integer, nullable=False),
    Column("mean_kinetic", Text, nullable=False, comment="degrees Celsius, of the kit's own time there"),
    Column("outcome", Text, comment="released or rejected; null: open"),
    Index("ix_excursion_kit", "study_id", "kit_number"),
)

evidence_file = Table(
    "evidence_file",
    metadata,
    Column("study_id", Text, primary_key=True),
    Column("sha256", Text, primary_key=True),
    Column("media_type", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("kept_at", UtcMoment, nullable=False),
    Column("kept_by", Text, nullable=False),
    comment="files that people handed in, under the hash of their content; no projection",
)
