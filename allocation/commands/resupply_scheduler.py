"""The scheduler: a thread of a service process that makes the resupply runs that are due, for every study of the database.

APScheduler wakes it every second, never twice at a time. What is due is asked of the ledger each time and not kept, so a new protocol
version changes the schedule at its moment, and a run that was missed while nothing ran is caught up at the next start. Of several
processes on one PostgreSQL database one works at a time (an advisory lock, given back when its connection ends, however that is); SQLite
is one process. Where two should work at once all the same, the keys of the runs make one run of two.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from allocation.commands.scheduled_resupply import run_due_in
from allocation.commands.service import Service
from allocation.errors import RTSMError
from allocation.ledger.database import Database
from allocation.ledger.reader import studies
from allocation.service_log import service_logger

SCHEDULER_LOCK: Final = 0x52545352  # "RTSR": the advisory lock that lets one scheduler work at a time
INTERVAL_SECONDS: Final = 1.0
PAUSE_AFTER_FAULT: Final = timedelta(minutes=5)

log = service_logger(__name__)


@contextmanager
def scheduling_lease(database: Database) -> Iterator[bool]:
    """Whether this process may work now; while inside, no other may. On SQLite, where one process works, always."""
    if not database.is_postgresql:
        yield True
        return
    # The lock ends with the transaction, which does nothing else: it holds no snapshot while the runs are made beside it.
    with database.write() as connection:
        query = text("SELECT pg_try_advisory_xact_lock(:key)")
        yield bool(connection.execute(query, {"key": SCHEDULER_LOCK}).scalar_one())


class ResupplyScheduler:
    """Makes the runs that are due while it is started. A fault in one study is logged, and it waits 5 minutes; the others go on."""

    def __init__(self, service: Service, interval: float = INTERVAL_SECONDS) -> None:
        self._service = service
        self._interval = interval
        self._waits: dict[str, datetime] = {}
        self._scheduler: BackgroundScheduler | None = None

    def start(self) -> None:
        """Begin in the background; what is due is looked for at once."""
        if self._scheduler is None:
            self._scheduler = BackgroundScheduler(timezone=UTC)
            self._scheduler.add_job(
                self.work,
                "interval",
                seconds=self._interval,
                next_run_time=datetime.now(UTC),
                max_instances=1,
                coalesce=True,
                misfire_grace_time=None,
            )
            self._scheduler.start()

    def stop(self) -> None:
        """Stop after the run in hand."""
        if self._scheduler is not None:
            self._scheduler.shutdown(wait=True)
            self._scheduler = None

    def work(self) -> None:
        """Make the runs that are due, where no other process is at it."""
        try:
            with scheduling_lease(self._service.database) as ours:
                for study_id in studies(self._service.database) if ours else ():
                    self._work_in(study_id)
        except (DBAPIError, RTSMError) as error:
            # The database is away for a moment: what is due stays due.
            log.warning("resupply runs postponed", exc_info=error)

    def _work_in(self, study_id: str) -> None:
        now = self._service.clock()
        if self._waits.get(study_id, now) > now:
            return
        try:
            run_due_in(self._service, study_id)
        except Exception as error:  # a defect in one study must not end the runs of the others
            self._waits[study_id] = now + PAUSE_AFTER_FAULT
            log.error("resupply run failed", study=study_id, exc_info=error)
