"""Shipments and lots as they were seen: dispatch, delay by country with customs holds, losses, damage, arrivals."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import product
from math import inf
from typing import Any, Final

import numpy as np

from allocation.study.parameters import lead_time_days
from simulation.fitting.day_laws import Days, FittedDays, fit_days, log_likelihood, moved_to_monday
from simulation.fitting.estimate import PRIOR_TRIALS, Estimate, basis_of, probability
from simulation.fitting.observed import Observed, SeenLot, SeenShipment
from simulation.scenario import DayLaw

_FEWEST_OF_COUNTRY: Final = 10
"""Receipts that a country needs for a law of its own; the others share one."""
_CLEARLY_BETTER: Final = 3.0
"""Log-likelihood that a law of its own, or customs holds, must gain over the simpler law (beside its parameters, by AIC)."""
_FAR: Final = 3
"""Days beyond all others that make one shipment alone a hold."""
_PRIOR_LOST, _PRIOR_DAMAGED, _PRIOR_HOLD = 0.002, 0.004, 0.01


@dataclass(frozen=True)
class Lane:
    """The fit of one lane: `country` None is every other one, `alone` where no country has its own. `delays`: intervals of days."""

    country: str | None
    law: DayLaw
    hold_probability: float
    hold: DayLaw
    delays: tuple[Days, ...]
    log_likelihood: float
    alone: bool = False


@dataclass(frozen=True)
class FittedSupply:
    """The parts `shipping` and `lots` of a scenario, their estimates, and the lanes for a plot."""

    shipping: dict[str, Any]
    lots: list[dict[str, Any]]
    estimates: list[Estimate]
    lanes: tuple[Lane, ...]
    dispatch: tuple[FittedDays | None, tuple[Days, ...]]


def fit_supply(found: Observed) -> FittedSupply:
    """What the shipments from depots to sites and the lots tell."""
    estimates: list[Estimate] = []
    shipments = list(found.shipments.values())
    dispatch_days = tuple(
        moved_to_monday((one.dispatched_on - one.ordered_on).days, one.dispatched_on)
        for one in shipments
        if one.dispatched_on is not None
    )
    dispatched = fit_days(((max(low, 0), high) for low, high in dispatch_days), lowest=0)
    estimates += law_rows("shipping.dispatch_days", dispatched, DayLaw())
    receipts = [one for one in shipments if one.received_on is not None]
    weekends = sum(one.received_on is not None and one.received_on.weekday() >= 5 for one in receipts)
    weekday_receipt = weekends == 0
    lanes = _lanes(found, weekday_receipt)
    for lane in lanes:
        estimates += _lane_rows(lane)
    lost = sum(one.found.get("lost", 0) == one.kits and one.kits > 0 for one in receipts)
    damaged = sum(one.found.get("damaged", 0) for one in receipts)
    kits = sum(one.kits for one in receipts)
    lost_row = probability("shipping.lost_probability", lost, len(receipts), _PRIOR_LOST, "per shipment")
    damaged_row = probability("shipping.damaged_probability", damaged, kits, _PRIOR_DAMAGED, "per kit")
    estimates += [
        Estimate(
            "shipping.weekday_receipt",
            str(weekday_receipt).lower(),
            "",
            len(receipts),
            basis_of(len(receipts)),
            note=f"{weekends} on weekends",
        ),
        lost_row,
        damaged_row,
        Estimate("shipping.co2_kg_per_shipment", "none", "kg", 0, "not in a ledger", note="give it by depot"),
    ]
    shipping = {
        "dispatch_days": law_document(dispatched.law if dispatched else DayLaw()),
        "lane_delays": [_lane_document(lane) for lane in lanes],
        "weekday_receipt": weekday_receipt,
        "lost_probability": round(float(lost_row.value), 6),
        "damaged_probability": round(float(damaged_row.value), 6),
    }
    lots = [document for lot in found.lots.values() if (document := _lot(lot)) is not None]
    made_known = sum(lot.manufactured_on is not None for lot in found.lots.values())
    estimates.append(
        Estimate(
            "lots",
            f"{len(lots)} lots",
            "",
            sum(sum(lot.arrivals.values()) for lot in found.lots.values()),
            "recorded",
            note=f"kits as they arrived; the day of manufacture is known of {made_known}, else the day before the first arrival",
        )
    )
    return FittedSupply(shipping, lots, estimates, tuple(lanes), (dispatched, dispatch_days))


def law_document(law: DayLaw) -> dict[str, Any]:
    """A law as it stands in a scenario's file."""
    return law.model_dump(exclude_none=True)


