"""An event's lists in use: as they are stored, and as they were when an earlier entry was decided."""

from __future__ import annotations

import json
from typing import Any, Final

from sqlalchemy import Connection, select

from allocation.ledger.schema import ledger_entry, randomization_list
from allocation.rules.list_choice import ListInUse

MADE_FOR_VERSION: Final = "protocol_version"
"""Beside the basis of a stored list: the version that it was made for."""

FIRST_VERSION: Final = "first_version"
"""Beside the basis of a stored list: the first version under which the event has that basis."""


def list_in_use(list_id: str, made_for_json: str) -> ListInUse:
    """A stored list as the rule takes it (rules/list_choice.py)."""
    basis: dict[str, Any] = json.loads(made_for_json)
    basis.pop(MADE_FOR_VERSION, None)
    return ListInUse(list_id, basis.pop(FIRST_VERSION, 0), basis)


def lists_in_use_before(connection: Connection, study_id: str, event: str, entry_id: int) -> list[ListInUse]:
    """The lists that were active for the event when the entry was decided: the activations before it, one after another."""
    entries = ledger_entry.c
    activations = select(entries.after_json).where(
        entries.study_id == study_id, entries.command == "activate_list", entries.entry_id < entry_id
    )
    active: list[str] = []
    for text in connection.execute(activations.order_by(entries.entry_id)).scalars():
        after = json.loads(text)
        if after["event"] == event:
            # Entries from before several lists could be in use retire whatever was.
            retired = after.get("retires", active)
            active = [*(one for one in active if one not in retired), after["list_id"]]
    columns = randomization_list.c
    stored = select(columns.list_id, columns.made_for_json).where(
        columns.study_id == study_id, columns.list_id.in_(active)
    )
    return [list_in_use(row.list_id, row.made_for_json) for row in connection.execute(stored)]
