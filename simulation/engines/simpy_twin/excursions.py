"""Temperature excursions: kits go into quarantine at their site, and leave it by the review, for stock or to be destroyed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from allocation.rules.expiry import allowed_on_day
from simulation.engines import events, phases
from simulation.engines import outcomes as out

if TYPE_CHECKING:
    from simulation.engines.simpy_twin.site import Site
    from simulation.engines.simpy_twin.twin import Twin

AFTER_REVIEWS = 1
"""The rank of what is found in storage: what was released today is exposed, too."""


def storage_excursions(twin: Twin, site: Site) -> Any:
    """A Poisson process from the day after the opening of a site: each puts what is in stock there into quarantine."""
    plan, number, elapsed = twin.plan, 0, 0.0
    if plan.excursions.per_day <= 0:
        return
    opened = twin.day
    while True:
        elapsed += twin.draws.days_to_excursion(site.index, number)
        if elapsed >= plan.calendar.days:
            return
        yield twin.until(opened + 1 + int(elapsed), phases.EXCURSIONS, AFTER_REVIEWS)
        exposed = {lot: kits for lot, kits in enumerate(site.stock) if kits > 0 and is_concerned(twin, lot)}
        for lot in exposed:
            site.stock[lot] = 0
        quarantine(twin, site, phases.EXCURSIONS, exposed, twin.draws.review_of(number, in_storage=True))
        number += 1


def is_concerned(twin: Twin, lot: int) -> bool:
    """Whether excursions concern a lot."""
    return bool(twin.plan.excursions.concerned[twin.plan.lots.kit_type[lot]])


def quarantine(twin: Twin, site: Site, phase: int, exposed: dict[int, int], review: int) -> None:
    """Kits (by lot) go into quarantine, where no rule counts them, and their review begins."""
    if not exposed:
        return
    for lot, kits in exposed.items():
        site.quarantine[lot] += kits
        twin.count(out.KITS_QUARANTINED, kits)
        _tell(twin, phase, events.QUARANTINED, site, lot, kits)
    twin.changed.add(site.index)
    twin.environment.process(_review(twin, site, exposed, review))


def _review(twin: Twin, site: Site, exposed: dict[int, int], review: int) -> Any:
    """The decision about the kits of an excursion: released, unless they have expired, or rejected."""
    yield twin.until(twin.day + twin.draws.review_days(site.index, review), phases.EXCURSIONS)
    released = twin.draws.review_releases(site.index, review)
    for lot, kits in exposed.items():
        site.quarantine[lot] -= kits
        if not released:
            twin.count(out.KITS_EXCURSION_REJECTED, kits)
            _tell(twin, phases.EXCURSIONS, events.REJECTED, site, lot, kits)
        elif allowed_on_day(twin.today, int(twin.plan.lots.expiry_ordinal[lot]), 0):
            site.stock[lot] += kits
            _tell(twin, phases.EXCURSIONS, events.RELEASED, site, lot, kits)
        else:
            twin.count(out.KITS_EXPIRED_SITE, kits)
            _tell(twin, phases.EXCURSIONS, events.KITS_EXPIRED, site, lot, kits)


def _tell(twin: Twin, phase: int, kind: int, site: Site, lot: int, kits: int) -> None:
    twin.record(phase, kind, site.index, -1, int(twin.plan.lots.kit_type[lot]), lot, kits)
