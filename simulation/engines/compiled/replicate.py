"""One replicate, day by day in the order of phases.py: what the SimPy twin does with processes, as loops over a day's lists."""

from __future__ import annotations

from allocation.rules.caps import cap_reached
from allocation.rules.restricted.fixed_totals import arm_of_block
from simulation.engines import events, outcomes, phases
from simulation.engines.compiled.calendars import enter, lowest, without_lowest
from simulation.engines.compiled.laws import days_by
from simulation.engines.compiled.memory import (
    AT_DEPOTS,
    CLOSED,
    FREE_SHIPMENT,
    FULL,
    MONEY,
    ON_STUDY,
    PURPOSES,
    SUBJECTS,
)
from simulation.engines.compiled.parts import hot, part
from simulation.engines.compiled.pointers import fill, view
from simulation.engines.compiled.recording import close_day, record, settle
from simulation.engines.compiled.stock import dispense, give_initial_stock, receive, review
from simulation.engines.draws import (
    ALLOCATION_WORD,
    ARRIVAL,
    OPENING,
    RATE,
    RATE_DRAWS,
    SITE_WORDS,
    TRIAL_WORD,
    VISIT_DAY,
    VISIT_DROP_OUT,
    exponential_gap,
    gamma_attempt,
    mix,
    replicate_word,
    stream_word,
    subject_index,
    uniform_at,
)


@part
def play_one(at, ints, floats, words, seed, replicate, weekly):
    """Play a replicate into the memory and `weekly`; stops early where the memory was too small (FULL)."""
    root = replicate_word(seed, replicate)
    begin(at, ints, floats, words, root)
    list_stream = stream_word(root, TRIAL_WORD, ALLOCATION_WORD)
    arrival = 0
    day = 0
    while day < at.calendar_days:
        arrival = lots(at, ints, day, arrival)
        if day == 0:
            give_initial_stock(at, ints, floats)
        receive(at, ints, day)
        screenings(at, ints, floats, words, day, list_stream)
        visits(at, ints, floats, words, day)
        review(at, ints, floats, words, day)
        ended = ints[at.level + CLOSED] == 1 and ints[at.level + ON_STUDY] == 0
        close_day(at, ints, day, weekly, ended)
        if ended or ints[at.level + FULL] != 0:
            break
        day += 1
    settle(at, ints)


@part
def begin(at, ints, floats, words, root):
    """Reset the state, draw when each site opens and how fast it recruits, and enter its first arrival."""
    fill(ints, at.tally, at.subject_site, 0)
    fill(ints, at.arriving, at.arriving + at.calendar_days, -1)
    fill(floats, at.money, at.money + MONEY, 0.0)
    fill(words, at.site_calendar, at.changed + at.site_words, 0)
    ints[at.tally + outcomes.DAY_LAST_RANDOMIZED] = -1
    ints[at.tally + outcomes.DAY_LAST_VISIT] = -1
    shipments = at.shipments
    for shipment in range(shipments):
        ints[at.next_shipment + shipment] = shipment + 1 if shipment + 1 < shipments else -1
    ints[at.level + FREE_SHIPMENT] = 0
    for site in range(at.site_count):
        of_site = root + words[at.sites_words + site]
        of_site = mix(of_site)
        for purpose in range(PURPOSES):
            words[at.stream + purpose * at.site_count + site] = mix(of_site + SITE_WORDS[purpose])
        law = at.sites_opening_law
        delay = days_by(at, ints, floats, law, words[at.stream + OPENING * at.site_count + site], 0)
        ints[at.opened + site] = max(ints[at.sites_planned_day + site] + delay, 0)
        floats[at.own_rate + site] = floats[at.sites_rate + site] * own_rate(
            at, words[at.stream + RATE * at.site_count + site]
        )
        floats[at.operational + site] = 0.0
        next_arrival(at, ints, floats, words, site)


@hot
def own_rate(at, stream):
    """A site's rate by the mean: a gamma number of mean 1, or 1 without a shape."""
    shape = at.sites_gamma_shape
    if shape <= 0.0:
        return 1.0
    attempt = 0
    while True:
        first = attempt * RATE_DRAWS
        drawn = gamma_attempt(
            shape,
            uniform_at(stream, first),
            uniform_at(stream, first + 1),
            uniform_at(stream, first + 2),
            uniform_at(stream, first + 3),
        )
        if drawn >= 0.0:
            return drawn / shape
        attempt += 1


@hot
def next_arrival(at, ints, floats, words, site):
    """Draw the next arrival at a site, and enter it if it comes before the end."""
    gap = exponential_gap(
        uniform_at(words[at.stream + ARRIVAL * at.site_count + site], ints[at.arrivals + site])
    )
    ints[at.arrivals + site] += 1
    floats[at.operational + site] += gap
    after = (
        floats[at.operational + site] / floats[at.own_rate + site]
        if floats[at.own_rate + site] > 0.0
        else 1e18
    )
    day = at.calendar_days
    if after < at.calendar_days:
        day = ints[at.opened + site] + int(after)
    ints[at.next_arrival + site] = day
    if day < at.calendar_days:
        enter(words, at.site_calendar + day * at.site_words, site)


