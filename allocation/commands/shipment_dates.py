"""When a shipment leaves and arrives, judged by the date at the place that it leaves or comes to."""

from __future__ import annotations

from datetime import date, timedelta

from sqlalchemy import select

from allocation.commands.depot_zones import depot_zone
from allocation.commands.transaction import Transaction
from allocation.errors import DomainRefusal
from allocation.ledger.schema import site
from allocation.ledger.shipment_ends import ShipmentEnds
from allocation.rules.kit_status import Place
from allocation.study.parameters import depot_lead_time_days, lead_time_days
from allocation.study.satellites import days_from_pharmacy, pharmacy_of


def locked_origin(transaction: Transaction, ends: ShipmentEnds) -> date:
    """Lock the place that a shipment leaves from, and so its stock; gives the date there.

    Of a shipment between sites, the one in whose pipeline it is stays locked, too.
    """
    if ends.from_kind == Place.SITE and ends.to_kind == Place.SITE:
        receiver = select(site.c.site_id).where(
            site.c.study_id == transaction.study_id, site.c.site_id == ends.to_place
        )
        transaction.connection.execute(receiver.with_for_update()).all()
    if ends.from_kind == Place.DEPOT:
        zone = depot_zone(transaction.connection, transaction.study_id, ends.from_place, lock=True)
        return transaction.at_zone(zone)
    query = select(site.c.timezone).where(
        site.c.study_id == transaction.study_id, site.c.site_id == ends.from_place
    )
    return transaction.at_zone(transaction.connection.execute(query.with_for_update()).scalar_one())


def country_of_use(transaction: Transaction, ends: ShipmentEnds) -> str:
    """The country of the site that a shipment goes to; "" where it goes to a depot, whose kits may be for any country."""
    if ends.to_kind == Place.DEPOT:
        return ""
    query = select(site.c.country).where(
        site.c.study_id == transaction.study_id, site.c.site_id == ends.to_place
    )
    return str(transaction.connection.execute(query).scalar_one())


def country_of_origin(transaction: Transaction, ends: ShipmentEnds) -> str | None:
    """The country of the site that a shipment leaves; None where it leaves a depot."""
    if ends.from_kind == Place.DEPOT:
        return None
    query = select(site.c.country).where(
        site.c.study_id == transaction.study_id, site.c.site_id == ends.from_place
    )
    return str(transaction.connection.execute(query).scalar_one())


def dispatch_date(asked: date | None, requested_on: date, today: date) -> date:
    """The date of dispatch, `today` where none is asked for. Raises DomainRefusal for one before the order, or to come."""
    if asked is not None and not requested_on <= asked <= today:
        raise DomainRefusal(
            f"{asked} is not between the order of {requested_on} and {today}",
            code="dispatch-date",
            field="dispatched_on",
            fix="correct it, or leave it out for today",
        )
    return asked or today


def expected_arrival(
    transaction: Transaction, ends: ShipmentEnds, country: str, dispatched: date, asked: date | None
) -> date:
    """When a shipment is expected: as asked, else after the lane's lead time. `country`: as `country_of_use`.

    Raises DomainRefusal where it leaves a site that is not the other's pharmacy, and nobody says; or would arrive before it leaves.
    """
    if asked is not None:
        check_arrival(asked, dispatched)
        return asked
    if pharmacy_of(transaction.protocol, ends.to_place) == ends.from_place:
        return dispatched + timedelta(days=days_from_pharmacy(transaction.protocol, ends.to_place))
    if ends.from_kind == Place.SITE:
        raise DomainRefusal(
            f"no lane leads from site {ends.from_place}",
            code="expected-on-missing",
            field="expected_on",
            fix="say when the shipment is expected there",
        )
    if ends.to_kind == Place.DEPOT:
        days = depot_lead_time_days(transaction.protocol, ends.from_place, ends.to_place)
    else:
        days = lead_time_days(transaction.protocol, ends.from_place, country, ends.to_place)
    return dispatched + timedelta(days=days)


def check_arrival(expected: date, dispatched: date) -> None:
    """Refuse an expected arrival before dispatch. Raises DomainRefusal (`arrival-before-dispatch`)."""
    if expected < dispatched:
        raise DomainRefusal(
            f"{expected} is before dispatch on {dispatched}",
            code="arrival-before-dispatch",
            field="expected_on",
            fix="correct it",
        )


def arrival_date(transaction: Transaction, ends: ShipmentEnds) -> date:
    """The date of the act where the shipment goes to."""
    if ends.to_kind == Place.SITE:
        return transaction.today
    return transaction.at_zone(depot_zone(transaction.connection, transaction.study_id, ends.to_place))
