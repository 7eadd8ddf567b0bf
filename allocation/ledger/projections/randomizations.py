"""Folds of randomization: the entry that is used up, the blocks handed out, the subject's arm, and cohorts that open and close."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, insert, update

from allocation.ledger.canonical import canonical_json
from allocation.ledger.projections.fold import Fold, day, expect_rows
from allocation.ledger.schema import (
    IN_SCREENING,
    cohort,
    list_block,
    list_entry,
    randomization_method,
    subject,
    subject_randomization,
)


def randomize(
    connection: Connection, study_id: str, subject_id: str, site_id: str, after: dict[str, Any]
) -> None:
    """The list entry is used up, if there is one, and the subject has an arm."""
    on = day(after["randomized_on"])
    if after["list"] is not None:
        _use_entry(connection, study_id, subject_id, after["list"], after, on)
    connection.execute(
        insert(subject_randomization),
        {
            "study_id": study_id,
            "subject_id": subject_id,
            "site_id": site_id,
            "randomized_on": on,
            "list_id": None if after["list"] is None else after["list"]["list_id"],
            **{
                name: after[name]
                for name in (
                    "event",
                    "occurrence",
                    "country",
                    "cohort",
                    "stratum",
                    "holder",
                    "from_arm",
                    "arm",
                    "scheduled_arm",
                    "forced",
                    "dose_level",
                    "method",
                    "scheme",
                    "run",
                    "draw_index",
                    "unit",
                    "randomization_number",
                )
            },
        },
    )
    _give_arm(connection, study_id, subject_id, after)
    for code in after["closes_cohorts"]:
        closed = {"cohort": code, "open": False, "changed_on": after["randomized_on"]}
        set_cohort(connection, study_id, subject_id, site_id, closed)


def _use_entry(
    connection: Connection,
    study_id: str,
    subject_id: str,
    used: dict[str, Any],
    after: dict[str, Any],
    on: date | None,
) -> None:
    entries = list_entry.c
    run = (
        entries.study_id == study_id,
        entries.list_id == used["list_id"],
        entries.holder == used["holder"],
        entries.stratum == used["stratum"],
        entries.subject_id.is_(None),
    )
    changed = connection.execute(
        update(list_entry)
        .where(*run, entries.sequence == used["sequence"])
        .values(subject_id=subject_id, used_on=on)
    )
    expect_rows(changed, 1, "list entry")
    if used["skipped"]:
        passed_over = connection.execute(
            update(list_entry)
            .where(*run, entries.sequence.in_(used["skipped"]), entries.skipped_for.is_(None))
            .values(skipped_for=subject_id)
        )
        expect_rows(passed_over, len(used["skipped"]), "list entries passed over")
    if used["new_block"] is not None:
        holder, stratum = after["record"]["run"]
        connection.execute(
            insert(list_block),
            {
                "study_id": study_id,
                "list_id": used["list_id"],
                "block": used["new_block"],
                "holder": holder,
                "stratum": stratum,
                "assigned_on": on,
            },
        )


def _give_arm(connection: Connection, study_id: str, subject_id: str, after: dict[str, Any]) -> None:
    """At the first event the subject leaves screening; at a later one only its arm and dose may change."""
    values: dict[str, Any] = {
        "arm": after["arm"],
        "dose_level": after["dose_level"],
        # Entries from before it was kept leave the subject on the version in force.
        "protocol_version": after.get("protocol_version"),
        "randomizations_json": canonical_json(after["randomizations"]),
    }
    who = (subject.c.study_id == study_id, subject.c.subject_id == subject_id)
    state: tuple[ColumnElement[bool], ...] = (
        subject.c.status == "randomized",
        subject.c.randomized_on.is_not(None),
    )
    if after["is_first"]:
        values |= {
            "status": "randomized",
            "stratum": after["stratum"],
            "factors_json": canonical_json(after["factors"]),
            "randomized_on": day(after["randomized_on"]),
            "randomization_number": after["randomization_number"],
        }
        state = (subject.c.status.in_(IN_SCREENING), subject.c.randomized_on.is_(None))
    changed = connection.execute(update(subject).where(*who, *state).values(**values))
    expect_rows(changed, 1, "subject to randomize")


def set_cohort(
    connection: Connection, study_id: str, _subject: str, _site: str, after: dict[str, Any]
) -> None:
    """A cohort opens or closes."""
    where = (cohort.c.study_id == study_id, cohort.c.cohort == after["cohort"])
    connection.execute(delete(cohort).where(*where))
    connection.execute(
        insert(cohort),
        {
            "study_id": study_id,
            "cohort": after["cohort"],
            "open": after["open"],
            "changed_on": day(after["changed_on"]),
        },
    )


def activate_method(
    connection: Connection, study_id: str, _subject: str, _site: str, after: dict[str, Any]
) -> None:
    """A method becomes the one in use for its event; the activation before it is retired."""
    methods = randomization_method.c
    connection.execute(
        update(randomization_method)
        .where(methods.study_id == study_id, methods.event == after["event"], methods.state == "active")
        .values(state="retired")
    )
    connection.execute(
        insert(randomization_method),
        {
            "study_id": study_id,
            "state": "active",
            **{name: after[name] for name in ("event", "activation", "method", "seed", "generator")},
            "activated_on": day(after["activated_on"]),
        },
    )


FOLDS: dict[str, Fold] = {
    "randomize": randomize,
    "activate_method": activate_method,
    "set_cohort": set_cohort,
}
