"""What is said of parcels to subjects' homes: their number, site, kits and dates. Where they go is in the vault, and in no mail."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from sqlalchemy import Connection, Row, func, select

from allocation.ledger.parcel_tables import home_parcel, home_parcel_kit
from allocation.notify.blinded import BlindedNotice
from allocation.notify.happening import Happening, Told
from allocation.notify.places import NoticePlace

Said = Told[BlindedNotice]


def parcel_sent(happening: Happening) -> list[Said]:
    """A parcel left its site."""
    after, place = happening.after, NoticePlace("site", happening.site_id or "")
    said = BlindedNotice(
        "Parcel sent to a subject",
        shipment_id=after["parcel_id"],
        from_place=str(place),
        kits=len(after["kits"]),
        carrier=after["carrier"],
        tracking_number=after["tracking_number"],
        due="Expected on",
        due_on=date.fromisoformat(after["expected_on"]),
    )
    return [Told(said, (place,))]


def parcels_ended(happening: Happening) -> list[Said]:
    """What became of parcels is on record: how many of their kits the subject has."""
    after, place = happening.after, NoticePlace("site", happening.site_id or "")
    got = {one["kit_number"] for one in after["kits"]}
    told = []
    for parcel_id in after["parcels"]:
        query = select(home_parcel_kit.c.kit_number).where(
            home_parcel_kit.c.study_id == happening.study_id, home_parcel_kit.c.parcel_id == parcel_id
        )
        kits = set(happening.connection.execute(query).scalars())
        delivered = len(kits & got)
        said = BlindedNotice(
            "Parcel delivered" if delivered else "Parcel not delivered",
            shipment_id=parcel_id,
            from_place=str(place),
            kits=len(kits),
            found=(("delivered", delivered), ("not delivered", len(kits) - delivered)),
        )
        told.append(Told(said, (place,)))
    return told


def late_parcels(
    connection: Connection, study_id: str, today: dict[NoticePlace, date]
) -> Iterator[tuple[str, Said]]:
    """Parcels that were expected before today at their site, each by a name that changes with the expected date."""
    for row in _under_way(connection, study_id):
        place = NoticePlace("site", row.site_id)
        if row.expected_on >= today.get(place, row.expected_on):
            continue
        said = BlindedNotice(
            "Parcel late",
            shipment_id=row.parcel_id,
            from_place=str(place),
            kits=row.kits,
            carrier=row.carrier,
            tracking_number=row.tracking_number,
            due="Was expected on",
            due_on=row.expected_on,
            advice="Nobody has confirmed it. Ask the subject or the carrier, and confirm what became of its kits.",
        )
        yield f"{row.parcel_id} {row.expected_on}", Told(said, (place,))


def _under_way(connection: Connection, study_id: str) -> list[Row[tuple[str, ...]]]:
    query = (
        select(home_parcel, func.count().label("kits"))
        .join(
            home_parcel_kit,
            (home_parcel_kit.c.study_id == home_parcel.c.study_id)
            & (home_parcel_kit.c.parcel_id == home_parcel.c.parcel_id),
        )
        .where(home_parcel.c.study_id == study_id, home_parcel.c.status == "sent")
        .group_by(*home_parcel.c)
        .order_by(home_parcel.c.parcel_id)
    )
    return list(connection.execute(query).all())
