"""The dates of kits by their lot and the country where they are, or to which they go; read for those who order and extend."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Connection, select

from allocation.errors import DomainRefusal
from allocation.ledger.projections.kit_moves import CHUNK
from allocation.ledger.schema import kit, lot, lot_country, shipment, site
from allocation.rules.expiry import ExpiryWindows
from allocation.rules.expiry_change import KitDates, LotExpiry, kit_dates
from allocation.rules.kit_status import KitStatus, Place
from allocation.study.protocol import Protocol


def any_country_dates(connection: Connection, study_id: str) -> bool:
    """Whether some lot of the study has another expiry in some country: without one, the dates that kits carry hold everywhere."""
    query = select(lot_country.c.lot_id).where(lot_country.c.study_id == study_id).limit(1)
    return connection.execute(query).first() is not None


def lots_by_country(connection: Connection, study_id: str) -> dict[str, LotExpiry]:
    """The expiry dates of the lots that have another one in some country."""
    query = select(lot_country.c.lot_id).where(lot_country.c.study_id == study_id).distinct()
    return lot_expiries(connection, study_id, connection.execute(query).scalars())


def lot_expiries(connection: Connection, study_id: str, lot_ids: Iterable[str]) -> dict[str, LotExpiry]:
    """The expiry dates of these lots, country by country."""
    wanted = sorted(set(lot_ids))
    of_lots = (lot_country.c.study_id == study_id, lot_country.c.lot_id.in_(wanted))
    by_country: dict[str, dict[str, date]] = {lot_id: {} for lot_id in wanted}
    for row in connection.execute(select(lot_country).where(*of_lots)):
        by_country[row.lot_id][row.country] = row.expiry_date
    own = connection.execute(
        select(lot.c.lot_id, lot.c.expiry_date).where(lot.c.study_id == study_id, lot.c.lot_id.in_(wanted))
    )
    return {row.lot_id: LotExpiry(row.expiry_date, by_country[row.lot_id]) for row in own}


def expiry_windows(protocol: Protocol, kit_type: str) -> ExpiryWindows:
    """The windows of a kit type. Raises DomainRefusal for one that the protocol in force no more has."""
    defined = protocol.kit_type(kit_type)
    if defined is None:
        raise DomainRefusal(
            f"kit type {kit_type} is not in the protocol in force",
            code="unknown-kit-type",
            field="lot_id",
            fix="keep the kit type in the protocol while there are kits of it",
        )
    return ExpiryWindows(**defined.expiry.model_dump())


def held_dates(row: Any) -> KitDates:
    """The dates that a kit carries now, from its row."""
    return KitDates(row.expiry_date, row.last_ship_date, row.last_count_date, row.last_dispense_date)


def date_texts(dates: KitDates) -> list[str]:
    """The dates as a payload has them: expiry, last ship, last count, last dispense."""
    return [day.isoformat() for day in (dates.expiry, dates.last_ship, dates.last_count, dates.last_dispense)]


def dates_for_order(
    connection: Connection, study_id: str, protocol: Protocol, numbers: Sequence[str], country: str | None
) -> list[list[str]]:
    """The dates by which kits are judged from now on, those of the country that they go to, or stay in; only kits whose dates change.

    None is a depot. A row is a kit number with its dates as ISO text. Every command that sets kits aside for a shipment, takes them out of
    one again or makes them stock where they are keeps it as `dates`.
    """
    if not any_country_dates(connection, study_id):
        return []
    rows: list[Any] = []
    for start in range(0, len(numbers), CHUNK):
        query = select(kit).where(
            kit.c.study_id == study_id, kit.c.kit_number.in_(numbers[start : start + CHUNK])
        )
        rows += connection.execute(query).all()
    lots = lot_expiries(connection, study_id, {row.lot_id for row in rows})
    windows: Mapping[str, ExpiryWindows] = {
        code: expiry_windows(protocol, code) for code in {row.kit_type for row in rows}
    }
    found = []
    for row in sorted(rows, key=lambda one: str(one.kit_number)):
        dates = kit_dates(lots[row.lot_id], country, row.printed_expiry, windows[row.kit_type])
        if dates != held_dates(row):
            found.append([row.kit_number, *date_texts(dates)])
    return found


def dates_where_they_are(
    connection: Connection, study_id: str, protocol: Protocol, rows: Iterable[Any]
) -> list[list[str]]:
    """As `dates_for_order`, of kits (their rows) that stay where they are or go on to where they were on their way to."""
    if not any_country_dates(connection, study_id):
        return []
    by_country: dict[str | None, list[str]] = {}
    for row in rows:
        by_country.setdefault(country_of_kit(connection, study_id, row), []).append(row.kit_number)
    found = [
        dated
        for country, numbers in by_country.items()
        for dated in dates_for_order(connection, study_id, protocol, numbers, country)
    ]
    return sorted(found)


def country_of_kit(connection: Connection, study_id: str, row: Any) -> str | None:
    """The country where a kit is used: of its site, or of the site that its open shipment goes to; None on its way to a depot and there."""
    if row.place_kind == Place.TRANSIT or row.status == KitStatus.REQUESTED:
        query = select(shipment.c.to_place).where(
            shipment.c.study_id == study_id,
            shipment.c.shipment_id == (row.place if row.place_kind == Place.TRANSIT else row.shipment_id),
            shipment.c.to_kind == Place.SITE.value,
        )
        site_id = connection.execute(query).scalar()
    elif row.place_kind == Place.SITE:
        site_id = row.place
    else:
        return None
    found: str | None = connection.execute(
        select(site.c.country).where(site.c.study_id == study_id, site.c.site_id == site_id)
    ).scalar()
    return found
