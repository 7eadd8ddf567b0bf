"""Folds of what happens to kits after they were chosen for a subject: handing out confirmed or not, and kits replaced."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func, update

from allocation.ledger.projections.fold import Fold, day, expect_rows
from allocation.ledger.projections.kit_moves import move_kits, transition
from allocation.ledger.projections.parcels import end_parcels
from allocation.ledger.projections.subjects import hand_out
from allocation.ledger.schema import subject, subject_visit
from allocation.rules.kit_status import Act, Place

NOT_DISPENSED: dict[str, Act] = {
    "stock": Act.PUT_BACK,
    "quarantine": Act.SET_ASIDE,
    "lost": Act.LOSE_ASSIGNED,
}
"""Where an assigned kit goes that was not handed out, or got lost on its way to the subject -> the act in the table of kit states."""

REPLACED: dict[tuple[bool, str], Act] = {
    (False, "lost"): Act.REPORT_LOST,
    (False, "damaged"): Act.REPORT_DAMAGED_BY_SUBJECT,
    (True, "lost"): Act.LOSE_ASSIGNED,
    (True, "damaged"): Act.SET_ASIDE,
}
"""(only assigned, what became of it) -> the act. A kit that is damaged while assigned is looked at in quarantine."""


def confirm_dispensing(
    connection: Connection, study_id: str, subject_id: str, site_id: str, after: dict[str, Any]
) -> None:
    """Assigned kits are with the subject; the others go back to the site's stock, to quarantine, or are lost."""
    handed_on = day(after["handed_on"])
    numbers = [one["kit_number"] for one in after["kits"]]
    row = transition(Act.CONFIRM_DISPENSING, Place.SITE)
    move_kits(connection, study_id, numbers, row, site_id, subject_id, dispensed_on=handed_on)
    for number, _, to in after["not_dispensed"]:
        row = transition(NOT_DISPENSED[to], Place.SITE)
        target = site_id if row.to_place == Place.SITE else ""
        move_kits(connection, study_id, [number], row, site_id, target, subject_id=None, visit_number=None)
    end_parcels(connection, study_id, after.get("parcels", []), after["recorded_on"])
    visit = update(subject_visit).where(
        subject_visit.c.study_id == study_id,
        subject_visit.c.subject_id == subject_id,
        subject_visit.c.visit_number == after["visit_number"],
        subject_visit.c.occurrence == after["occurrence"],
        subject_visit.c.confirmation == "awaited",
    )
    expect_rows(connection.execute(visit.values(confirmation=after["confirmation"])), 1, "visit to confirm")
    if numbers:
        who = update(subject).where(
            subject.c.study_id == study_id,
            subject.c.subject_id == subject_id,
        )
        first = func.coalesce(subject.c.first_dose_on, handed_on)
        expect_rows(
            connection.execute(who.values(first_dose_on=first, last_dispensed_on=handed_on)), 1, "subject"
        )


def replace_kit(
    connection: Connection, study_id: str, subject_id: str, site_id: str, after: dict[str, Any]
) -> None:
    """The lost or damaged kit is where it ended, and another one is in its place."""
    assigned = bool(after.get("awaits_confirmation"))
    row = transition(REPLACED[assigned, after["found"]], Place.SITE if assigned else Place.SUBJECT)
    source = site_id if assigned else subject_id
    target = site_id if row.to_place == Place.SITE else ""
    move_kits(connection, study_id, [after["replaced"]], row, source, target)
    end_parcels(connection, study_id, after.get("parcels", []), after["dispensed_on"])
    if assigned:
        also = {"subject_id": subject_id, "visit_number": after["visit_number"]}
        numbers = [one["kit_number"] for one in after["kits"]]
        row = transition(Act.ASSIGN, Place.SITE)
        move_kits(connection, study_id, numbers, row, site_id, site_id, **also)
        return
    hand_out(connection, study_id, subject_id, site_id, after["visit_number"], after)
    who = update(subject).where(subject.c.study_id == study_id, subject.c.subject_id == subject_id)
    expect_rows(connection.execute(who.values(last_dispensed_on=day(after["dispensed_on"]))), 1, "subject")


FOLDS: dict[str, Fold] = {"confirm_dispensing": confirm_dispensing, "replace_kit": replace_kit}
