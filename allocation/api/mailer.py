"""The mail of a running service: a thread that sends what is due, and looks every hour for what nobody does."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.exc import DBAPIError

from allocation.access.actors import SYSTEM_ACTOR
from allocation.commands.notify_check import check_study
from allocation.commands.service import Service
from allocation.errors import RTSMError
from allocation.ledger.reader import studies
from allocation.notify.sending import send_notices
from allocation.notify.settings import smtp_settings
from allocation.service_log import service_logger

CHECK_EVERY: Final = timedelta(hours=1)

log = service_logger(__name__)


class Mailer:
    """A thread that works every `interval` seconds, the first time after one. Several processes may have one each.

    Where no SMTP server is set, mail is written and waits. A failure in one study does not keep the others from their mail.
    """

    def __init__(self, service: Service, interval: float = 30.0) -> None:
        self._service = service
        self._interval = interval
        self._checked_at: datetime | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start in the background."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="mailer", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop after the message in hand."""
        if self._thread is not None:
            self._stop.set()
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            self.work_once()

    def work_once(self) -> None:
        """Check every study if an hour has passed since the last time, then send what is due."""
        now = self._service.clock()
        to_check = self._checked_at is None or now - self._checked_at >= CHECK_EVERY
        try:
            names = studies(self._service.database)
        except (DBAPIError, RTSMError) as error:
            log.warning("mail postponed", exc_info=error)
            return
        for study_id in names:
            if self._stop.is_set():
                return
            # A check that fails (no version is in force yet) does not keep back what is written already.
            for work in (self._check, self._send) if to_check else (self._send,):
                try:
                    work(study_id)
                except (DBAPIError, RTSMError) as error:
                    # Whatever it is, the mail stays written and is tried again in the next round.
                    log.warning("mail of a study postponed", study=study_id, exc_info=error)
        if to_check:
            self._checked_at = now

    def _check(self, study_id: str) -> None:
        check_study(self._service, SYSTEM_ACTOR, study_id)

    def _send(self, study_id: str) -> None:
        settings = smtp_settings()
        if settings is not None:
            send_notices(self._service.database, study_id, settings, self._service.clock)
