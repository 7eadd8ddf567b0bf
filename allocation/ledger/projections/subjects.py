"""Folds of entries about one subject: screening, eligibility, visits, dispensing, dose hold, the end of participation."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, update

from allocation.ledger.canonical import canonical_json
from allocation.ledger.hot_statement import HotStatement
from allocation.ledger.projections.fold import Fold, day, expect_count, expect_rows
from allocation.ledger.projections.kit_moves import KitTaker, move_kits, transition
from allocation.ledger.schema import (
    IN_SCREENING,
    kit,
    subject,
    subject_event_eligibility,
    subject_measurement,
    subject_visit,
)
from allocation.rules.kit_status import Act, Place

_INSERT_VISIT = HotStatement(insert(subject_visit))
_UPDATE_SUBJECT = subject.c.study_id == bindparam("study"), subject.c.subject_id == bindparam("who")
_DISPENSED = HotStatement(
    update(subject)
    .where(*_UPDATE_SUBJECT, subject.c.status == "randomized")
    .values(
        dose_level=bindparam("level"),
        last_dispensed_on=bindparam("dispensed"),
        first_dose_on=func.coalesce(subject.c.first_dose_on, bindparam("dispensed")),
    )
)
_HANDED = transition(Act.DISPENSE, Place.SITE)
_IN_STOCK = {"from_status": str(_HANDED.from_status), "from_place": str(_HANDED.from_place)}


_ASSIGNED = transition(Act.ASSIGN, Place.SITE)
_LEVEL_DECIDED = HotStatement(
    update(subject)
    .where(*_UPDATE_SUBJECT, subject.c.status == "randomized")
    .values(dose_level=bindparam("level"))
)


@cache
def _hand_out(kits: int) -> HotStatement:
    """The statement that gives so many kits of a site's stock to a subject: built once for each number that occurs."""
    numbers: list[Any] = [bindparam(f"kit{index}") for index in range(kits)]
    return HotStatement(
        update(kit)
        .where(
            kit.c.study_id == bindparam("study"),
            kit.c.kit_number.in_(numbers),
            kit.c.status == bindparam("from_status"),
            kit.c.place_kind == bindparam("from_place"),
            kit.c.place == bindparam("at_site"),
        )
        .values(
            status=_HANDED.to_status.value,
            place_kind=_HANDED.to_place.value,
            place=bindparam("who"),
            subject_id=bindparam("who"),
            visit_number=bindparam("visit"),
            dispensed_on=bindparam("dispensed"),
        )
    )


def _store_visit(
    connection: Connection,
    study_id: str,
    subject_id: str,
    visit: dict[str, Any],
    *,
    dispensed: bool = False,
    confirmation: str | None = None,
) -> None:
    _INSERT_VISIT.changed(
        connection,
        {
            "study_id": study_id,
            "subject_id": subject_id,
            "visit_number": visit["visit_number"],
            "occurrence": visit["occurrence"],
            "visit_code": visit["visit_code"],
            "name": visit["name"],
            "status": visit["status"],
            "visit_date": day(visit["visit_date"]),
            "end_date": day(visit["end_date"]),
            "recorded_on": day(visit.get("recorded_on")),
            "override_reason": visit["override_reason"],
            "dispensed": dispensed,
            "confirmation": confirmation,
        },
    )


def store_measurements(connection: Connection, study_id: str, subject_id: str, after: dict[str, Any]) -> None:
    """Keep what was measured, each with its date; what the same day had before is corrected."""
    for measure, value, measured_on in after.get("measurements", ()):
        keys = {
            "study_id": study_id,
            "subject_id": subject_id,
            "measure": measure,
            "measured_on": day(measured_on),
        }
        connection.execute(delete(subject_measurement).filter_by(**keys))
        connection.execute(insert(subject_measurement), {**keys, "value": value})


