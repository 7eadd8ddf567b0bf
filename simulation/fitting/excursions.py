"""Temperature excursions as they were recorded: how often, how long their review took, and how often it released the kits."""

from __future__ import annotations

from typing import Any

from allocation.rules.kit_status import Place
from simulation.fitting.day_laws import fit_days
from simulation.fitting.estimate import Estimate, basis_of, event_rate, probability
from simulation.fitting.observed import Observed, SeenExcursion
from simulation.fitting.supplying import law_document, law_rows
from simulation.scenario import DAYS_PER_MONTH, DayLaw

_PRIOR_IN_SHIPMENT, _PRIOR_RELEASED, _PRIOR_PER_SITE_MONTH = 0.01, 0.5, 0.05
_A_DAY = DayLaw(min_days=1)
_GIVEN_UP = 365
"""Days: after that nobody settles an excursion any more; its kits were destroyed or returned without it."""


def fit_excursions(found: Observed) -> tuple[dict[str, Any], list[Estimate]]:
    """The part `excursions` of a scenario, and its estimates: empty where no kit was quarantined because of one.

    An excursion that quarantined nothing, and one of a depot, which scenarios have none of, do not count. One whose kits were settled
    apart counts as released when most of them were.
    """
    seen = [one for one in found.excursions.values() if one.kits and one.kind != Place.DEPOT.value]
    if not seen:
        note = "none is recorded: left at 0. A study that does not record them says nothing of them"
        return {}, [Estimate("excursions", "none", "", 0, "not in a ledger", note=note)]
    received = {one.code for one in found.shipments.values() if one.received_on is not None}
    exposed = {one.place for one in seen if one.place in received}
    in_shipment = probability(
        "excursions.shipment_probability", len(exposed), len(received), _PRIOR_IN_SHIPMENT, "per shipment"
    )
    stored = sum(one.kind == Place.SITE.value for one in seen)
    months = sum((found.as_of - site.opened_on).days for site in found.sites.values()) / DAYS_PER_MONTH
    rate, low, high = event_rate(stored, months, _PRIOR_PER_SITE_MONTH)
    per_month = Estimate(
        "excursions.per_site_month",
        rate if stored else 0.0,
        "per site and month",
        stored,
        basis_of(stored),
        low if stored else 0.0,
        high,
        f"{stored} in {months:.1f} months of sites" + ("" if stored else ": left at 0"),
    )
    settled = [one for one in seen if one.settled_on is not None]
    released = probability(
        "excursions.released_probability",
        sum(2 * one.released > one.settled for one in settled),
        len(settled),
        _PRIOR_RELEASED,
        "per excursion",
    )
    reviews = [_review(found, one) for one in seen]
    given_up = sum(high is None and low > _GIVEN_UP for low, high in reviews)
    review = fit_days((one for one in reviews if one[1] is not None or one[0] <= _GIVEN_UP), lowest=1)
    note = f"{given_up} open for more than {_GIVEN_UP} days, and left out" if given_up else ""
    document = {
        "shipment_probability": round(float(in_shipment.value), 6),
        "per_site_month": round(float(per_month.value), 6),
        "review_days": law_document(review.law if review else _A_DAY),
        "released_probability": round(float(released.value), 6),
    }
    rows = [in_shipment, per_month, *law_rows("excursions.review_days", review, _A_DAY, note), released]
    types = Estimate("excursions.kit_types", "all", "", len(seen), "not in a ledger", note="left as assumed")
    return document, [*rows, types]


def _review(found: Observed, one: SeenExcursion) -> tuple[int, int | None]:
    """Days of the review, from 1; with an open end while nothing is settled."""
    if one.settled_on is None:
        return max((found.as_of - one.recorded_on).days + 1, 1), None
    days = max((one.settled_on - one.recorded_on).days, 1)
    return days, days
