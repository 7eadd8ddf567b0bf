"""The runs that nobody asks for: those of the schedule, and those of sites that wait since an event. Both act as the system.

The key of a scheduled run is its moment, so whoever tries it twice, at once or after a crash, makes one run. That of a run by event
are the entries that it answers.
"""

from __future__ import annotations

from sqlalchemy import delete

from allocation.access.actors import SYSTEM_ACTOR
from allocation.commands.open_sites import open_sites
from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.resupply_events import due_at, put_off, waiting_at
from allocation.commands.service import Act, Service
from allocation.errors import RTSMError
from allocation.ledger.canonical import sha256_hex
from allocation.ledger.resupply_cadence import cadences_of, last_scheduled
from allocation.ledger.schema import resupply_waiting
from allocation.rules.run_schedule import due_moment


def run_due_in(service: Service, study_id: str) -> list[str]:
    """Make the runs of one study that are due now, by schedule and by event; gives their ids. Raises as `run_resupply`."""
    scheduled = run_scheduled(service, study_id)
    return [*([] if scheduled is None else [scheduled]), *run_waiting(service, study_id)]


def run_scheduled(service: Service, study_id: str) -> str | None:
    """Make the scheduled run that is due, if one is; gives its id. It catches up what was missed. Raises as `run_resupply`."""
    now = service.clock()
    with service.database.read() as connection:
        cadences = cadences_of(connection, study_id, service.protocols)
        moment = due_moment(cadences, now, last_scheduled(connection, study_id))
    if moment is None:
        return None
    act = Act(SYSTEM_ACTOR, idempotency_key=f"scheduled:{moment:%Y-%m-%dT%H:%MZ}")
    answer = run_resupply(service, act, study_id, RunResupplyRequest(), scheduled_for=moment)
    return str(answer["run_id"])


def run_waiting(service: Service, study_id: str) -> list[str]:
    """Decide the sites that wait since an event, in one run; gives the ids of the runs made.

    Where a site cannot be decided, the others are, each in a run of its own, and it is tried again later; a site that is not open (any
    more) waits for nothing.
    """
    now = service.clock()
    with service.database.read() as connection:
        sites = due_at(connection, study_id, now)
        if not sites:
            return []
        found = [str(row.site_id) for row in open_sites(connection, study_id, tuple(sites), now)]
    if shut := sorted(set(sites) - set(found)):
        with service.database.write() as connection:
            table = resupply_waiting.c
            connection.execute(
                delete(resupply_waiting).where(table.study_id == study_id, table.site_id.in_(shut))
            )
    if not found:
        return []
    try:
        return [_run_for(service, study_id, found)]
    except RTSMError:
        if len(found) == 1:
            _put_off(service, study_id, found[0])
            return []
    return [run for site_id in found for run in _alone(service, study_id, site_id)]


def _run_for(service: Service, study_id: str, sites: list[str]) -> str:
    with service.database.read() as connection:
        waiting = waiting_at(connection, study_id, sites)
    rows = ",".join(f"{site}:{entry}" for found in waiting.values() for site, entry, _ in found)
    act = Act(SYSTEM_ACTOR, idempotency_key=f"event:{sha256_hex(rows)[:24]}")
    answer = run_resupply(service, act, study_id, RunResupplyRequest(sites=tuple(sites)), expiries=False)
    return str(answer["run_id"])


def _alone(service: Service, study_id: str, site_id: str) -> list[str]:
    try:
        return [_run_for(service, study_id, [site_id])]
    except RTSMError:
        _put_off(service, study_id, site_id)
        return []


def _put_off(service: Service, study_id: str, site_id: str) -> None:
    with service.database.write() as connection:
        put_off(connection, study_id, site_id, service.clock())
