"""A study at a glance: a handful of aggregate queries in one snapshot, fast enough to be asked every second."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select

from allocation.access.actors import Actor
from allocation.ledger.database import Database
from allocation.ledger.schema import ledger_seal
from allocation.views.blinded.enrolment import enrolment
from allocation.views.blinded.events import last_events
from allocation.views.blinded.overview_models import StudyOverview, StudySummary
from allocation.views.blinded.shipments import shipments_under_way
from allocation.views.blinded.stock import expiries_ahead, stock_counts
from allocation.views.study_at import study_at
from allocation.views.visible import visible

DAYS_AHEAD = 90
EVENTS = 20


def study_overview(
    database: Database,
    actor: Actor,
    study_id: str,
    *,
    now: datetime | None = None,
    days_ahead: int = DAYS_AHEAD,
    events: int = EVENTS,
) -> StudyOverview:
    """Enrolment against plan, stock, shipments under way, expiries within `days_ahead` days, and the last `events`.

    `now` (aware) is the moment that plan, lateness and expiry are judged at; None: the moment of the study's last entry, which
    is right for a study that is played with a moving clock. Who holds grants for parts of the study sees those parts.
    Raises NotPermitted, NotFound.
    """
    with database.read() as connection:
        seen = visible(connection, actor, "view.overview", study_id)
        at = study_at(connection, study_id, now)
        identity = at.protocol.study
        return StudyOverview(
            study=StudySummary(
                study_id=study_id,
                title=identity.title,
                mode=identity.mode,
                version=at.version,
                phase=identity.phase,
                sponsor=identity.sponsor,
                indication=identity.indication,
            ),
            as_of=at.moment,
            last_entry_at=at.last_entry_at,
            ledger_position=connection.execute(
                select(func.coalesce(func.max(ledger_seal.c.position), 0)).where(
                    ledger_seal.c.study_id == study_id
                )
            ).scalar_one(),
            enrolment=enrolment(connection, at, seen),
            stock=stock_counts(connection, at, seen),
            shipments_under_way=shipments_under_way(connection, study_id, seen, at.today),
            expiries_ahead=expiries_ahead(connection, at, seen, days_ahead),
            events=last_events(connection, study_id, seen, events),
        )
