"""The randomization lists and how far they are used: for the unblinded statistician."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, case, func, select

from allocation.access.actors import Actor
from allocation.access.permissions import authorize
from allocation.ledger.database import Database
from allocation.ledger.list_history import MADE_FOR_VERSION, list_in_use
from allocation.ledger.schema import list_entry, randomization_list
from allocation.ledger.versions import countries_in_force
from allocation.rules.list_choice import VersionInForce, choose_list
from allocation.study.list_basis import list_basis
from allocation.views.study_at import protocol_of_version, study_at
from allocation.views.unblinded.models import ListRun, ListStatus, ListStatusList


def list_statuses(
    database: Database, actor: Actor, study_id: str, moment: datetime | None = None
) -> ListStatusList:
    """Every list of the study with its runs and the allocation so far, by list id. Raises NotPermitted.

    `moment`: of which versions in force it is told where a list is drawn from (None: the study's last entry).
    """
    authorize(actor, "view.lists", study_id)
    entries = list_entry.c
    unused = case((entries.subject_id.is_(None), entries.sequence))
    with database.read() as connection:
        lists = connection.execute(
            select(randomization_list)
            .where(randomization_list.c.study_id == study_id)
            .order_by(randomization_list.c.list_id)
        ).all()
        runs: dict[str, list[ListRun]] = defaultdict(list)
        for row in connection.execute(
            select(
                entries.list_id,
                entries.holder,
                entries.stratum,
                func.count().label("entries"),
                func.count(entries.subject_id).label("used"),
                func.min(unused).label("next_sequence"),
            )
            .where(entries.study_id == study_id)
            .group_by(entries.list_id, entries.holder, entries.stratum)
            .order_by(entries.list_id, entries.holder, entries.stratum)
        ):
            runs[row.list_id].append(
                ListRun(
                    holder=row.holder,
                    stratum=row.stratum,
                    entries=row.entries,
                    used=row.used,
                    left=row.entries - row.used,
                    next_sequence=row.next_sequence,
                )
            )
        allocated: dict[str, dict[str, int]] = defaultdict(dict)
        for row in connection.execute(
            select(entries.list_id, entries.arm, func.count(entries.subject_id).label("used"))
            .where(entries.study_id == study_id)
            .group_by(entries.list_id, entries.arm)
            .order_by(entries.list_id, entries.arm)
        ):
            allocated[row.list_id][row.arm] = row.used
        drawn_from = _countries(connection, study_id, lists, moment)
    return ListStatusList(
        study_id=study_id,
        lists=tuple(
            ListStatus(
                list_id=row.list_id,
                event=row.event,
                state=row.state,
                method=row.method,
                sha256=row.sha256,
                file_sha256=row.file_sha256,
                protocol_version=json.loads(row.made_for_json).get(MADE_FOR_VERSION),
                drawn_from_in=tuple(drawn_from[row.list_id]),
                faults=tuple(json.loads(row.faults_json or "[]")),
                activated_on=row.activated_on,
                entries=row.entries,
                used=sum(run.used for run in runs[row.list_id]),
                allocated=allocated[row.list_id],
                runs=tuple(runs[row.list_id]),
            )
            for row in lists
        ),
    )


def _countries(
    connection: Connection, study_id: str, lists: Sequence[Any], moment: datetime | None
) -> dict[str, list[str]]:
    """List -> the countries whose version in force draws from it."""
    found: dict[str, list[str]] = defaultdict(list)
    active = [row for row in lists if row.state == "active"]
    if not active:
        return found
    at = study_at(connection, study_id, moment)
    in_force = countries_in_force(connection, study_id, at.moment)
    chosen: dict[int, set[str | None]] = {}
    for version in set(in_force.values()):
        protocol = protocol_of_version(connection, study_id, version)
        for event in (one for one in protocol.randomization if not one.draws_live):
            of_event = [
                list_in_use(row.list_id, row.made_for_json) for row in active if row.event == event.code
            ]
            now = VersionInForce(version, list_basis(protocol, event))
            chosen.setdefault(version, set()).update(
                choose_list(of_event, now, run) for run in now.basis["runs"]
            )
    for country, version in in_force.items():
        for row in active:
            if row.list_id in chosen.get(version, ()):
                found[row.list_id].append(country)
    return found