def screen(
    connection: Connection, study_id: str, subject_id: str, site_id: str, after: dict[str, Any]
) -> None:
    """A subject appears, with the screening visit."""
    connection.execute(
        insert(subject),
        {
            "study_id": study_id,
            "subject_id": subject_id,
            "site_id": site_id,
            "country": after["country"],
            "status": "screening",
            "screened_on": day(after["screened_on"]),
            "consented_on": day(after["consented_on"]),
            "sex": after["sex"],
            "age": after["age"],
            "race": after["race"],
            "ethnic": after["ethnic"],
            "factors_json": canonical_json(after["factors"]),
            "cohort": after["cohort"],
            "replaces": after["replaces"],
        },
    )
    if after["replaces"] is not None:
        link = (
            update(subject)
            .where(*_UPDATE_SUBJECT, subject.c.status == "discontinued", subject.c.replaced_by.is_(None))
            .values(replaced_by=subject_id)
        )
        replaced = connection.execute(link, {"study": study_id, "who": after["replaces"]})
        expect_rows(replaced, 1, "subject to replace")
    _store_visit(connection, study_id, subject_id, after["visit"])


def record_eligibility(
    connection: Connection, study_id: str, subject_id: str, _site: str, after: dict[str, Any]
) -> None:
    """The subject is found eligible, or fails screening for good (then whom it was to replace is free to be replaced by another).

    For a later event, what was found last stands.
    """
    if after.get("event") is not None:
        _event_eligibility(connection, study_id, subject_id, after)
        return
    values: dict[str, Any] = {"eligible": after["eligible"], "status": "eligible"}
    if not after["eligible"]:
        values |= {
            "status": "screen_failed",
            "ended_on": day(after["ended_on"]),
            "end_reason": after["end_reason"],
            "last_contact_on": day(after["last_contact_on"]),
        }
        connection.execute(
            update(subject)
            .where(subject.c.study_id == study_id, subject.c.replaced_by == subject_id)
            .values(replaced_by=None)
        )
    statement = update(subject).where(*_UPDATE_SUBJECT, subject.c.status.in_(IN_SCREENING)).values(**values)
    expect_rows(
        connection.execute(statement, {"study": study_id, "who": subject_id}), 1, "subject in screening"
    )


def _event_eligibility(connection: Connection, study_id: str, subject_id: str, after: dict[str, Any]) -> None:
    keys = {"study_id": study_id, "subject_id": subject_id, "event": after["event"]}
    table = subject_event_eligibility
    connection.execute(delete(table).where(*(table.c[name] == value for name, value in keys.items())))
    found = {"eligible": after["eligible"], "assessed_on": day(after["assessed_on"])}
    connection.execute(insert(table), {**keys, **found})


def dispense(
    connection: Connection, study_id: str, subject_id: str, site_id: str, after: dict[str, Any]
) -> None:
    """The visit is done and its kits are with the subject, or assigned until handing out is confirmed."""
    dispensed = day(after["dispensed_on"])
    if after.get("awaits_confirmation"):
        _assign(connection, study_id, subject_id, site_id, after)
    else:
        _store_visit(connection, study_id, subject_id, after["visit"], dispensed=True)
        hand_out(connection, study_id, subject_id, site_id, after["visit"]["visit_number"], after)
        changed = _DISPENSED.changed(
            connection,
            {"study": study_id, "who": subject_id, "level": after["dose_level"], "dispensed": dispensed},
        )
        expect_count(changed, 1, "subject on treatment")
    store_measurements(connection, study_id, subject_id, after)


def hand_out(
    connection: Connection,
    study_id: str,
    subject_id: str,
    site_id: str,
    visit_number: str,
    after: dict[str, Any],
) -> None:
    """The kits in `after` go from the site's stock to the subject, on `dispensed_on`."""
    numbers = [handed["kit_number"] for handed in after["kits"]]
    if not numbers:
        return
    if isinstance(connection, KitTaker):
        connection.move(numbers, _HANDED, subject_id, {})
        return
    given = {
        "study": study_id,
        **{f"kit{index}": number for index, number in enumerate(numbers)},
        **_IN_STOCK,
        "at_site": site_id,
        "who": subject_id,
        "visit": visit_number,
        "dispensed": day(after["dispensed_on"]),
    }
    handed_out = _hand_out(len(numbers)).changed(connection, given)
    expect_count(handed_out, len(numbers), f"kits {', '.join(numbers)}")


