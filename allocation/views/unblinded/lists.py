"""The randomization lists and how far they are used: for the unblinded statistician."""

from __future__ import annotations

import json
from collections import defaultdict

from sqlalchemy import case, func, select

from allocation.access.actors import Actor
from allocation.access.permissions import authorize
from allocation.ledger.database import Database
from allocation.ledger.schema import list_entry, randomization_list
from allocation.views.unblinded.models import ListRun, ListStatus, ListStatusList


def list_statuses(database: Database, actor: Actor, study_id: str) -> ListStatusList:
    """Every list of the study with its runs and the allocation so far, by list id. Raises NotPermitted."""
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