@hot
def lots(at, ints, day, arrival):
    """Lots that arrive today; gives the next arrival."""
    while arrival < at.arrival_count and ints[at.lots_arrival_day + arrival] <= day:
        lot, depot = ints[at.lots_arrival_lot + arrival], ints[at.lots_arrival_depot + arrival]
        kits = ints[at.lots_arrival_kits + arrival]
        ints[at.depot_stock + depot * at.lots_size + lot] += kits
        ints[at.level + AT_DEPOTS] += kits
        ints[at.tally + outcomes.KITS_PRODUCED] += kits
        if at.trace_room > 0:
            record(
                at,
                ints,
                day,
                phases.LOTS,
                events.LOT_ARRIVED,
                -2 - depot,
                -1,
                ints[at.lots_kit_type + lot],
                lot,
                kits,
            )
        arrival += 1
    return arrival


@hot
def screenings(at, ints, floats, words, day, list_stream):
    """Who comes today, by site; without a screening period they are randomized, and have their first visit, on the same day."""
    row = at.site_calendar + day * at.site_words
    for place in range(at.site_words):
        word = words[row + place]
        while word != 0:
            site = place * 64 + lowest(word)
            word = without_lowest(word)
            while ints[at.next_arrival + site] == day:
                if ints[at.level + CLOSED] == 1:
                    break
                next_arrival(at, ints, floats, words, site)
                screen(at, ints, words, day, site, list_stream)
        words[row + place] = 0


@hot
def screen(at, ints, words, day, site, list_stream):
    """One subject is screened and randomized."""
    subject = ints[at.level + SUBJECTS]
    if subject >= at.capacity:
        ints[at.level + FULL] = 1
        ints[at.level + CLOSED] = 1
        return
    ints[at.level + SUBJECTS] += 1
    ints[at.subject_site + subject] = site
    ints[at.subject_number + subject] = ints[at.subjects_of + site]
    ints[at.subjects_of + site] += 1
    ints[at.tally + outcomes.SCREENED] += 1
    size = ints[at.subjects_block_sizes + 0]
    allocated = ints[at.taken + at.arms]
    uniform = uniform_at(list_stream, allocated)
    arm = arm_of_block(
        view(ints, at.taken, at.arms),
        view(ints, at.subjects_ratio, at.arms),
        size,
        uniform,
    )
    ints[at.taken + arm] += 1
    ints[at.taken + at.arms] += 1
    if (allocated + 1) % size == 0:
        fill(ints, at.taken, at.taken + at.arms, 0)
    ints[at.subject_arm + subject] = arm
    ints[at.subject_visit + subject] = 0
    ints[at.subject_day0 + subject] = day
    ints[at.tally + outcomes.RANDOMIZED] += 1
    ints[at.tally + outcomes.DAY_LAST_RANDOMIZED] = day
    ints[at.level + ON_STUDY] += 1
    enter(words, at.visit_calendar + day * at.subject_words, subject)
    if at.subjects_cap >= 0 and cap_reached(ints[at.tally + outcomes.RANDOMIZED], at.subjects_cap):
        ints[at.level + CLOSED] = 1
    if at.trace_room > 0:
        record(at, ints, day, phases.SCREENINGS, events.SCREENED, site, subject, -1, -1, 1)
        record(at, ints, day, phases.RANDOMIZATIONS, events.RANDOMIZED, site, subject, -1, -1, arm)


@hot
def visits(at, ints, floats, words, day):
    """The visits of today, by subject."""
    row = at.visit_calendar + day * at.subject_words
    for place in range((ints[at.level + SUBJECTS] + 63) >> 6):
        word = words[row + place]
        if word == 0:
            continue
        words[row + place] = 0
        while word != 0:
            subject = place * 64 + lowest(word)
            word = without_lowest(word)
            visit_of(at, ints, floats, words, day, subject)


@hot
def visit_of(at, ints, floats, words, day, subject):
    """A visit takes place; then the subject has completed, drops out, or is entered for the next one."""
    site, visit = ints[at.subject_site + subject], ints[at.subject_visit + subject]
    ints[at.tally + outcomes.VISITS] += 1
    ints[at.tally + outcomes.DAY_LAST_VISIT] = day
    if at.trace_room > 0:
        record(at, ints, day, phases.VISITS, events.VISITED, site, subject, -1, -1, visit)
    dispense(at, ints, words, day, subject, site, visit)
    visit += 1
    if visit == at.visits_size:
        ints[at.tally + outcomes.COMPLETED] += 1
        ints[at.level + ON_STUDY] -= 1
        if at.trace_room > 0:
            record(at, ints, day, phases.VISITS, events.COMPLETED, site, subject, -1, -1, 1)
        return
    index = subject_index(ints[at.subject_number + subject], visit)
    chance = at.subjects_per_visit_drop_out
    if chance > 0.0 and (
        chance >= 1.0 or uniform_at(words[at.stream + VISIT_DROP_OUT * at.site_count + site], index) < chance
    ):
        ints[at.tally + outcomes.DISCONTINUED] += 1
        ints[at.level + ON_STUDY] -= 1
        if at.trace_room > 0:
            record(at, ints, day, phases.DROP_OUTS, events.DISCONTINUED, site, subject, -1, -1, 1)
        return
    ints[at.subject_visit + subject] = visit
    law = ints[at.visits_day_law + visit]
    moved = days_by(at, ints, floats, law, words[at.stream + VISIT_DAY * at.site_count + site], index)
    coming = max(ints[at.subject_day0 + subject] + ints[at.visits_target + visit] + moved, day + 1)
    if coming < at.calendar_days:
        enter(words, at.visit_calendar + coming * at.subject_words, subject)