def _assign(
    connection: Connection, study_id: str, subject_id: str, site_id: str, after: dict[str, Any]
) -> None:
    """The dose is decided and the kits are set aside at the site; nothing has been handed out."""
    visit = after["visit"]
    _store_visit(connection, study_id, subject_id, visit, dispensed=True, confirmation="awaited")
    numbers = [one["kit_number"] for one in after["kits"]]
    also = {"subject_id": subject_id, "visit_number": visit["visit_number"]}
    move_kits(connection, study_id, numbers, _ASSIGNED, site_id, site_id, **also)
    decided = {"study": study_id, "who": subject_id, "level": after["dose_level"]}
    expect_count(_LEVEL_DECIDED.changed(connection, decided), 1, "subject on treatment")


def record_visit(
    connection: Connection, study_id: str, subject_id: str, _site: str, after: dict[str, Any]
) -> None:
    """A visit is done or missed, without kits."""
    _store_visit(connection, study_id, subject_id, after["visit"])
    store_measurements(connection, study_id, subject_id, after)


def hold_dosing(
    connection: Connection, study_id: str, subject_id: str, _site: str, after: dict[str, Any]
) -> None:
    """Dosing is on hold, or goes on again (`held_on` None)."""
    held_on = day(after["held_on"])
    as_it_was = subject.c.dose_held_on.is_(None) if held_on else subject.c.dose_held_on.is_not(None)
    statement = (
        update(subject)
        .where(*_UPDATE_SUBJECT, subject.c.status == "randomized", as_it_was)
        .values(dose_held_on=held_on)
    )
    expect_rows(
        connection.execute(statement, {"study": study_id, "who": subject_id}), 1, "subject on treatment"
    )


def end_participation(
    connection: Connection, study_id: str, subject_id: str, _site: str, after: dict[str, Any]
) -> None:
    """The subject has completed, or left early."""
    statement = (
        update(subject)
        .where(*_UPDATE_SUBJECT, subject.c.status == "randomized")
        .values(
            status=after["status"],
            ended_on=day(after["ended_on"]),
            end_reason=after["end_reason"],
            last_dose_on=day(after["last_dose_on"]),
            last_contact_on=day(after["last_contact_on"]),
        )
    )
    expect_rows(connection.execute(statement, {"study": study_id, "who": subject_id}), 1, "subject on study")


def correct_stratum(
    connection: Connection, study_id: str, subject_id: str, _site: str, after: dict[str, Any]
) -> None:
    """Factor levels are corrected; of a randomized subject the true ones stand beside those it was randomized by."""
    values = {
        "factors_json": canonical_json(after["factors"]),
        "true_factors_json": canonical_json(after["true_factors"]) if after["true_factors"] else None,
    }
    randomized = (
        subject.c.randomized_on.is_not(None) if after["randomized"] else subject.c.randomized_on.is_(None)
    )
    statement = update(subject).where(*_UPDATE_SUBJECT, randomized).values(**values)
    changed = connection.execute(statement, {"study": study_id, "who": subject_id})
    expect_rows(changed, 1, "subject whose factors are corrected")


FOLDS: dict[str, Fold] = {
    "screen": screen,
    "record_eligibility": record_eligibility,
    "correct_stratum": correct_stratum,
    "dispense": dispense,
    "record_visit": record_visit,
    "miss_visit": record_visit,
    "hold_dosing": hold_dosing,
    "resume_dosing": hold_dosing,
    "discontinue": end_participation,
    "complete": end_participation,
}
