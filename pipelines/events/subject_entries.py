"""Translation of entries about a subject: screening, eligibility, randomization, visits, dispensing, the end of participation."""

from datetime import date
from decimal import Decimal
from typing import Any

from allocation.ledger.reader import SealedEntry
from allocation.rules.kit_status import Act, Place
from pipelines.events.kit_entries import kit_movement
from pipelines.events.rows import Row, Translation, day


def screen(entry: SealedEntry) -> list[Row]:
    """A subject appears, with the screening visit."""
    after = entry.after
    subject = (
        entry.subject_id,
        entry.site_id,
        after["country"],
        day(after["screened_on"]),
        day(after["consented_on"]),
        after["sex"],
        after["age"],
        after.get("age_unit") or "YEARS",
        after["race"],
        after["ethnic"],
        after["cohort"],
        entry.recorded_at,
    )
    return [("subjects", subject), _visit(entry, dispensed=False)]


def record_eligibility(entry: SealedEntry) -> list[Row]:
    """Criteria are met, or the subject fails screening, which ends the participation.

    The eligibility for a later randomization event is no fact of screening, and no dataset shows it.
    """
    after = entry.after
    if after.get("event") is not None:
        return []
    assessed = (
        entry.subject_id,
        entry.site_id,
        after["eligible"],
        day(after["assessed_on"]),
        list(after["failed_criteria"]),
        entry.recorded_at,
    )
    rows: list[Row] = [("eligibility", assessed)]
    if not after["eligible"] and after.get("ended_on"):
        rows.append(_disposition(entry, "screen_failed"))
    return rows


def randomize(entry: SealedEntry) -> list[Row]:
    """The subject has an arm. The list, block and sequence stay in the ledger: they tell of other subjects' arms."""
    after = entry.after
    row = (
        entry.subject_id,
        entry.site_id,
        after["event"],
        day(after["randomized_on"]),
        after["stratum"],
        after["randomization_number"],
        after["arm"],
        after["dose_level"],
        entry.recorded_at,
    )
    return [("randomizations", row)]


def dispense(entry: SealedEntry) -> list[Row]:
    """A visit with kits: one row for the visit, one for each kit, and each kit moves from the site to the subject."""
    after, visit = entry.after, entry.after["visit"]
    dispensed_on = day(after["dispensed_on"])
    rows = [_visit(entry, dispensed=bool(after["kits"]))]
    for kit in after["kits"]:
        given = (
            entry.subject_id,
            entry.site_id,
            visit["visit_code"],
            Decimal(visit["visit_number"]),
            visit["occurrence"],
            after["dose_level"],
            dispensed_on,
            kit["kit_number"],
            kit["kit_type"],
            kit["lot_id"],
            Decimal(kit["quantity_units"]),
            kit["unit"],
            entry.recorded_at,
        )
        site = (Place.SITE, entry.site_id or "")
        moved = kit_movement(entry, kit["kit_number"], Act.DISPENSE, site, entry.subject_id, dispensed_on)
        rows += [("dispensings", given), moved]
    return rows


def record_visit(entry: SealedEntry) -> list[Row]:
    """A visit without kits, done or missed."""
    return [_visit(entry, dispensed=False)]


def end_participation(entry: SealedEntry) -> list[Row]:
    """The subject has completed or left."""
    return [_disposition(entry, entry.after["status"])]


def _visit(entry: SealedEntry, *, dispensed: bool) -> Row:
    visit: dict[str, Any] = entry.after["visit"]
    row = (
        entry.subject_id,
        entry.site_id,
        visit["visit_code"],
        Decimal(visit["visit_number"]),
        visit["occurrence"],
        visit["name"],
        visit["status"],
        day(visit["visit_date"]),
        day(visit["end_date"]),
        visit["contact"],
        visit["override_reason"] or entry.reason or None,
        dispensed,
        entry.after["dose_level"] if dispensed else None,
        entry.recorded_at,
    )
    return ("visits", row)


def _disposition(entry: SealedEntry, status: str) -> Row:
    after = entry.after
    row = (
        entry.subject_id,
        entry.site_id,
        status,
        day(after["ended_on"]),
        after["end_reason"],
        after.get("end_term") or after["end_reason"],
        day(after.get("last_dose_on")),
        day(after.get("last_contact_on")),
        _death(after),
        after.get("visit_code"),
        entry.recorded_at,
    )
    return ("dispositions", row)


def _death(after: dict[str, Any]) -> date | None:
    """The date of death: as recorded, else the day on which the participation ended by death."""
    if after.get("died_on"):
        return day(after["died_on"])
    return day(after["ended_on"]) if after["end_reason"] == "DEATH" else None


TRANSLATIONS: dict[str, Translation] = {
    "screen": screen,
    "record_eligibility": record_eligibility,
    "randomize": randomize,
    "dispense": dispense,
    "record_visit": record_visit,
    "miss_visit": record_visit,
    "discontinue": end_participation,
    "complete": end_participation,
}
