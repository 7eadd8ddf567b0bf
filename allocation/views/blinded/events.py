"""What happened last, in words that everyone may read.

The query takes the command, who and where, and how many kits: never the payload, which holds arms and kit types. Which depot an
entry is of stands in the payload alone; the database compares it for a depot's reader, and does not give it out.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, case, cast, func, or_, select, true
from sqlalchemy.dialects.postgresql import JSONB

from allocation.ledger.schema import ledger_entry
from allocation.views.blinded.overview_models import Event
from allocation.views.visible import Visible

WORDS: Final[dict[str, str]] = {
    "load_study_version": "A protocol version was loaded",
    "put_version_into_effect": "A protocol version was put into effect in a country",
    "open_site": "Site {site} was opened",
    "load_lots": "Lots were loaded",
    "number_kits": "Kits were numbered for packaging",
    "load_kits": "Kits arrived at a depot",
    "load_bulk": "Bulk supply arrived at a depot",
    "upload_list": "A randomization list was stored",
    "generate_list": "A randomization list was stored",
    "activate_list": "A randomization list was activated",
    "activate_method": "A randomization method was put into use",
    "set_cohort": "A cohort was opened or closed",
    "screen": "Subject {subject} was screened at site {site}",
    "record_eligibility": "Eligibility of subject {subject} was recorded",
    "correct_stratum": "Stratification factors of subject {subject} were corrected",
    "randomize": "Subject {subject} was randomized at site {site}",
    "dispense": "{kits} dispensed to subject {subject} at site {site}",
    "confirm_dispensing": "What became of the kits assigned to subject {subject} was recorded at site {site}",
    "replace_kit": "A kit of subject {subject} was replaced at site {site}",
    "hold_dosing": "Dosing of subject {subject} was put on hold",
    "resume_dosing": "Dosing of subject {subject} goes on",
    "record_visit": "A visit of subject {subject} was recorded",
    "miss_visit": "A visit of subject {subject} was recorded as missed",
    "discontinue": "Subject {subject} discontinued",
    "complete": "Subject {subject} completed the study",
    "receive_edc_facts": "Data came from the EDC",
    "apply_edc_facts": "What the EDC says of subject {subject} was compared with what is on record",
    "run_resupply": "The resupply run looked at every site's stock",
    "order_shipment": "A shipment to site {site} was requested",
    "indent_stock": "A shipment to site {site} was ordered by hand",
    "approve_order": "An order was approved",
    "refuse_order": "An order was refused",
    "cancel_shipment": "An order was cancelled",
    "pack_kits": "{kits} packed for a shipment",
    "exchange_kit": "A kit of an order was exchanged",
    "correct_dispatch": "What was said of a dispatch was corrected",
    "lose_shipment": "A shipment with {kits} was lost on its way",
    "take_from_pool": "Kits came in from the stock of another study",
    "lend_kits": "Kits went to the stock of another study",
    "dispatch_shipment": "A shipment of {kits} to site {site} left the depot",
    "receive_shipment": "A shipment of {kits} arrived at site {site}",
    "expire_kits": "{kits} expired",
    "quarantine_kits": "{kits} put into quarantine",
    "release_kits": "{kits} released from quarantine",
    "reject_kits": "{kits} rejected",
    "report_kits_damaged": "{kits} found damaged",
    "report_kits_lost": "{kits} found missing",
    "destroy_kits": "{kits} destroyed",
    "reissue_device": "A device that came back was inspected at site {site}",
    "recall_lot": "{kits} recalled",
    "change_lot_expiry": "{kits} have another expiry date",
    "relabel_kits": "{kits} relabelled",
    "record_excursion": "A temperature excursion was recorded; {kits} put into quarantine",
    "settle_excursion": "It was decided about {kits} of a temperature excursion",
    "judge_lot": "The quality of a lot was decided on",
    "change_lot_release": "A lot may be used in other countries",
    "return_from_subject": "{kits} came back from subject {subject} at site {site}",
    "correct_kit_count": "The count of a kit of subject {subject} was corrected at site {site}",
    "declare_return": "{kits} declared for return at site {site}",
    "reconcile_return": "A return of {kits} was counted at site {site}",
    "approve_return": "A return of {kits} of site {site} was approved",
    "dispatch_return": "A return of {kits} left site {site}",
    "receive_return": "A return of {kits} of site {site} arrived at the depot",
    "reuse_returned_kits": "{kits} returned by site {site} went back into the depot's stock",
    "destroy_returned_kits": "{kits} returned by site {site} were destroyed under a certificate",
    "withdraw_return": "A return of {kits} was taken back at site {site}",
    "transfer_kits": "Kits were set aside at a site for site {site}",
    "pause_resupply": "Automatic orders were paused",
    "resume_resupply": "Automatic orders go on",
    "send_home": "{kits} sent home to subject {subject} by site {site}",
    "set_patient_address": "An address of subject {subject} was kept in the vault",
    "forget_patient_address": "The address of subject {subject} was deleted from the vault",
    "request_code_break": "A code break of subject {subject} was asked for at site {site}",
    "approve_code_break": "A code break of subject {subject} was approved",
    "refuse_code_break": "A code break of subject {subject} was refused",
    "break_code": "The code of subject {subject} was broken at site {site}",
    "read_broken_code": "The broken code of subject {subject} was read again by whoever broke it",
    "file_supply_proposal": "Supply parameters were proposed",
    "sign_supply_proposal": "Proposed supply parameters were approved",
    "reject_supply_proposal": "Proposed supply parameters were rejected",
    "withdraw_supply_proposal": "Proposed supply parameters were withdrawn",
    "grant_role": "Access to the study was given",
    "revoke_grant": "Access to the study was taken back",
    "issue_edc_key": "The EDC was given a key",
    "revoke_edc_key": "A key of the EDC was revoked",
}
"""Ledger command -> its event in blinded words. Nothing but the subject, the site and a count of kits is filled in."""


OF_A_DEPOT: Final = (
    "load_kits",
    "load_bulk",
    "take_from_pool",
    "lend_kits",
    "order_shipment",
    "indent_stock",
    "approve_order",
    "refuse_order",
    "cancel_shipment",
    "pack_kits",
    "exchange_kit",
    "correct_dispatch",
    "lose_shipment",
    "dispatch_shipment",
    "receive_shipment",
    "dispatch_return",
    "receive_return",
)
"""Commands whose payload names the depot that is concerned."""


def last_events(connection: Connection, study_id: str, seen: Visible, limit: int) -> tuple[Event, ...]:
    """The latest `limit` events of the visible sites and depots and of the study as a whole, the latest first."""
    entries = ledger_entry.c
    # The list of kit numbers may be long: the database counts it.
    kits = case(
        (entries.kit_numbers == "[]", 0),
        else_=func.length(entries.kit_numbers) - func.length(func.replace(entries.kit_numbers, ",", "")) + 1,
    ).label("kits")
    rows = connection.execute(
        select(entries.recorded_at, entries.command, entries.subject_id, entries.site_id, kits)
        .where(
            entries.study_id == study_id,
            entries.command.in_(tuple(WORDS)),
            true() if seen.whole_study else _of_what_is_seen(connection, seen),
        )
        .order_by(entries.entry_id.desc())
        .limit(limit)
    )
    return tuple(
        Event(
            recorded_at=row.recorded_at,
            text=WORDS[row.command].format(subject=row.subject_id, site=row.site_id, kits=_kits(row.kits)),
            site_id=row.site_id,
            subject_id=row.subject_id,
        )
        for row in rows
    )


def _of_what_is_seen(connection: Connection, seen: Visible) -> ColumnElement[bool]:
    """The condition that an entry is of a visible site or depot, or of no place at all."""
    entries = ledger_entry.c
    named = (
        cast(entries.after_json, JSONB)["depot_id"].as_string()
        if connection.dialect.name == "postgresql"
        else func.json_extract(entries.after_json, "$.depot_id")
    )
    # Only where the payload names a depot is it looked at: a case is evaluated in its order.
    depot = case((entries.command.in_(OF_A_DEPOT), named))
    of_no_place = and_(entries.site_id.is_(None), entries.command.not_in(OF_A_DEPOT))
    return or_(of_no_place, seen.at_site(entries.site_id), seen.at_depot(depot))


def _kits(count: int) -> str:
    return "1 kit" if count == 1 else f"{count} kits"
