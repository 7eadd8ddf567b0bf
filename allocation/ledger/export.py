"""Exporting a study's ledger as JSON lines, which offline_verifier.py checks without the database.

The export holds every field, so it unblinds: only roles with `ledger.read` may make one.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from allocation.errors import NotFound
from allocation.ledger.canonical import canonical_json
from allocation.ledger.database import Database
from allocation.ledger.entry import GENESIS, HASHED_FIELDS, moment_text
from allocation.ledger.reader import iter_rows
from allocation.ledger.sealing import seal_pending

FORMAT = "openrtsm-ledger/1"


def export_ledger(database: Database, study_id: str, path: Path) -> int:
    """Write the sealed entries of `study_id` to `path`, whole or not at all; gives their number.

    Raises NotFound when there are none, OSError when it cannot be written; then nothing is left of it.
    """
    seal_pending(database)
    rows = list(iter_rows(database, study_id))
    if not rows:
        raise NotFound(
            f"study {study_id!r} has no ledger", field="study_id", fix="`rtsm study show` lists the studies"
        )
    head = rows[-1]["chain_hash"] if rows else GENESIS
    unfinished = path.with_name(path.name + ".unfinished")
    try:
        _write(unfinished, study_id, head, rows)
        os.replace(unfinished, path)
    except BaseException:
        unfinished.unlink(missing_ok=True)  # it unblinds: none is left lying about
        raise
    return len(rows)


def _write(unfinished: Path, study_id: str, head: str, rows: list[dict[str, Any]]) -> None:
    with unfinished.open("w", encoding="utf-8", newline="\n") as file:
        file.write(
            canonical_json({"format": FORMAT, "study_id": study_id, "entries": len(rows), "chain_head": head})
            + "\n"
        )
        for row in rows:
            row["recorded_at"] = moment_text(row["recorded_at"])
            kept = (*HASHED_FIELDS, "position", "entry_id", "content_hash", "chain_hash")
            file.write(canonical_json({name: row[name] for name in kept}) + "\n")
