"""Opening a site."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from sqlalchemy import select

from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.transaction import Transaction, execute
from allocation.errors import DomainRefusal, FileRefused, NotFound
from allocation.ledger.schema import site
from allocation.plain_values import Whole
from allocation.study.model import Code
from allocation.study.supply import CountryCode, TimeZone


class OpenSiteRequest(CommandRequest):
    """A site to open. What is left out comes from the protocol's site of that code, then from its country."""

    site_id: Code
    name: str | None = None
    country: CountryCode | None = None
    depot_id: Code | None = None
    timezone: TimeZone | None = None
    profile: Code | None = None


class SiteRow(OpenSiteRequest):
    """A site of a file. `line` is where it stood."""

    line: Whole | None = None


class OpenSitesRequest(CommandRequest):
    """Several sites to open, all or none."""

    sites: tuple[SiteRow, ...] = Field(min_length=1)


def open_site(service: Service, act: Act, study_id: str, request: OpenSiteRequest) -> dict[str, Any]:
    """Open a site on the date of the act (the site's date); answers its country, depot and opening date.

    Raises DomainRefusal when it is open already, NotFound for a country or depot that the protocol does not have.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        transaction.in_study()
        return _open(transaction, request)

    return execute(service, act, study_id, "open_site", request, body)


def open_sites(service: Service, act: Act, study_id: str, request: OpenSitesRequest) -> dict[str, Any]:
    """Open several sites in one transaction, an entry each; answers their number.

    Raises FileRefused naming every row at fault; then no site is opened.

    The act must not carry an idempotency key: a key names one entry. A repeated file is refused, since its sites are open.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        transaction.in_study()
        problems: list[str] = []
        seen: set[str] = set()
        for index, one in enumerate(request.sites, start=1):
            at = f"line {one.line}" if one.line is not None else f"row {index}"
            if one.site_id in seen:
                problems.append(f"{at}: site_id {one.site_id} stands in the file twice")
                continue
            seen.add(one.site_id)
            try:
                _open(transaction, one)
            except DomainRefusal as refusal:
                problems.append(f"{at}: {refusal}")
        if problems:
            raise FileRefused("sites", problems)  # leaving the transaction by an error undoes the others
        return {"sites": len(request.sites)}

    return execute(service, act, study_id, "open_site", request, body)


def _open(transaction: Transaction, request: OpenSiteRequest) -> dict[str, Any]:
    protocol = transaction.protocol
    known = next((one for one in protocol.sites if one.code == request.site_id), None)
    is_open = select(site.c.site_id).where(
        site.c.study_id == transaction.study_id, site.c.site_id == request.site_id
    )
    if transaction.connection.execute(is_open).first() is not None:
        raise DomainRefusal(
            f"site {request.site_id} is open already",
            code="site-open",
            field="site_id",
            fix="nothing is to be done",
        )
    country_code = request.country or (known.country if known else None)
    country = protocol.country(country_code) if country_code else None
    if country is None:
        raise NotFound(
            f"country {country_code!r} of site {request.site_id} is not in the protocol",
            field="country",
            fix=f"one of {', '.join(one.code for one in protocol.countries)}",
        )
    depot_id = request.depot_id or (known.depot if known else None) or country.depot
    if depot_id not in {depot.code for depot in protocol.depots}:
        raise NotFound(
            f"depot {depot_id!r} is not in the protocol", field="depot_id", fix="name a depot of the protocol"
        )
    timezone = request.timezone or (known.timezone if known else None) or country.timezone
    opened_on = transaction.at_zone(timezone).isoformat()
    after = {
        "site_id": request.site_id,
        "name": request.name or (known.name if known else request.site_id),
        "country": country.code,
        "depot_id": depot_id,
        "timezone": timezone,
        "profile": request.profile or (known.profile if known else None),
        "opened_on": opened_on,
    }
    answer = {
        "site_id": request.site_id,
        "country": country.code,
        "depot_id": depot_id,
        "opened_on": opened_on,
    }
    return transaction.append(after, answer=answer, site_id=request.site_id)