def law_rows(path: str, fit: FittedDays | None, default: DayLaw, note: str = "") -> list[Estimate]:
    """The rows of a law: which one it is and its parameters; `default` is what is left without observations."""
    if fit is None:
        why = "no observation: left at the default"
        return [Estimate(path, law_text(default), "days", 0, "prior", note=f"{why}. {note}".strip())]
    n, basis = fit.observations, basis_of(fit.observations)
    still = f"{fit.open} of them without an end: not over yet, or at the protocol's limit" if fit.open else ""
    rows = [
        Estimate(
            path, law_text(fit.law), "days", n, basis, note="; ".join(part for part in (still, note) if part)
        )
    ]
    for name, error in fit.errors.items():
        value = float(getattr(fit.law, name))
        rows.append(
            Estimate(
                f"{path}.{name}",
                value,
                "days" if name == "mean_days" else "",
                n,
                basis,
                max(value - 1.96 * error, 0),
                value + 1.96 * error,
            )
        )
    return rows


def law_text(law: DayLaw) -> str:
    """A law in a few words."""
    if law.law == "fixed":
        return f"always {law.min_days}"
    if law.law == "uniform":
        return f"uniform {law.min_days} to {law.max_days}"
    return f"gamma mean {law.mean_days:.2f}, shape {law.shape:.2f}, from {law.min_days}"


def _delay(found: Observed, one: SeenShipment, weekday_receipt: bool) -> Days | None:
    """Days beyond the lead time; with an open end while the shipment travels. None before its dispatch."""
    site = found.sites.get(one.site)
    if site is None or one.dispatched_on is None:
        return None
    expected = one.dispatched_on + timedelta(
        days=lead_time_days(found.protocol, one.depot, site.country, one.site)
    )
    if one.received_on is None:
        return (found.as_of - expected).days + 1, None
    days = (one.received_on - expected).days
    return moved_to_monday(days, one.received_on) if weekday_receipt else (days, days)


def _lanes(found: Observed, weekday_receipt: bool) -> list[Lane]:
    """The law that all countries share, and one for each country whose receipts are clearly more probable under its own."""
    by_country: dict[str, list[Days]] = defaultdict(list)
    for one in found.shipments.values():
        delay = _delay(found, one, weekday_receipt)
        # What is on its way for less long than a lane may take at its quickest tells nothing.
        if delay is not None and (delay[1] is not None or delay[0] > 0):
            by_country[found.sites[one.site].country].append(delay)
    everywhere = [delay for delays in by_country.values() for delay in delays]
    shared = _lane(None, everywhere)
    if shared is None:
        return [Lane(None, DayLaw(), 0.0, DayLaw(), (), 0.0)]
    own = []
    for country, delays in sorted(by_country.items()):
        alone = (
            _lane(country, delays)
            if sum(high is not None for _, high in delays) >= _FEWEST_OF_COUNTRY
            else None
        )
        parameters = 0 if alone is None else 2 + 3 * (alone.hold_probability > 0)
        if (
            alone is not None
            and alone.log_likelihood > _fit_of(shared, delays) + _CLEARLY_BETTER + parameters
        ):
            own.append((alone, delays))
    taken = {lane.country for lane, _ in own}
    rest = [delay for country, delays in by_country.items() if country not in taken for delay in delays]
    others = _lane(None, rest) or shared
    return [replace(others, alone=not own), *(lane for lane, _ in own)]


def _fit_of(lane: Lane, delays: list[Days]) -> float:
    days, shares = lane_shares(lane.law, lane.hold_probability, lane.hold)
    return log_likelihood(Counter(delays), days, shares)


def lane_shares(law: DayLaw, probability_of_hold: float, hold: DayLaw) -> tuple[Any, Any]:
    """The days of a lane's delay and the probability of each, a hold at customs included."""
    first, last = (
        law.min_days,
        law.max_days if law.law == "uniform" and law.max_days is not None else law.min_days,
    )
    longest = hold.max_days if hold.law == "uniform" and hold.max_days is not None else hold.min_days
    days = np.arange(first, last + longest + 1)
    shares = np.zeros(len(days))
    width = last - first + 1
    shares[:width] += (1 - probability_of_hold) / width
    held = range(hold.min_days, longest + 1)
    for extra in held:
        shares[extra : extra + width] += probability_of_hold / width / len(held)
    return days, shares


