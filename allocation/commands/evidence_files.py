"""Handing in files for an excursion: the logger's CSV and PDF. What is kept is known by its hash; acts name it by that."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from allocation.access.actors import Actor
from allocation.access.permissions import reach
from allocation.commands.service import Service
from allocation.errors import FileRefused
from allocation.ledger.evidence import CSV, keep_file, media_type_of
from allocation.logger_files import read_logger_file

LARGEST_FILE = 16 * 1024 * 1024
"""Bytes; a year of readings each minute is about that."""


def keep_evidence(
    service: Service, actor: Actor, study_id: str, content: bytes, timezone: str = "UTC"
) -> dict[str, Any]:
    """Keep a PDF, or a logger's CSV that can be read; answers its hash and, of readings, how many and from when until when (UTC).

    The same file again is kept once. Raises NotPermitted, FileRefused for what is neither, cannot be read, or is too large.
    """
    reach(actor, "excursions.record", study_id)
    if not content:
        raise FileRefused("the file", ["line 1: is empty"])
    if len(content) > LARGEST_FILE:
        raise FileRefused("the file", [f"byte {LARGEST_FILE}: too large; split it"])
    kind = media_type_of(content)
    answer: dict[str, Any] = {"media_type": kind, "readings": None, "began_at": None, "ended_at": None}
    if kind == CSV:
        curve = read_logger_file(content, timezone).curve
        answer["readings"] = len(curve.seconds)
        answer["began_at"] = datetime.fromtimestamp(float(curve.seconds[0]), UTC).isoformat()
        answer["ended_at"] = datetime.fromtimestamp(float(curve.seconds[-1]), UTC).isoformat()
    with service.database.write() as connection:
        sha256 = keep_file(connection, study_id, content, service.clock(), actor.username)
    return {"sha256": sha256, **answer}
