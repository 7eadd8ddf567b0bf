"""Files that people hand in, kept under the hash of their content: what an entry names by its SHA-256 can be read and checked for good."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from allocation.errors import NotFound, RTSMError
from allocation.ledger.temperature_tables import evidence_file

PDF = "application/pdf"
CSV = "text/csv"


def sha256_of(content: bytes) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def media_type_of(content: bytes) -> str:
    """What a file is, by its first bytes: a PDF, or else text of readings."""
    return PDF if content.startswith(b"%PDF-") else CSV


def keep_file(connection: Connection, study_id: str, content: bytes, kept_at: datetime, kept_by: str) -> str:
    """Keep a file in a study; gives its SHA-256. A file that is kept already stays as it is."""
    sha256 = sha256_of(content)
    table = evidence_file.c
    known = select(table.sha256).where(table.study_id == study_id, table.sha256 == sha256)
    if connection.execute(known).first() is None:
        row: dict[str, Any] = {"study_id": study_id, "sha256": sha256, "media_type": media_type_of(content)}
        row |= {"content": content, "kept_at": kept_at, "kept_by": kept_by}
        connection.execute(insert(evidence_file), row)
    return sha256


def kept_file(connection: Connection, study_id: str, sha256: str) -> tuple[str, bytes]:
    """Media type and content of a kept file. Raises NotFound, RTSMError for one whose content is no more what its hash says."""
    table = evidence_file.c
    query = select(table.media_type, table.content).where(table.study_id == study_id, table.sha256 == sha256)
    row = connection.execute(query).first()
    if row is None:
        raise NotFound(f"file {sha256} is not kept", field="sha256", fix="hand the file in first")
    content = bytes(row.content)
    if sha256_of(content) != sha256:
        raise RTSMError(
            f"file {sha256} was changed after it was handed in", code="evidence-changed", field="sha256"
        )
    return str(row.media_type), content
