"""When the next resupply run is, when the last one was, and which sites wait to be decided: no word on what was ordered."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import or_, select

from allocation.access.actors import Actor
from allocation.ledger.database import Database
from allocation.ledger.resupply_cadence import cadences_of
from allocation.ledger.schema import resupply_pause, resupply_run, resupply_waiting
from allocation.ledger.versions import Protocols
from allocation.rules.run_schedule import due_moment, next_moment
from allocation.views.shape import View
from allocation.views.study_at import study_at
from allocation.views.visible import visible


class PausedSite(View):
    """Automatic orders for a site (None: every site) stopped by hand. Of what kit type alone is paused nothing is said here."""

    site_id: str | None
    since: datetime
    by: str


class ResupplySchedule(View):
    """The schedule of a study's resupply runs. Moments are UTC; `weekdays`: 0 Monday to 6 Sunday, of the version in force.

    `due_since`: the moment of a run that has not been made yet; it is caught up as soon as a service runs. `sites_waiting`: those that the
    reader may see and that an event left with less, since it happened.
    """

    study_id: str
    weekdays: tuple[int, ...]
    hour_utc: int
    on_event: bool
    last_scheduled_for: datetime | None
    last_began_at: datetime | None
    last_run_id: str | None
    due_since: datetime | None
    next_at: datetime | None
    sites_waiting: tuple[str, ...]
    paused: tuple[PausedSite, ...]


def resupply_schedule(database: Database, actor: Actor, study_id: str, *, now: datetime) -> ResupplySchedule:
    """The schedule at `now` (UTC). Raises NotPermitted, NotFound."""
    known: Protocols = {}
    with database.read() as connection:
        seen = visible(connection, actor, "view.shipments", study_id)
        supply = study_at(connection, study_id, now).protocol.supply
        last = connection.execute(
            select(resupply_run)
            .where(resupply_run.c.study_id == study_id, resupply_run.c.scheduled_for.is_not(None))
            .order_by(resupply_run.c.scheduled_for.desc())
            .limit(1)
        ).first()
        cadences = cadences_of(connection, study_id, known)
        waiting = connection.execute(
            select(resupply_waiting.c.site_id)
            .where(resupply_waiting.c.study_id == study_id, seen.at_site(resupply_waiting.c.site_id))
            .distinct()
        ).scalars()
        pauses = connection.execute(
            select(resupply_pause)
            .where(
                resupply_pause.c.study_id == study_id,
                resupply_pause.c.kit_type == "",
                or_(resupply_pause.c.site_id == "", seen.at_site(resupply_pause.c.site_id)),
            )
            .order_by(resupply_pause.c.site_id)
        )
        last_for = None if last is None else last.scheduled_for
        return ResupplySchedule(
            study_id=study_id,
            weekdays=supply.run_weekdays,
            hour_utc=supply.run_hour_utc,
            on_event=supply.on_event,
            last_scheduled_for=last_for,
            last_began_at=None if last is None else last.began_at,
            last_run_id=None if last is None else last.run_id,
            due_since=due_moment(cadences, now, last_for),
            next_at=next_moment(cadences, now),
            sites_waiting=tuple(sorted(waiting)),
            paused=tuple(
                PausedSite(site_id=row.site_id or None, since=row.paused_at, by=row.paused_by)
                for row in pauses
            ),
        )
