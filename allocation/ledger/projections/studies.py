"""Folds of entries that set a study up: versions, sites, lots, kits, randomization lists."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from allocation.ledger.canonical import canonical_json
from allocation.ledger.projections.fold import Fold, day, expect_rows
from allocation.ledger.projections.proposals import outdate_open_proposals
from allocation.ledger.schema import (
    depot,
    kit,
    list_entry,
    lot,
    randomization_list,
    site,
    study,
    study_version,
    study_version_country,
)
from allocation.rules.kit_status import KitStatus, Place
from allocation.study.protocol import MOVES_SUBJECTS


def load_study_version(
    connection: Connection, study_id: str, _subject: str, _site: str, after: dict[str, Any]
) -> None:
    """Store the version; the study and new depots appear with it, known depots get their new name, open proposals go stale."""
    identity = after["protocol"]["study"]
    values = {"title": identity["title"], "mode": identity["mode"], "latest_version": after["version"]}
    if after["version"] == 1:
        connection.execute(insert(study), {"study_id": study_id, **values})
    else:
        expect_rows(
            connection.execute(update(study).where(study.c.study_id == study_id).values(**values)), 1, "study"
        )
    connection.execute(
        insert(study_version),
        {
            "study_id": study_id,
            "version": after["version"],
            "effective_at": datetime.fromisoformat(after["effective_at"]),
            "sha256": after["sha256"],
            "protocol_json": canonical_json(after["protocol"]),
        },
    )
    document = after["protocol"]
    moves = document.get("amendment_rule", MOVES_SUBJECTS) == MOVES_SUBJECTS
    from_visit = _number_of(document, document.get("amendment_visit"))
    for country, moment in _countries(after):
        _put_into_effect(connection, study_id, after["version"], country, moment, moves, from_visit)
    known = set(connection.execute(select(depot.c.depot_id).where(depot.c.study_id == study_id)).scalars())
    for row in after["depots"]:
        if row["depot_id"] in known:
            where = (depot.c.study_id == study_id) & (depot.c.depot_id == row["depot_id"])
            connection.execute(update(depot).where(where).values(**row))
        else:
            connection.execute(insert(depot), {"study_id": study_id, **row})
    outdate_open_proposals(connection, study_id, after["version"])


def _number_of(document: dict[str, Any], visit: str | None) -> str | None:
    """The number of the visit of that code, as text; None without a visit."""
    return next((str(one["number"]) for one in document["visits"] if one["code"] == visit), None)


def _countries(after: dict[str, Any]) -> list[list[str]]:
    """Country and moment of each country that has one; entries from before countries were told apart mean all of them."""
    told: list[list[str]] | None = after.get("countries")
    if told is not None:
        return told
    return [[one["code"], after["effective_at"]] for one in after["protocol"]["countries"]]


def _put_into_effect(
    connection: Connection,
    study_id: str,
    version: int,
    country: str,
    moment: str,
    moves: bool,
    from_visit: str | None,
) -> None:
    table = study_version_country.c
    where = (table.study_id == study_id, table.country == country, table.version == version)
    connection.execute(delete(study_version_country).where(*where))
    connection.execute(
        insert(study_version_country),
        {
            "study_id": study_id,
            "country": country,
            "version": version,
            "effective_at": datetime.fromisoformat(moment),
            "moves_subjects": moves,
            "moves_from_visit": from_visit,
        },
    )


def put_version_into_effect(
    connection: Connection, study_id: str, _subject: str, _site: str, after: dict[str, Any]
) -> None:
    """A version gets its moment in one more country, or another one; the study has it from the first of them on."""
    version = after["version"]
    _put_into_effect(
        connection,
        study_id,
        version,
        after["country"],
        after["effective_at"],
        after["moves_subjects"],
        after.get("moves_from_visit"),
    )
    table = study_version_country.c
    first = (
        select(func.min(table.effective_at))
        .where(table.study_id == study_id, table.version == version)
        .scalar_subquery()
    )
    where = (study_version.c.study_id == study_id, study_version.c.version == version)
    changed = connection.execute(update(study_version).where(*where).values(effective_at=first))
    expect_rows(changed, 1, "protocol version")


def open_site(
    connection: Connection, study_id: str, _subject: str, site_id: str, after: dict[str, Any]
) -> None:
    """A site opens."""
    row = {
        **after,
        "study_id": study_id,
        "site_id": site_id,
        "status": "open",
        "opened_on": day(after["opened_on"]),
    }
    connection.execute(insert(site), row)


def load_lots(
    connection: Connection, study_id: str, _subject: str, _site: str, after: dict[str, Any]
) -> None:
    """Lots become known."""
    connection.execute(
        insert(lot),
        [
            {
                "study_id": study_id,
                "lot_id": row["lot_id"],
                "kit_type": row["kit_type"],
                "expiry_date": day(row["expiry_date"]),
                "status": row["status"],
                "released_for": canonical_json(row["released_for"]),
                "printed_expiry": day(row.get("printed_expiry")),
                "blinded_lot": row.get("blinded_lot"),
            }
            for row in after["lots"]
        ],
    )


def load_kits(
    connection: Connection, study_id: str, _subject: str, _site: str, after: dict[str, Any]
) -> None:
    """Kits appear at a depot."""
    connection.execute(
        insert(kit),
        [
            {
                "study_id": study_id,
                "kit_number": number,
                "kit_type": kit_type,
                "lot_id": lot_id,
                "pick_sequence": pick_sequence,
                "last_ship_date": day(last_ship),
                "last_count_date": day(last_count),
                "last_dispense_date": day(last_dispense),
                "expiry_date": day(expiry),
                "status": KitStatus.DEPOT_AVAILABLE.value,
                "place_kind": Place.DEPOT.value,
                "place": after["depot_id"],
                "printed_expiry": day(after.get("printed_expiry", {}).get(lot_id)),
            }
            for number, kit_type, lot_id, pick_sequence, last_ship, last_count, last_dispense, expiry in after[
                "kits"
            ]
        ],
    )


def store_list(
    connection: Connection, study_id: str, _subject: str, _site: str, after: dict[str, Any]
) -> None:
    """A randomization list is stored, not yet active; in place of a draft of that id, if there is one.

    What a draft holds stands in its entry alone: nothing can be drawn from it.
    """
    lists = randomization_list.c
    connection.execute(
        delete(randomization_list).where(
            lists.study_id == study_id, lists.list_id == after["list_id"], lists.state == "draft"
        )
    )
    connection.execute(
        insert(randomization_list),
        {
            "study_id": study_id,
            "list_id": after["list_id"],
            "event": after["event"],
            "state": after["state"],
            "method": after["method"],
            "sha256": after["sha256"],
            "file_sha256": after.get("file_sha256"),
            "entries": len(after["entries"]),
            "made_for_json": canonical_json(after["made_for"]),
            "faults_json": canonical_json(after["faults"]) if after["faults"] else None,
        },
    )
    if after["state"] == "draft":
        return
    connection.execute(
        insert(list_entry),
        [
            {
                "study_id": study_id,
                "list_id": after["list_id"],
                "holder": holder,
                "stratum": stratum,
                "sequence": sequence,
                "block": block,
                "randomization_number": number,
                "arm": arm,
            }
            for holder, stratum, sequence, block, number, arm in after["entries"]
        ],
    )


def activate_list(
    connection: Connection, study_id: str, _subject: str, _site: str, after: dict[str, Any]
) -> None:
    """A list comes into use for its event, and those that nothing is drawn from any more are retired; their used entries stay."""
    lists = randomization_list.c
    same_event = (lists.study_id == study_id) & (lists.event == after["event"])
    retired = same_event & (lists.state == "active")
    if "retires" in after:
        retired &= lists.list_id.in_(after["retires"])
    # Entries from before several lists could be in use retire whatever was.
    changed = connection.execute(update(randomization_list).where(retired).values(state="retired"))
    if "retires" in after:
        expect_rows(changed, len(after["retires"]), "lists retired")
    result = connection.execute(
        update(randomization_list)
        .where(same_event, lists.list_id == after["list_id"], lists.state == "validated")
        .values(state="active", activated_on=day(after["activated_on"]))
    )
    expect_rows(result, 1, "randomization list")


FOLDS: dict[str, Fold] = {
    "load_study_version": load_study_version,
    "put_version_into_effect": put_version_into_effect,
    "open_site": open_site,
    "load_lots": load_lots,
    "load_kits": load_kits,
    "load_bulk": load_kits,
    "upload_list": store_list,
    "generate_list": store_list,
    "activate_list": activate_list,
}
