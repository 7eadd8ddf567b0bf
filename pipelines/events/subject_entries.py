"""Translation of entries about a subject: screening, eligibility, randomization, visits, dispensing, the end of participation."""

from datetime import date
from decimal import Decimal
from typing import Any

from allocation.ledger.projections.handing_out import NOT_DISPENSED, REPLACED
from allocation.ledger.reader import SealedEntry
from allocation.rules.kit_status import Act, Place
from pipelines.events.kit_entries import kit_movement
from pipelines.events.parcel_entries import parcels_ended
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
    """A visit with kits: one row for the visit, one for each kit, and each kit moves from the site to the subject.

    Where handing out waits for confirmation the kits are only assigned: the visit counts as dispensed when that is confirmed.
    """
    after, visit = entry.after, entry.after["visit"]
    if after.get("awaits_confirmation"):
        rows = [_visit(entry, dispensed=False), *_assigned(entry)]
    else:
        place = (visit["visit_code"], visit["visit_number"], visit["occurrence"])
        rows = [_visit(entry, dispensed=bool(after["kits"])), *_handed_out(entry, place, Act.DISPENSE)]
    return rows + measurements(entry)


def confirm_dispensing(entry: SealedEntry) -> list[Row]:
    """Assigned kits are handed out, or go back; the visit they are of counts as dispensed if any was handed out."""
    after = entry.after
    settled = (
        entry.subject_id,
        entry.site_id,
        Decimal(after["visit_number"]),
        after["occurrence"],
        day(after["handed_on"]),
        bool(after["kits"]),
        after["dose_level"],
        entry.recorded_at,
    )
    place = (after["visit_code"], after["visit_number"], after["occurrence"])
    rows: list[Row] = [("hand_outs", settled), *_handed_out(entry, place, Act.CONFIRM_DISPENSING)]
    for number, _, to in after["not_dispensed"]:
        site, on = entry.site_id or "", day(after["recorded_on"])
        rows.append(kit_movement(entry, number, NOT_DISPENSED[to], (Place.SITE, site), site, on))
    return rows + parcels_ended(entry, day(after["recorded_on"]))


def replace_kit(entry: SealedEntry) -> list[Row]:
    """A lost or damaged kit is written off, and another one takes its place at the same visit."""
    after, site = entry.after, entry.site_id or ""
    assigned = bool(after.get("awaits_confirmation"))
    held_by = (Place.SITE, site) if assigned else (Place.SUBJECT, entry.subject_id or "")
    act, on = REPLACED[assigned, after["found"]], day(after["dispensed_on"])
    old = kit_movement(entry, after["replaced"], act, held_by, site, on)
    if assigned:
        return [old, *_assigned(entry), *parcels_ended(entry, on)]
    place = (after["visit_code"], after["visit_number"], after["occurrence"])
    return [old, *_handed_out(entry, place, Act.DISPENSE)]


def _assigned(entry: SealedEntry) -> list[Row]:
    site, on = entry.site_id or "", day(entry.after["dispensed_on"])
    return [
        kit_movement(entry, kit["kit_number"], Act.ASSIGN, (Place.SITE, site), site, on)
        for kit in entry.after["kits"]
    ]


def _handed_out(entry: SealedEntry, visit: tuple[str | None, str, int], act: Act) -> list[Row]:
    """What a subject got at a visit (code, number, occurrence), kit by kit."""
    after = entry.after
    code, number, occurrence = visit
    on = day(after["handed_on"] if act == Act.CONFIRM_DISPENSING else after["dispensed_on"])
    rows: list[Row] = []
    for kit in after["kits"]:
        given = (
            entry.subject_id,
            entry.site_id,
            code,
            Decimal(number),
            occurrence,
            after["dose_level"],
            on,
            kit["kit_number"],
            kit["kit_type"],
            kit["lot_id"],
            Decimal(kit["quantity_units"]),
            kit["unit"],
            entry.recorded_at,
        )
        site = (Place.SITE, entry.site_id or "")
        rows += [
            ("dispensings", given),
            kit_movement(entry, kit["kit_number"], act, site, entry.subject_id, on),
        ]
    return rows


def measurements(entry: SealedEntry) -> list[Row]:
    """Weight and height that came with a visit, or from the EDC."""
    return [
        (
            "measurements",
            (
                entry.subject_id,
                entry.site_id,
                measure,
                Decimal(value),
                day(measured_on),
                entry.recorded_at,
            ),
        )
        for measure, value, measured_on in entry.after.get("measurements", ())
    ]


def record_visit(entry: SealedEntry) -> list[Row]:
    """A visit without kits, done or missed."""
    return [_visit(entry, dispensed=False), *measurements(entry)]


def hold_dosing(entry: SealedEntry) -> list[Row]:
    """Dosing is on hold, or goes on (`held_on` null)."""
    held = (
        entry.subject_id,
        entry.site_id,
        day(entry.after["held_on"]),
        day(entry.after["recorded_on"]),
        entry.reason or None,
        entry.recorded_at,
    )
    return [("dose_holds", held)]


def end_participation(entry: SealedEntry) -> list[Row]:
    """The subject has completed or left."""
    return [_disposition(entry, entry.after["status"])]


def break_code(entry: SealedEntry) -> list[Row]:
    """Somebody was shown the subject's treatment."""
    return [
        ("code_breaks", (entry.subject_id, entry.site_id, day(entry.after["broken_on"]), entry.recorded_at))
    ]


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
    "apply_edc_facts": measurements,
    "miss_visit": record_visit,
    "confirm_dispensing": confirm_dispensing,
    "replace_kit": replace_kit,
    "hold_dosing": hold_dosing,
    "resume_dosing": hold_dosing,
    "break_code": break_code,
    "discontinue": end_participation,
    "complete": end_participation,
}
