"""Folds of entries that come from the EDC: its facts, the newest at each address, and what follows from them for a subject."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from allocation.ledger.canonical import canonical_json
from allocation.ledger.projections.fold import Fold
from allocation.ledger.projections.subjects import store_measurements
from allocation.ledger.schema import edc_contradiction, edc_fact, subject
from allocation.rules.edc_order import stamp_of

ADDRESS = ("kind", "event", "event_repeat", "form", "form_repeat", "item_group", "group_repeat", "item")
"""The columns that say where in the EDC's casebook a fact stands, in the order in which entries write them."""


def receive_edc_facts(
    connection: Connection, study_id: str, _subject: str, _site: str, after: dict[str, Any]
) -> None:
    """Each fact takes its address, unless what stands there is newer by the EDC's own moments."""
    ours = (edc_fact.c.study_id == study_id, edc_fact.c.subject_key == after["subject_key"])
    standing = {
        tuple(getattr(row, name) for name in ADDRESS): stamp_of(
            row.source_at, row.message_at, row.message_id, row.ordinal, row.value
        )
        for row in connection.execute(select(edc_fact).where(*ours))
    }
    known = set(standing)
    newest: dict[tuple[str, ...], dict[str, Any]] = {}
    message_at = datetime.fromisoformat(after["created_at"])
    for *address, value, at, ordinal in after["facts"]:
        moment = datetime.fromisoformat(at)
        own = stamp_of(moment, message_at, after["message_id"], ordinal, value)
        key = tuple(address)
        if key in standing and standing[key] >= own:
            continue
        standing[key] = own
        newest[key] = {
            "value": value,
            "source_at": moment,
            "message_at": message_at,
            "message_id": after["message_id"],
            "ordinal": ordinal,
        }
    common = {"study_id": study_id, "subject_key": after["subject_key"]}
    new = [
        {**common, **dict(zip(ADDRESS, key, strict=True)), **values}
        for key, values in newest.items()
        if key not in known
    ]
    changed = [
        {**{f"at_{name}": part for name, part in zip(ADDRESS, key, strict=True)}, **values}
        for key, values in newest.items()
        if key in known
    ]
    if new:
        connection.execute(insert(edc_fact), new)
    if changed:
        here = [edc_fact.c[name] == bindparam(f"at_{name}") for name in ADDRESS]
        connection.execute(update(edc_fact).where(*ours, *here), changed)


def apply_edc_facts(
    connection: Connection, study_id: str, subject_id: str, site_id: str, after: dict[str, Any]
) -> None:
    """Levels that the EDC states are those of a subject not yet randomized; measures are kept, contradictions stand beside it."""
    ours = (subject.c.study_id == study_id, subject.c.subject_id == subject_id)
    if after["factors"]:
        row = connection.execute(
            select(subject.c.factors_json).where(*ours, subject.c.randomized_on.is_(None))
        ).first()
        if row is not None:
            factors = {**json.loads(row.factors_json), **after["factors"]}
            connection.execute(update(subject).where(*ours).values(factors_json=canonical_json(factors)))
    store_measurements(connection, study_id, subject_id, after)
    theirs = edc_contradiction.c
    connection.execute(
        delete(edc_contradiction).where(theirs.study_id == study_id, theirs.subject_id == subject_id)
    )
    rows = [
        {
            "study_id": study_id,
            "subject_id": subject_id,
            "site_id": site_id,
            "about": one["about"],
            "kind": one["kind"],
            "here": one["here"],
            "in_edc": one["in_edc"],
            "found_at": datetime.fromisoformat(one["found_at"]),
        }
        for one in after["contradictions"]
    ]
    if rows:
        connection.execute(insert(edc_contradiction), rows)


FOLDS: dict[str, Fold] = {"receive_edc_facts": receive_edc_facts, "apply_edc_facts": apply_edc_facts}
