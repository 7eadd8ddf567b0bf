"""Resupply in the kernel: which sites are looked at, what they are to get, and what is sent."""

from __future__ import annotations

from allocation.rules.order_assembly import needed_kits, ordered_kits
from allocation.rules.resupply import due_in_window, resupply_quantity
from simulation.engines import events, phases
from simulation.engines.compiled.buffers import band
from simulation.engines.compiled.calendars import enter, without_lowest
from simulation.engines.compiled.memory import FREE_SHIPMENT
from simulation.engines.compiled.ordering import (
    begins_today,
    is_demand,
    is_paused,
    is_unseeded,
    lines_by_schedule,
    lines_on_level,
    pick_order,
    seed,
    site_inventory,
    waits_for_later,
)
from simulation.engines.compiled.parts import hot, part
from simulation.engines.compiled.pointers import fill, lowest, view
from simulation.engines.compiled.recording import record
from simulation.engines.compiled.refills import plan_refills, refill
from simulation.engines.compiled.shortage import share_shortages
from simulation.engines.compiled.stock import send, take_from_depot


@hot
def review(at, ints, floats, words, day):
    """The run over every open site, or the review of the sites whose stock fell today; sites that opened today are seeded."""
    found = 0
    if at.refills_order > 0 and ints[at.resupply_run + day] == 1:
        found += plan_refills(at, ints, day)
    if ints[at.resupply_run + day] == 1:
        for site in range(at.site_count):
            if ints[at.opened + site] <= day:
                found += plan_site(at, ints, words, day, site)
        fill(words, at.changed, at.changed + at.site_words, 0)
    else:
        for place in range(at.site_words):
            word = words[at.changed + place]
            words[at.changed + place] = 0
            while word != 0:
                site = place * 64 + lowest(word)
                word = without_lowest(word)
                if at.resupply_on_event or begins_today(at, ints, day, site):
                    found += plan_site(at, ints, words, day, site)
    if found == 0:
        return
    if at.resupply_fair_share:
        share_shortages(at, ints, words, day)
    for place in range(at.site_words):
        word = words[at.ordering + place]
        words[at.ordering + place] = 0
        while word != 0:
            site = place * 64 + lowest(word)
            word = without_lowest(word)
            ship(at, ints, floats, words, day, site)
    if at.refills_order > 0 and ints[at.resupply_run + day] == 1:
        refill(at, ints, floats, words, day)


@part
def plan_site(at, ints, words, day, site):
    """Fill `wanted` with what a site is to get of each kit type; 1 where that is anything."""
    place = (ints[at.resupply_period + day] * at.site_count + site) * at.kits_size
    seeding = is_unseeded(at, ints, site)
    if seeding:
        seed(at, ints, site, place)
    elif not needed_at(at, ints, day, site, place):
        return 0
    total = ordered_kits(
        view(ints, at.needed, at.kits_size),
        view(ints, at.kits_block_size, at.kits_size),
        view(ints, at.ordering_group + place, at.kits_size),
        view(ints, at.kits_several, at.kits_size),
        at.resupply_single_type != 0,
        at.resupply_single_kit != 0,
        view(ints, at.wanted + site * at.kits_size, at.kits_size),
        view(ints, at.raised, at.kits_size),
    )
    if total == 0:
        return 0
    if at.ordering_limits and not seeding and waits_for_later(at, ints, day, site, place, total):
        return 0
    enter(words, at.ordering, site)
    return 1


@hot
def needed_at(at, ints, day, site, place):
    """Fill `needed` with what the thresholds ask for; whether any is reached."""
    if at.resupply_windows:
        project(at, ints, day, site, place)
    any_triggered = False
    for kit_type in range(at.kits_size):
        if is_paused(at, ints, place + kit_type):
            continue
        if threshold(at, ints, day, site, kit_type, place + kit_type)[0]:
            any_triggered = True
    if not any_triggered:
        return False
    for kit_type in range(at.kits_size):
        ints[at.needed + kit_type] = 0
        if is_paused(at, ints, place + kit_type):
            continue
        _, quantity, top_up = threshold(at, ints, day, site, kit_type, place + kit_type)
        ints[at.needed + kit_type] = needed_kits(True, quantity, top_up, at.resupply_consolidation)
    return True


