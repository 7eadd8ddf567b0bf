"""What commands answer over HTTP. Blinded by construction: no model here has a place for an arm, a kit type or a dose.

Two answers, which only the unblinded may ask for, name lots and types: that of a recall, and a packager's list.
"""

from __future__ import annotations

from datetime import date, datetime

from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    """A command's answer; whatever the model does not name does not leave the service."""

    model_config = ConfigDict(extra="ignore")


class OfLot(BaseModel):
    """So many units of a lot of bulk supply; `lot` is the number that blinded people may read."""

    lot: str
    quantity: int


class KitsAnswer(Answer):
    """An answer that names kits. `bulk`: what of them bears no number, by the field that would name it, as lots and quantities."""

    bulk: dict[str, tuple[OfLot, ...]] = {}


class ScreenAnswer(Answer):
    """The subject's screening number."""

    subject_id: str
    status: str
    screened_on: date


class StatusAnswer(Answer):
    """A subject's new status."""

    subject_id: str
    status: str


class RandomizeAnswer(Answer):
    """The randomization number, which says nothing of the arm, and the event that was passed."""

    subject_id: str
    event: str
    randomization_number: str
    randomized_on: date
    status: str


class DispenseAnswer(KitsAnswer):
    """The kits to hand out, by number. `dose_label`: the blinded word for the dose, where showing it is safe; `kits_short`: how many are
    missing in a partial dispensing; `awaits_confirmation`: the kits are assigned until handing out is confirmed."""

    subject_id: str
    visit_code: str | None
    visit_number: str
    visit_date: date
    window: str
    kit_numbers: tuple[str, ...]
    dose_label: str | None
    kits_short: int
    awaits_confirmation: bool


class ConfirmDispensingAnswer(KitsAnswer):
    """What is now on record about the kits of a visit."""

    subject_id: str
    visit_number: str
    confirmation: str
    handed_on: date
    handed_out: tuple[str, ...]
    not_dispensed: tuple[str, ...]


class ReplaceKitAnswer(KitsAnswer):
    """The kit that takes the place of another, by number; both null of bulk supply."""

    subject_id: str
    visit_number: str
    replaced: str | None
    kit_number: str | None
    awaits_confirmation: bool


class DoseHoldAnswer(Answer):
    """Since when dosing is on hold; null: it is not."""

    subject_id: str
    dose_held_on: date | None


class VisitAnswer(Answer):
    """A recorded visit and how its date lies to its window."""

    subject_id: str
    visit_code: str | None
    visit_number: str
    visit_date: date
    window: str


class MissVisitAnswer(Answer):
    """A visit that is now on record as missed."""

    subject_id: str
    visit_code: str
    visit_number: str
    status: str


class EndAnswer(Answer):
    """The end of a subject's participation."""

    subject_id: str
    status: str
    ended_on: date


class ReceiveEdcAnswer(Answer):
    """What came of a message. `repeated`: subjects of whom it said nothing new; `unmapped`: OIDs that the study does not map."""

    message_id: str
    subjects: int
    facts: int
    superseded: int
    repeated: int
    unknown_subjects: tuple[str, ...]
    unmapped: tuple[str, ...]


class SetCohortAnswer(Answer):
    """A cohort that is open or closed now."""

    cohort: str
    state: str


class CorrectStratumAnswer(Answer):
    """The factor levels that a subject has on record, and of a randomized one the true levels that differ."""

    subject_id: str
    randomized: bool
    factors: dict[str, str]
    true_factors: dict[str, str]


class OpenSiteAnswer(Answer):
    """An open site; `opened_on` is the site's date."""

    site_id: str
    country: str
    depot_id: str
    opened_on: date


class LoadLotsAnswer(Answer):
    """How many lots were loaded."""

    lots: int


class LoadKitsAnswer(Answer):
    """How many kits were loaded at which depot."""

    depot_id: str
    kits: int


class LoadBulkAnswer(Answer):
    """How many units of bulk supply were loaded at which depot, of how many rows."""

    depot_id: str
    rows: int
    units: int


class ExpireKitsAnswer(Answer):
    """How many kits were turned over to expired."""

    kits: int


class OrderAnswer(Answer):
    """A shipment that a resupply run ordered."""

    site_id: str
    shipment_id: str
    kits: int


class DepotOrderAnswer(Answer):
    """An order for a depot, from the one that refills it."""

    depot_id: str
    shipment_id: str
    kits: int


class RunResupplyAnswer(Answer):
    """What a resupply run ordered."""

    run_id: str
    sites: int
    orders: tuple[OrderAnswer, ...]
    depot_orders: tuple[DepotOrderAnswer, ...] = ()
    kits: int