def _lane(country: str | None, delays: list[Days]) -> Lane | None:
    """The likeliest uniform delay, with holds at customs where these are clearly likelier."""
    closed = [(low, high) for low, high in delays if high is not None]
    if not closed:
        return None
    counts = Counter(delays)
    first = min(high for _, high in closed)
    last = max(low for low, _ in delays)
    best = (-inf, DayLaw(), 0.0, DayLaw())
    # The main law must hold nine delays in ten; a longer one is a hold.
    main = sorted(low for low, _ in closed)[int(0.9 * (len(closed) - 1))]
    for start in (first - 1, first):
        for until in range(max(main, start), max(last, start) + 1):
            law = (
                DayLaw(law="uniform", min_days=start, max_days=max(until, 0))
                if until > start
                else DayLaw(min_days=start)
            )
            plain = log_likelihood(counts, *lane_shares(law, 0.0, DayLaw()))
            if plain > best[0] + 1e-9:
                best = (plain, law, 0.0, DayLaw())
            longest = last - until
            if longest < 1:
                continue
            held = sum(n for (low, _), n in counts.items() if low > until)
            # One late shipment is a hold only if it is far later than any other.
            if held < 2 and longest < _FAR:
                continue
            for shortest, most in product(range(1, longest + 1), range(longest, last - start + 1)):
                if shortest > most:
                    continue
                hold = DayLaw(law="uniform", min_days=shortest, max_days=most)
                p, fit = _hold_probability(counts, law, hold, held)
                if fit > best[0] + (_CLEARLY_BETTER if best[2] == 0 else 1e-9):
                    best = (fit, law, p, hold)
    return Lane(country, best[1], best[2], best[3], tuple(delays), best[0])


def _hold_probability(counts: Counter[Days], law: DayLaw, hold: DayLaw, held: int) -> tuple[float, float]:
    """The probability of a hold, as what is beyond the main law says, and the log-likelihood with it."""
    width = (law.max_days if law.max_days is not None else law.min_days) - law.min_days + 1
    extras = np.arange(hold.min_days, (hold.max_days or hold.min_days) + 1)
    seen_as_held = float(np.mean(np.minimum(extras, width) / width))
    p = min((held + _PRIOR_HOLD * PRIOR_TRIALS) / (counts.total() + PRIOR_TRIALS) / seen_as_held, 0.5)
    return p, log_likelihood(counts, *lane_shares(law, p, hold))


def _lane_rows(lane: Lane) -> list[Estimate]:
    name = lane.country or "every other"
    n = len(lane.delays)
    path = f"shipping.lane_delays.{name}"
    note = "beyond the protocol's lead time" if n else "no receipt: left at the default"
    rows = [Estimate(f"{path}.days", law_text(lane.law), "days", n, basis_of(n), note=note)]
    if lane.hold_probability:
        last = lane.law.max_days if lane.law.max_days is not None else lane.law.min_days
        beyond = sum(low > last for low, _ in lane.delays)
        row = probability(f"{path}.customs_hold_probability", beyond, n, _PRIOR_HOLD, "per shipment")
        scale = lane.hold_probability / float(row.value)  # for the short holds that do not show
        rows.append(
            Estimate(
                row.path,
                lane.hold_probability,
                row.unit,
                n,
                row.basis,
                (row.low or 0) * scale,
                min((row.high or 0) * scale, 1.0),
                f"{beyond} beyond {last} days; a short hold hides among the others and is allowed for",
            )
        )
        rows.append(
            Estimate(f"{path}.customs_hold_days", law_text(lane.hold), "days", beyond, basis_of(beyond))
        )
    return rows


def _lane_document(lane: Lane) -> dict[str, Any]:
    document: dict[str, Any] = {} if lane.country is None else {"country": lane.country}
    document["days"] = law_document(lane.law)
    if lane.hold_probability:
        document["customs_hold_probability"] = round(lane.hold_probability, 6)
        document["customs_hold_days"] = law_document(lane.hold)
    return document


def _lot(lot: SeenLot) -> dict[str, Any] | None:
    """The lot as a plan; None without kits."""
    arrivals = [
        {"depot": depot, "on": on, "kits": kits}
        for (depot, on), kits in sorted(lot.arrivals.items(), key=lambda one: (one[0][1], one[0][0]))
        if kits > 0
    ]
    if not arrivals:
        return None
    earliest: date = min(on for _, on in lot.arrivals)
    return {
        "code": lot.code,
        "kit_type": lot.kit_type,
        "manufactured_on": min(lot.manufactured_on or earliest - timedelta(days=1), earliest),
        "expires_on": lot.expires_on,
        "released_for": list(lot.released_for),
        "arrivals": arrivals,
    }
