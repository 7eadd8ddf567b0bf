"""Temperature excursions in the kernel: quarantine at receipt and in storage, and the reviews that end it."""

from __future__ import annotations

from allocation.rules.expiry import allowed_on_day
from simulation.engines import events, outcomes, phases
from simulation.engines.compiled.calendars import enter
from simulation.engines.compiled.laws import days_by, happens
from simulation.engines.compiled.memory import AT_SITES, FREE_REVIEW
from simulation.engines.compiled.parts import part
from simulation.engines.compiled.pointers import fill
from simulation.engines.compiled.recording import record
from simulation.engines.draws import (
    REVIEW_DAYS,
    REVIEW_RELEASES,
    REVIEWS,
    SHIPMENT_EXCURSION,
    STORAGE_EXCURSION,
    exponential_gap,
    uniform_at,
)


@part
def begin_excursions(at, ints, floats, words):
    """No review is under way, and the first excursion in storage of each site is drawn."""
    fill(ints, at.reviewing, at.reviewing + at.calendar_days, -1)
    reviews = at.reviews
    for review in range(reviews):
        ints[at.next_review + review] = review + 1 if review + 1 < reviews else -1
    ints[at.level + FREE_REVIEW] = 0
    for site in range(at.site_count):
        floats[at.excursion_time + site] = 0.0
        next_excursion(at, ints, floats, words, site)


@part
def next_excursion(at, ints, floats, words, site):
    """Draw the next excursion in storage at a site, from the day after its opening on."""
    ints[at.coming_excursion + site] = at.calendar_days
    opened = max(ints[at.opened + site], -1)
    if at.excursions_per_day <= 0.0 or opened >= at.calendar_days:
        return
    stream = words[at.stream + STORAGE_EXCURSION * at.site_count + site]
    gap = exponential_gap(uniform_at(stream, ints[at.drawn_excursions + site]))
    ints[at.drawn_excursions + site] += 1
    floats[at.excursion_time + site] += gap / at.excursions_per_day
    if floats[at.excursion_time + site] < at.calendar_days:
        ints[at.coming_excursion + site] = max(opened, 0) + 1 + int(floats[at.excursion_time + site])


@part
def excursions(at, ints, floats, words, day):
    """The reviews that end today, then what is found in storage."""
    review = ints[at.reviewing + day]
    while review >= 0:
        settle_review(at, ints, words, day, review)
        following = ints[at.next_review + review]
        ints[at.next_review + review] = ints[at.level + FREE_REVIEW]
        ints[at.level + FREE_REVIEW] = review
        review = following
    for site in range(at.site_count):
        while ints[at.coming_excursion + site] == day:
            number = ints[at.drawn_excursions + site] - 1
            expose_stock(at, ints, floats, words, day, site, number * REVIEWS + 1)
            next_excursion(at, ints, floats, words, site)


@part
def expose_stock(at, ints, floats, words, day, site, number):
    """What is in stock at a site of the kit types concerned goes into quarantine."""
    held = 0
    for lot in range(at.lots_size):
        kits = ints[at.stock + site * at.lots_size + lot]
        kit_type = ints[at.lots_kit_type + lot]
        if kits > 0 and ints[at.excursions_concerned + kit_type] == 1:
            ints[at.stock + site * at.lots_size + lot] = 0
            held += hold(at, ints, site, lot, kits, held)
            if at.trace_room > 0:
                record(at, ints, day, phases.EXCURSIONS, events.QUARANTINED, site, -1, kit_type, lot, kits)
    if held > 0:
        start_review(at, ints, floats, words, day, site, number)


@part
def is_exposed(at, words, site, sent):
    """Whether the logger of a shipment shows an excursion."""
    return happens(
        at.excursions_in_transit, words[at.stream + SHIPMENT_EXCURSION * at.site_count + site], sent
    )


@part
def hold(at, ints, site, lot, kits, held):
    """Put kits into quarantine, for the review that is about to begin, with `held` kits of it so far; gives how many."""
    contents = at.review_contents + ints[at.level + FREE_REVIEW] * at.lots_size
    if held == 0:
        fill(ints, contents, contents + at.lots_size, 0)
    ints[contents + lot] = kits
    ints[at.quarantine + site * at.lots_size + lot] += kits
    ints[at.tally + outcomes.KITS_QUARANTINED] += kits
    return kits


@part
def start_review(at, ints, floats, words, day, site, number):
    """Begin the review of what is held, and enter it for the day of its end; after the last day it never ends."""
    review = ints[at.level + FREE_REVIEW]
    ints[at.level + FREE_REVIEW] = ints[at.next_review + review]
    ints[at.review_site + review] = site
    ints[at.review_number + review] = number
    enter(words, at.changed, site)
    stream = words[at.stream + REVIEW_DAYS * at.site_count + site]
    ends = day + max(days_by(at, ints, floats, at.excursions_review_law, stream, number), 1)
    if ends < at.calendar_days:
        ints[at.next_review + review] = ints[at.reviewing + ends]
        ints[at.reviewing + ends] = review


@part
def settle_review(at, ints, words, day, review):
    """The kits of an excursion are released, unless they have expired, or rejected."""
    site = ints[at.review_site + review]
    stream = words[at.stream + REVIEW_RELEASES * at.site_count + site]
    released = happens(at.excursions_released, stream, ints[at.review_number + review])
    for lot in range(at.lots_size):
        kits = ints[at.review_contents + review * at.lots_size + lot]
        if kits == 0:
            continue
        ints[at.quarantine + site * at.lots_size + lot] -= kits
        kind = events.RELEASED
        if not released:
            kind = events.REJECTED
            ints[at.tally + outcomes.KITS_EXCURSION_REJECTED] += kits
            ints[at.level + AT_SITES] -= kits
        elif allowed_on_day(at.calendar_first_ordinal + day, ints[at.lots_expiry_ordinal + lot], 0):
            ints[at.stock + site * at.lots_size + lot] += kits
        else:
            kind = events.KITS_EXPIRED
            ints[at.tally + outcomes.KITS_EXPIRED_SITE] += kits
            ints[at.level + AT_SITES] -= kits
        if at.trace_room > 0:
            kit_type = ints[at.lots_kit_type + lot]
            record(at, ints, day, phases.EXCURSIONS, kind, site, -1, kit_type, lot, kits)
