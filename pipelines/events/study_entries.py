"""Translation of entries that set the study up: protocol versions, sites, lots; and of those that no dataset shows."""

import json
from datetime import datetime

from allocation.ledger.reader import SealedEntry
from pipelines.events.parcel_entries import send_home
from pipelines.events.rows import Row, Translation, day


def load_study_version(entry: SealedEntry) -> list[Row]:
    """A version of the protocol, whole, as JSON text with sorted keys, and from when it counts in which country.

    A version that came of a proposal of supply parameters has the hash of the tune report that was signed.
    """
    after = entry.after
    document = json.dumps(after["protocol"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    moment = datetime.fromisoformat(after["effective_at"])
    report = after.get("proposal", {}).get("report_sha256")
    version = (after["version"], moment, after["sha256"], document, report)
    rows: list[Row] = [("protocol_versions", version)]
    countries = after.get("countries")
    if countries is None:  # an entry from before countries were told apart: all of them
        countries = [[one["code"], after["effective_at"]] for one in after["protocol"]["countries"]]
    return rows + [_in_country(after["version"], country, at) for country, at in countries]


def put_version_into_effect(entry: SealedEntry) -> list[Row]:
    """A version counts in one more country, or from another moment than was said before."""
    after = entry.after
    return [_in_country(after["version"], after["country"], after["effective_at"])]


def _in_country(version: int, country: str, effective_at: str) -> Row:
    return ("version_countries", (version, country, datetime.fromisoformat(effective_at)))


def open_site(entry: SealedEntry) -> list[Row]:
    """A site opens."""
    after = entry.after
    row = (
        entry.site_id,
        after["name"],
        after["country"],
        after["depot_id"],
        after["timezone"],
        after["profile"],
        day(after["opened_on"]),
    )
    return [("sites", row)]


def load_lots(entry: SealedEntry) -> list[Row]:
    """Lots become known."""
    return [
        (
            "lots",
            (
                lot["lot_id"],
                lot["kit_type"],
                day(lot["expiry_date"]),
                lot["status"],
                lot.get("blinded_lot"),
            ),
        )
        for lot in entry.after["lots"]
    ]


def nothing(_entry: SealedEntry) -> list[Row]:
    """The entry changes nothing that a dataset shows; it is still counted in `entries`."""
    return []


TRANSLATIONS: dict[str, Translation] = {
    "load_study_version": load_study_version,
    "put_version_into_effect": put_version_into_effect,
    "open_site": open_site,
    "load_lots": load_lots,
    # Lists hold future allocations, which no dataset may show; a run's orders are entries of their own.
    "upload_list": nothing,
    "generate_list": nothing,
    "activate_list": nothing,
    "activate_method": nothing,
    "run_resupply": nothing,
    # What a pause kept from being ordered is no fact of any kit.
    "send_home": send_home,
    # What was asked for, and who read a broken code again, is in the ledger; the break itself is a fact of the subject.
    "request_code_break": nothing,
    "approve_code_break": nothing,
    "refuse_code_break": nothing,
    "read_broken_code": nothing,
    "set_patient_address": nothing,
    "forget_patient_address": nothing,
    "pause_resupply": nothing,
    "resume_resupply": nothing,
    # What a signed proposal becomes is a protocol version, which names it.
    "file_supply_proposal": nothing,
    "sign_supply_proposal": nothing,
    "reject_supply_proposal": nothing,
    "withdraw_supply_proposal": nothing,
    # Where a lot may be used, no dataset shows; what is shipped and dispensed shows the outcome.
    "change_lot_release": nothing,
    # Kits that are numbered exist only when they are packaged and loaded.
    "number_kits": nothing,
    # A subject's cohort stands in its screening; whether the cohort was open is no fact of any subject.
    "set_cohort": nothing,
    # A subject is analysed and reported as randomized; the truth beside it stays in the ledger and the views.
    "correct_stratum": nothing,
    # Who may do what is no fact of the trial's data; the ledger itself is the record of it.
    "grant_role": nothing,
    "revoke_grant": nothing,
    # The EDC's data are in the EDC; what follows from them for the trial are entries of their own.
    "receive_edc_facts": nothing,
    "issue_edc_key": nothing,
    "revoke_edc_key": nothing,
}
