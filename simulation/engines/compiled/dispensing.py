"""What is handed out at a visit in the kernel: the dose, the kits that are due, all of them or none, earliest expiry first."""

from __future__ import annotations

from allocation.rules.compilable import NO_DAY
from allocation.rules.dosing import NO_FORCED_STEP, forced_step, titration_step
from simulation.engines import events, outcomes, phases
from simulation.engines.compiled.calendars import enter
from simulation.engines.compiled.laws import happens
from simulation.engines.compiled.memory import AT_SITES, UNSERVED
from simulation.engines.compiled.ordering import lines_on_level
from simulation.engines.compiled.parts import hot, part
from simulation.engines.compiled.recording import record
from simulation.engines.compiled.refill_shipments import coming_to_depot
from simulation.engines.compiled.stock import shippable, usable
from simulation.engines.draws import (
    KIT_REPLACED,
    KITS_PER_VISIT,
    TITRATION,
    place_in,
    subject_index,
    uniform_at,
)


@part
def titrated_level(at, ints, floats, words, subject, site, visit):
    """The dose level after what the site asks for at a visit, or must do first; what the limits forbid maintains it."""
    arm, level = ints[at.subject_arm + subject], ints[at.subject_level + subject]
    forced = forced_step(ints[at.subject_titrated + subject] == 0, ints[at.doses_forced_first + visit])
    step = forced
    if forced == NO_FORCED_STEP:
        index = subject_index(ints[at.subject_number + subject], visit)
        u = uniform_at(words[at.stream + TITRATION * at.site_count + site], index)
        step = 1 - place_in(floats, at.doses_moves + 4 * (arm * at.doses_levels + level), 3, u)
    moved, _ = titration_step(
        level,
        step,
        ints[at.doses_lowest + visit],
        ints[at.doses_highest + visit],
        ints[at.doses_max_steps + visit],
        forced,
    )
    return moved


@hot
def dispense(at, ints, floats, words, day, subject, site, visit):
    """Hand out what is due at a visit, all of it or nothing. A dose moves only where its kits are there."""
    arm, level = ints[at.subject_arm + subject], ints[at.subject_level + subject]
    if ints[at.doses_titrated + visit] == 1:
        level = titrated_level(at, ints, floats, words, subject, site, visit)
    lines = lines_on_level(at, arm, level) + visit
    first, last = ints[lines], ints[lines + 1]
    if first == last:
        return
    today = at.calendar_first_ordinal + day
    country = ints[at.sites_country + site]
    needed_until = NO_DAY
    if ints[at.visits_needed_until + visit] >= 0:
        needed_until = (
            at.calendar_first_ordinal + ints[at.subject_day0 + subject] + ints[at.visits_needed_until + visit]
        )
    missing = -1
    for line in range(first, last):
        kit_type = ints[at.visits_line_kit_type + line]
        wanted = ints[at.visits_line_quantity + line]
        until = needed_until if ints[at.kits_stays_valid + kit_type] == 1 else NO_DAY
        for lot in range(ints[at.kits_lot_start + kit_type], ints[at.kits_lot_start + kit_type + 1]):
            kits = ints[at.stock + site * at.lots_size + lot]
            wanted -= usable(at, ints, kits, lot, country, ints[at.kits_dnd_days + kit_type], today, until)
        if wanted > 0:
            missing = kit_type
    if missing >= 0:
        miss(at, ints, day, subject, site, missing, today)
        return
    for line in range(first, last):
        kit_type = ints[at.visits_line_kit_type + line]
        wanted = ints[at.visits_line_quantity + line]
        until = needed_until if ints[at.kits_stays_valid + kit_type] == 1 else NO_DAY
        hand_out(at, ints, day, subject, site, kit_type, wanted, until, False)
    ints[at.subject_level + subject] = level
    ints[at.subject_titrated + subject] |= ints[at.doses_titrated + visit]
    enter(words, at.changed, site)
    if at.replacing_kit_probability > 0.0:
        replace_kits(at, ints, words, day, subject, site, visit, first, last, needed_until)


@hot
def hand_out(at, ints, day, subject, site, kit_type, wanted, until, replaces):
    """Hand out up to `wanted` kits of a type, earliest expiry first; `replaces`: for kits that the subject lost."""
    today, country = at.calendar_first_ordinal + day, ints[at.sites_country + site]
    for lot in range(ints[at.kits_lot_start + kit_type], ints[at.kits_lot_start + kit_type + 1]):
        kits = ints[at.stock + site * at.lots_size + lot]
        there = usable(at, ints, kits, lot, country, ints[at.kits_dnd_days + kit_type], today, until)
        take = min(there, wanted)
        if take > 0:
            wanted -= take
            ints[at.stock + site * at.lots_size + lot] -= take
            ints[at.level + AT_SITES] -= take
            ints[at.tally + outcomes.KITS_DISPENSED] += take
            if at.trace_room > 0:
                record(at, ints, day, phases.VISITS, events.DISPENSED, site, subject, kit_type, lot, take)
            if replaces:
                ints[at.tally + outcomes.KITS_REPLACED] += take
                if at.trace_room > 0:
                    kind = events.KIT_REPLACED
                    record(at, ints, day, phases.VISITS, kind, site, subject, kit_type, lot, take)


@part
def replace_kits(at, ints, words, day, subject, site, visit, first, last, needed_until):
    """Kits of the visit that the subject loses or damages are replaced on the same day, as far as the site has others."""
    index = subject_index(ints[at.subject_number + subject], visit) * KITS_PER_VISIT
    stream = words[at.stream + KIT_REPLACED * at.site_count + site]
    for line in range(first, last):
        kit_type = ints[at.visits_line_kit_type + line]
        wanted = 0
        for _ in range(ints[at.visits_line_quantity + line]):
            if happens(at.replacing_kit_probability, stream, index):
                wanted += 1
            index += 1
        until = needed_until if ints[at.kits_stays_valid + kit_type] == 1 else NO_DAY
        hand_out(at, ints, day, subject, site, kit_type, wanted, until, True)


@part
def kits_above(at, ints, day, depot, kit_type, country):
    """Kits of a type that may still come to a depot: on their way there, at the depot that refills it, and so on up the chain."""
    kits = 0
    while True:
        kits += coming_to_depot(at, ints, day, depot, kit_type)
        depot = ints[at.refills_supplier + depot]
        if depot < 0:
            return kits
        for lot in range(ints[at.kits_lot_start + kit_type], ints[at.kits_lot_start + kit_type + 1]):
            today = at.calendar_first_ordinal + day
            kits += shippable(at, ints, depot, kit_type, lot, country, today)


@part
def miss(at, ints, day, subject, site, kit_type, today):
    """A kit that was due is not there: missed while there are kits upstream, else out of stock."""
    ints[at.level + UNSERVED] = subject + 1
    upstream = ints[at.ordered + site * at.kits_size + kit_type]
    depot, country = ints[at.sites_depot + site], ints[at.sites_country + site]
    for lot in range(ints[at.kits_lot_start + kit_type], ints[at.kits_lot_start + kit_type + 1]):
        upstream += shippable(at, ints, depot, kit_type, lot, country, today)
    if at.refills_order > 0:
        upstream += kits_above(at, ints, day, depot, kit_type, country)
    if upstream > 0:
        ints[at.tally + outcomes.MISSED_DISPENSINGS] += 1
    else:
        ints[at.tally + outcomes.OUT_OF_STOCK] += 1
    if at.trace_room > 0:
        there = 1 if upstream > 0 else 0
        record(at, ints, day, phases.VISITS, events.NOT_DISPENSED, site, subject, kit_type, -1, there)