class DispatchAnswer(KitsAnswer):
    """A shipment under way, with its kits by number."""

    shipment_id: str
    status: str
    kits: tuple[str, ...]
    expected_on: date
    split_off: str | None = None


class ReceiveAnswer(KitsAnswer):
    """A received shipment: how many kits got which disposition, which are awaited, and which came without being listed."""

    shipment_id: str
    status: str
    kits: dict[str, int]
    awaited: tuple[str, ...] = ()
    unlisted: tuple[str, ...] = ()


class OtherStudyKits(BaseModel):
    """What the act did in a study that has kits of the lot from this one."""

    study_id: str
    kits: tuple[str, ...]


class KitActAnswer(KitsAnswer):
    """The kits that something was done to, and how many of what was named do not allow it."""

    kits: tuple[str, ...]
    not_possible: int
    other_studies: tuple[OtherStudyKits, ...] = ()


class NumberedKit(BaseModel):
    """A kit to be packaged."""

    kit_number: str
    kit_type: str
    lot_id: str
    pick_sequence: int


class NumberKitsAnswer(Answer):
    """A packager's list, for the unblinded alone."""

    digits: int
    kits: tuple[NumberedKit, ...]


class RecalledLotKit(BaseModel):
    """A kit of a recalled lot and where it is."""

    kit_number: str
    status: str
    place_kind: str
    place: str


class RecalledFromSubject(BaseModel):
    """A kit of a recalled lot that a subject was given, at which visit and when; `return_asked`: the subject still has it."""

    subject_id: str
    site_id: str
    kit_number: str
    visit_number: str | None
    visit_code: str | None
    dispensed_on: date
    return_asked: bool


class ToldPlace(Answer):
    """A depot or site that has recalled kits, and how many of its people are sent mail."""

    place_kind: str
    place: str
    people: int


class RecalledOfLot(OfLot):
    """Units of a recalled lot of bulk supply, where they are or which subject was given them."""

    status: str | None = None
    place_kind: str | None = None
    place: str | None = None
    subject_id: str | None = None
    site_id: str | None = None
    visit_number: str | None = None
    visit_code: str | None = None
    dispensed_on: date | None = None
    return_asked: bool | None = None


class RecalledInStudy(BaseModel):
    """A study that has kits of the lot from this one, recalled in the same act.

    `subjects_shown`: whether the reader may recall there, too; else `subjects` is empty, and kits that subjects have name no place.
    """

    study_id: str
    recalled_before: bool
    quarantined: int
    kits: tuple[RecalledLotKit, ...]
    subjects_shown: bool
    subjects: tuple[RecalledFromSubject, ...]
    told: tuple[ToldPlace, ...]


class RecallLotAnswer(Answer):
    """A recalled lot, for the unblinded alone: its kits are of one type. Sites read theirs in the view of recalls."""

    lot_id: str
    recalled_before: bool
    quarantined: int
    kits: tuple[RecalledLotKit, ...]
    subjects: tuple[RecalledFromSubject, ...]
    told: tuple[ToldPlace, ...] = ()
    bulk: dict[str, tuple[RecalledOfLot, ...]] = {}
    other_studies: tuple[RecalledInStudy, ...] = ()


class ListAnswer(Answer):
    """A stored randomization list: its length, the hash of its entries, and that of the file.

    A draft has `faults`; what they are is for the unblinded, in the view of the lists. `protocol_version`: what it was made for.
    """

    list_id: str
    state: str
    protocol_version: int | None = None
    entries: int
    sha256: str
    file_sha256: str | None = None
    faults: int = 0


class ActivateListAnswer(Answer):
    """A list that is in use wherever its protocol version is in force, now or from its moment on; and the lists that it retired."""

    list_id: str
    state: str
    protocol_version: int | None = None
    retired: tuple[str, ...] = ()


class ActivateMethodAnswer(Answer):
    """A randomization method that is in use now; `activation` counts the event's activations. The seed is never answered."""

    event: str
    method: str
    activation: int
    state: str


class LoadStudyVersionAnswer(Answer):
    """A loaded protocol version and when it takes effect (UTC): anywhere, and in each country; one that is left out waits.

    `events_needing_lists`: randomization events that no list fits yet: they wait from then on, unless one is activated for it.
    """

    study_id: str
    version: int
    sha256: str
    effective_at: datetime
    countries: dict[str, datetime]
    events_needing_lists: tuple[str, ...] = ()


class PutVersionIntoEffectAnswer(Answer):
    """From when a protocol version counts in a country (UTC)."""

    study_id: str
    version: int
    country: str
    effective_at: datetime
