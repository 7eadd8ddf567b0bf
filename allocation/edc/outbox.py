"""The outbox: a message to the EDC is written in the transaction of the entry that it tells of, and delivered later."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert

from allocation.edc.known import keys_of
from allocation.edc.outgoing import KIND_OF_COMMAND, fact_of_entry, written
from allocation.edc.schema import edc_outbox
from allocation.study.protocol import Protocol


def queue_for_edc(
    connection: Connection,
    protocol: Protocol,
    entry_id: int,
    command: str,
    subject_id: str,
    site_id: str,
    after: dict[str, Any],
    recorded_at: datetime,
) -> None:
    """Put what the entry tells the EDC into the outbox, if it tells it anything; in the caller's transaction.

    The message's id is that of the entry: never a hash of it, which would differ between arms.
    """
    out = protocol.edc.outgoing
    if out is None or command not in KIND_OF_COMMAND:
        return
    study_id = protocol.study.id
    subject_key = next(iter(keys_of(connection, study_id, protocol.edc, subject_id)), subject_id)
    message_id = f"OpenRTSM.{study_id}.{entry_id}"
    fact = fact_of_entry(protocol, out, command, after, message_id, recorded_at, subject_key, site_id)
    if fact is None:
        return
    media_type, body = written(out, fact)
    connection.execute(
        insert(edc_outbox).values(
            entry_id=entry_id,
            study_id=study_id,
            message_id=message_id,
            subject_id=subject_id,
            site_id=site_id,
            kind=fact.kind,
            media_type=media_type,
            body=body,
            state="waiting",
            attempts=0,
            next_try_at=recorded_at,
        )
    )
