"""Sealing: gapless positions and a chain in commit order, whatever commits late and however many sealers work."""

import threading
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import func, insert, select

from allocation.commands.screening import ScreenRequest, screen
from allocation.ledger.append import append_entry
from allocation.ledger.database import Database, open_database
from allocation.ledger.entry import EntryDraft
from allocation.ledger.reader import sealed_entries
from allocation.ledger.schema import ledger_entry, ledger_seal, ledger_unsealed
from allocation.ledger.sealing import Sealer, seal_pending
from allocation.ledger.verify import verify_ledger
from tests.api.trial import STUDY
from tests.commands.desk import ACT, Desk


def draft(desk: Desk, reason: str) -> dict[str, object]:
    return EntryDraft(
        study_id="SYSTEM",
        recorded_at=desk.now,
        actor="a",
        role="system",
        command="lock_account",
        after={},
        reason=reason,
    ).row()


def reasons(database: Database) -> list[str]:
    return [entry.reason for entry in sealed_entries(database, "SYSTEM")]


def test_an_entry_that_commits_late_is_sealed_late_and_never_skipped(empty_desk: Desk) -> None:
    database = empty_desk.database
    if not database.is_postgresql:
        # SQLite has one writer at a time: nothing can commit behind a later entry. The order of writing is the chain's.
        for reason in ("first", "second"):
            with database.write() as connection:
                append_entry(
                    connection,
                    EntryDraft("SYSTEM", empty_desk.now, "a", "system", "lock_account", {}, reason=reason),
                )
        assert reasons(database) == ["first", "second"]
        return
    slow = database.engine.connect()
    held = slow.begin()
    slow.execute(insert(ledger_entry), draft(empty_desk, "began first, commits last"))
    with database.write() as connection:
        connection.execute(insert(ledger_entry), draft(empty_desk, "began last, commits first"))
    seal_pending(database)
    assert reasons(database) == ["began last, commits first"]
    held.commit()
    slow.close()
    seal_pending(database)
    assert reasons(database) == ["began last, commits first", "began first, commits last"]
    assert verify_ledger(database, "SYSTEM").intact


def test_many_writers_and_sealers_leave_one_gapless_chain(desk: Desk) -> None:
    database, writers, each = desk.database, 4, 12
    sealers = [Sealer(database, interval=0.01) for _ in range(3)]
    for sealer in sealers:
        sealer.start()
    barrier = threading.Barrier(writers)

    def write(_number: int) -> None:
        barrier.wait(timeout=30)
        for _ in range(each):
            screen(desk.service, ACT, STUDY, ScreenRequest(site_id="S01", sex="F", age=40))

    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(write, range(writers)))
    for sealer in sealers:
        sealer.stop()
    with database.read() as connection:
        positions = list(
            connection.execute(
                select(ledger_seal.c.position)
                .where(ledger_seal.c.study_id == STUDY)
                .order_by(ledger_seal.c.position)
            ).scalars()
        )
        entries = connection.execute(
            select(func.count()).select_from(ledger_entry).where(ledger_entry.c.study_id == STUDY)
        ).scalar_one()
        waiting = connection.execute(select(func.count()).select_from(ledger_unsealed)).scalar_one()
    assert positions == list(range(1, entries + 1))
    assert waiting == 0
    assert verify_ledger(database, STUDY).intact


def test_two_processes_see_the_same_chain(desk: Desk, database_url: str) -> None:
    seal_pending(desk.database)
    other = open_database(database_url, create=False)
    try:
        ours = [entry.chain_hash for entry in sealed_entries(desk.database, STUDY)]
        assert [entry.chain_hash for entry in sealed_entries(other, STUDY)] == ours
    finally:
        other.dispose()