@hot
def threshold(at, ints, day, site, kit_type, held):
    """Whether the site is resupplied with a kit type, with how many, and what would bring it to its up-to level."""
    sai = site_inventory(at, ints, day, site, kit_type)
    ints[at.inventory + kit_type] = sai
    min_buffer, max_buffer = ints[at.resupply_min_buffer + held], ints[at.resupply_max_buffer + held]
    if at.bands_any:
        place = band(at, ints, site, held)
        if place >= 0:
            min_buffer, max_buffer = ints[at.bands_min_buffer + place], ints[at.bands_max_buffer + place]
    triggered, _, up_to, quantity = resupply_quantity(
        sai,
        ints[at.due + kit_type],
        ints[at.due + at.kits_size + kit_type],
        ints[at.due + 2 * at.kits_size + kit_type],
        min_buffer,
        max_buffer,
        ints[at.resupply_trigger + held],
        ints[at.resupply_long_window_from + held],
    )
    return triggered, quantity, max(up_to - sai, 0)


@part
def project(at, ints, day, site, place):
    """Fill `due` with the kits that the site's subjects are projected to need: in the short, the long, and the window after the short."""
    fill(ints, at.due, at.due + 3 * at.kits_size, 0)
    subject = ints[at.first_subject + site]
    while subject >= 0:
        if is_demand(at, ints, day, subject):
            project_subject(at, ints, day, subject, place)
        subject = ints[at.subject_next + subject]


@hot
def project_subject(at, ints, day, subject, place):
    """Add the planned visits of a subject, each on the day on which its window opens."""
    arm = ints[at.subject_arm + subject]
    lines = lines_on_level(at, arm, ints[at.subject_level + subject])
    for visit in range(ints[at.subject_visit + subject], at.visits_size):
        lines = lines_by_schedule(at, ints, arm, visit, lines)
        offset = ints[at.subject_day0 + subject] + ints[at.visits_opens + visit] - day
        for line in range(ints[lines + visit], ints[lines + visit + 1]):
            kit_type, quantity = ints[at.visits_line_kit_type + line], ints[at.visits_line_quantity + line]
            short = ints[at.resupply_short_window + place + kit_type]
            long = ints[at.resupply_long_window + place + kit_type]
            if due_in_window(offset, 0, short):
                ints[at.due + kit_type] += quantity
            if due_in_window(offset, 0, long):
                ints[at.due + at.kits_size + kit_type] += quantity
            if due_in_window(offset, short, short + long):
                ints[at.due + 2 * at.kits_size + kit_type] += quantity


@part
def ship(at, ints, floats, words, day, site):
    """Take what a site is to get from its depot, as far as that has it, and send it."""
    shipment = ints[at.level + FREE_SHIPMENT]
    if at.ordering_picks:
        pick_order(at, ints, day, site)
    shipped = 0
    for kit_type in range(at.kits_size):
        wanted = ints[at.wanted + site * at.kits_size + kit_type]
        for lot in range(ints[at.kits_lot_start + kit_type], ints[at.kits_lot_start + kit_type + 1]):
            if at.ordering_picks:
                wanted = ints[at.picked + lot]
            take = take_from_depot(at, ints, floats, site, kit_type, lot, wanted, day)
            ints[at.contents + shipment * at.lots_size + lot] = take
            wanted -= take
            shipped += take
            ints[at.ordered + site * at.kits_size + kit_type] += take
            if at.trace_room > 0 and take > 0:
                record(at, ints, day, phases.RESUPPLY, events.ORDERED, site, -1, kit_type, lot, take)
    if shipped > 0:
        ints[at.last_order + site] = day
        send(at, ints, floats, words, day, site, shipment, shipped)
