"""Folds of parcels to patients: one is sent, and the confirmation of its kits ends it (handing_out.py)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, insert, update

from allocation.ledger.parcel_tables import home_parcel, home_parcel_kit
from allocation.ledger.projections.fold import Fold, day, expect_rows


def send_home(
    connection: Connection, study_id: str, subject_id: str, site_id: str, after: dict[str, Any]
) -> None:
    """The parcel is under way. Its kits stay where they are: assigned, and accounted for by the site."""
    connection.execute(
        insert(home_parcel).values(
            study_id=study_id,
            parcel_id=after["parcel_id"],
            site_id=site_id,
            subject_id=subject_id,
            visit_number=after["visit_number"],
            status="sent",
            carrier=after["carrier"],
            tracking_number=after["tracking_number"],
            sent_on=day(after["sent_on"]),
            expected_on=day(after["expected_on"]),
        )
    )
    connection.execute(
        insert(home_parcel_kit),
        [
            {"study_id": study_id, "parcel_id": after["parcel_id"], "kit_number": number}
            for number in after["kits"]
        ],
    )


def end_parcels(connection: Connection, study_id: str, parcels: list[str], ended_on: str) -> None:
    """What became of the kits of these parcels is on record. Raises ProjectionConflict where one has ended before."""
    for parcel_id in parcels:
        statement = update(home_parcel).where(
            home_parcel.c.study_id == study_id,
            home_parcel.c.parcel_id == parcel_id,
            home_parcel.c.status == "sent",
        )
        done = connection.execute(statement.values(status="ended", ended_on=day(ended_on)))
        expect_rows(done, 1, "parcel under way")


FOLDS: dict[str, Fold] = {"send_home": send_home}
