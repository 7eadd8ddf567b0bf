"""One replicate, day by day in the order of phases.py: what the SimPy twin does with processes, as loops over a day's lists."""

from __future__ import annotations

from simulation.engines import events, outcomes, phases
from simulation.engines.compiled.excursions import begin_excursions, excursions
from simulation.engines.compiled.memory import (
    AT_DEPOTS,
    CLOSED,
    FREE_SHIPMENT,
    FULL,
    MONEY,
    ON_STUDY,
    PURPOSES,
)
from simulation.engines.compiled.parts import hot, part
from simulation.engines.compiled.pointers import fill
from simulation.engines.compiled.present import resume
from simulation.engines.compiled.production import begin_production, release_lots
from simulation.engines.compiled.recording import close_day, record, settle
from simulation.engines.compiled.recruitment import open_site, randomizations, screenings, tell_openings
from simulation.engines.compiled.refill_shipments import receive_refills
from simulation.engines.compiled.resupply import review
from simulation.engines.compiled.returns import return_unused
from simulation.engines.compiled.stock import expiries, give_initial_stock, receive
from simulation.engines.compiled.visits import drop_outs, visits
from simulation.engines.draws import SITE_WORDS, mix, replicate_word
from simulation.engines.plan_present import NOT_YET


@part
def play_one(at, ints, floats, words, seed, replicate, weekly):
    """Play a replicate into the memory and `weekly`; stops early where the memory was too small (FULL)."""
    root = replicate_word(seed, replicate)
    begin(at, ints, floats, words, root)
    arrival = 0
    # A range, since a day that begins as the literal 0 has numba compile every function twice.
    for day in range(at.calendar_days):
        arrival = lots(at, ints, day, arrival)
        if at.production_size > 0:
            release_lots(at, ints, day)
        if day == 0 and at.present_there == 0:
            give_initial_stock(at, ints, floats)
        expiries(at, ints, words, day)
        if at.refills_order > 0:
            receive_refills(at, ints, words, day)
        receive(at, ints, floats, words, day)
        if at.excursions_on:
            excursions(at, ints, floats, words, day)
        if at.trace_room > 0:
            tell_openings(at, ints, day)
        screenings(at, ints, floats, words, day)
        randomizations(at, ints, floats, words, day, root)
        visits(at, ints, floats, words, day)
        drop_outs(at, ints, floats, words, day)
        ended = ints[at.level + CLOSED] == 1 and ints[at.level + ON_STUDY] == 0
        if ended:
            return_unused(at, ints, day)
        else:
            review(at, ints, floats, words, day)
        close_day(at, ints, day, weekly, ended)
        if ended or ints[at.level + FULL] != 0:
            break
    settle(at, ints)


@part
def begin(at, ints, floats, words, root):
    """Reset the state, draw when each site opens and how fast it recruits, and enter its first arrival."""
    fill(ints, at.tally, at.subject_site, 0)
    fill(ints, at.arriving, at.arriving + at.calendar_days, -1)
    fill(floats, at.money, at.money + MONEY, 0.0)
    # The calendars of subjects are left empty by the replicate before.
    fill(words, at.site_calendar, at.decision_calendar, 0)
    fill(words, at.changed, at.ordering + at.site_words, 0)
    fill(ints, at.first_subject, at.first_subject + at.site_count, -1)
    fill(ints, at.last_order, at.first_screened + at.site_count, NOT_YET)
    fill(ints, at.on_the_way, at.on_the_way + at.site_count, -1)
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
        if at.present_there == 0:
            open_site(at, ints, floats, words, site)
    if at.present_there:
        resume(at, ints, floats, words)
    if at.production_size > 0:
        begin_production(at, ints, floats, words, root)
    if at.excursions_on:
        begin_excursions(at, ints, floats, words)
    if at.refills_order > 0:
        begin_refills(at, ints, words, root)


@part
def begin_refills(at, ints, words, root):
    """Nothing is on its way to any depot."""
    fill(ints, at.slot_arrives, at.slot_arrives + at.depots * at.refills_slots, -1)
    for ahead in range(at.refills_horizon):
        ints[at.days_ahead + ahead] = ahead
    for depot in range(at.depots):
        of_depot = mix(root + words[at.refills_words + depot])
        for purpose in range(PURPOSES):
            words[at.depot_stream + purpose * at.depots + depot] = mix(of_depot + SITE_WORDS[purpose])


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
