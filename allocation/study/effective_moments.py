"""From when a protocol version counts in each country, as it is asked for when the version is loaded or previewed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from allocation.errors import DomainRefusal

if TYPE_CHECKING:
    from allocation.study.protocol import Protocol


def effective_moments(
    protocol: Protocol, effective_at: datetime | None, countries: Mapping[str, datetime], now: datetime
) -> dict[str, datetime]:
    """Country -> the moment from which the version counts there; a country that waits for its approval is not among them.

    `countries` are those with moments of their own; the others take `effective_at`. Without it they wait if any country is named, and
    else the version counts from `now`. Raises DomainRefusal for a country that the protocol does not have.
    """
    known = [one.code for one in protocol.countries]
    for country in countries:
        if country not in known:
            raise DomainRefusal(
                f"country {country} is not in version {protocol.study.version} of the protocol",
                code="country-not-in-protocol",
                field="countries",
                fix=f"one of {', '.join(known) or 'none: the protocol has no countries'}",
            )
    others = effective_at if countries else (effective_at or now)
    moments = {country: countries.get(country, others) for country in known}
    return {country: moment for country, moment in moments.items() if moment is not None}
