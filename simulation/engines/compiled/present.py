"""A trial that does not begin empty, in the kernel: the memory filled with what is there when day 0 begins (`plan_present.Present`)."""

from __future__ import annotations

from allocation.rules import demand
from allocation.rules.caps import cap_reached
from simulation.engines import outcomes
from simulation.engines.compiled.calendars import enter
from simulation.engines.compiled.laws import days_by, happens
from simulation.engines.compiled.memory import (
    AT_DEPOTS,
    AT_SITES,
    CLOSED,
    CO2,
    COST_OF_KITS,
    COST_OF_SHIPMENTS,
    DECISIONS,
    FREE_SHIPMENT,
    IN_TRANSIT,
    ON_STUDY,
    SUBJECTS,
)
from simulation.engines.compiled.ordering import follow
from simulation.engines.compiled.parts import part
from simulation.engines.compiled.recruitment import next_arrival, open_on, own_rate
from simulation.engines.compiled.visits import enter_for
from simulation.engines.draws import (
    DROP_OUT,
    LANE_DELAY,
    NEVER_OPENS,
    OPENING,
    RATE,
    SCREENING_DAYS,
    VISIT_DAY,
    subject_index,
)
from simulation.engines.plan import NOT_LEAVING, SCOPE_STUDY
from simulation.engines.plan_present import NOT_OPEN


@part
def resume(at, ints, floats, words):
    """Fill the memory with the present state."""
    count_what_was(at, ints, floats)
    lay_out_stock(at, ints)
    for group in range(at.allocation_groups):
        resume_block(at, ints, group)
    for site in range(at.site_count):
        resume_site(at, ints, floats, words, site)
    for subject in range(at.present_subjects):
        resume_subject(at, ints, floats, words, subject)
    for shipment in range(at.present_shipments):
        resume_shipment(at, ints, floats, words, shipment)


@part
def count_what_was(at, ints, floats):
    """The outcomes so far, and how many count toward each cap."""
    for column in range(outcomes.N_OUTCOMES):
        ints[at.tally + column] = int(floats[at.present_so_far + column])
    floats[at.money + COST_OF_KITS] = floats[at.present_so_far + outcomes.COST_KITS]
    floats[at.money + COST_OF_SHIPMENTS] = floats[at.present_so_far + outcomes.COST_SHIPMENTS]
    floats[at.money + CO2] = floats[at.present_so_far + outcomes.CO2_KG]
    for cap in range(at.caps_size):
        ints[at.cap_counts + cap] = ints[at.present_caps_used + cap]
        if ints[at.caps_scope + cap] == SCOPE_STUDY and cap_reached(
            ints[at.cap_counts + cap], ints[at.caps_limit + cap]
        ):
            ints[at.level + CLOSED] = 1


@part
def lay_out_stock(at, ints):
    """What is at depots and sites, by lot."""
    for place in range(at.depots * at.lots_size):
        ints[at.depot_stock + place] = ints[at.present_depot_stock + place]
        ints[at.level + AT_DEPOTS] += ints[at.present_depot_stock + place]
    for place in range(at.site_count * at.lots_size):
        ints[at.stock + place] = ints[at.present_stock + place]
        ints[at.level + AT_SITES] += ints[at.present_stock + place]


@part
def resume_block(at, ints, group):
    """The open block of a group."""
    ints[at.allocated + group] = ints[at.present_allocated + group]
    ints[at.block_size + group] = ints[at.present_block_size + group]
    left = ints[at.present_block_size + group]
    arms = at.allocation_arm_count
    for arm in range(arms):
        taken = ints[at.present_taken + group * arms + arm]
        ints[at.taken + group * arms + arm] = taken
        left -= taken
    ints[at.block_left + group] = left


@part
def resume_site(at, ints, floats, words, site):
    """A site that is open goes on; one that is not opens by what is left of the law of its opening."""
    ints[at.subjects_of + site] = ints[at.present_screened + site]
    ints[at.arrivals + site] = ints[at.present_screened + site]
    ints[at.last_order + site] = ints[at.present_last_order + site]
    if ints[at.present_screened + site] > 0:
        ints[at.first_screened + site] = -1
    opened = ints[at.present_opened + site]
    if opened == NOT_OPEN:
        never = floats[at.present_never_opens + site]
        if happens(never, words[at.stream + NEVER_OPENS * at.site_count + site], 0):
            opened = at.calendar_days
        else:
            law, stream = (
                ints[at.present_opening_law + site],
                words[at.stream + OPENING * at.site_count + site],
            )
            opened = min(days_by(at, ints, floats, law, stream, 0), at.calendar_days)
        open_on(at, ints, floats, words, site, opened)
        return
    ints[at.opened + site] = opened
    ints[at.since + site] = ints[at.present_since + site]
    floats[at.base + site] = floats[at.present_base + site]
    floats[at.slope + site] = floats[at.present_slope + site]
    floats[at.operational + site] = floats[at.present_operational + site]
    stream = words[at.stream + RATE * at.site_count + site]
    floats[at.own_rate + site] = floats[at.present_rate + site] * own_rate(
        floats[at.present_shape + site], stream
    )
    next_arrival(at, ints, floats, words, site)


@part
def resume_subject(at, ints, floats, words, subject):
    """Enter a subject for the day of its decision, or of its next visit, or on which it leaves before."""
    site, number = ints[at.present_site + subject], ints[at.present_number + subject]
    arm, visit = ints[at.present_arm + subject], ints[at.present_visit + subject]
    ints[at.level + SUBJECTS] += 1
    ints[at.level + ON_STUDY] += 1
    ints[at.subject_site + subject] = site
    ints[at.subject_number + subject] = number
    ints[at.subject_arm + subject] = arm
    ints[at.subject_visit + subject] = visit
    ints[at.subject_day0 + subject] = ints[at.present_day0 + subject]
    ints[at.subject_level + subject] = ints[at.present_level + subject]
    ints[at.subject_state + subject] = demand.SCREENED if arm < 0 else demand.RANDOMIZED
    ints[at.subject_next + subject] = ints[at.first_subject + site]
    ints[at.first_subject + site] = subject
    ints[at.subject_skipped + subject] = ints[at.present_skipped + subject]
    ints[at.subject_titrated + subject] = ints[at.present_titrated + subject]
    ints[at.subject_replaces + subject] = -1
    law = ints[at.present_law + subject]
    if arm < 0:
        stream = words[at.stream + SCREENING_DAYS * at.site_count + site]
        ends = days_by(at, ints, floats, law, stream, number)
        ints[at.subject_last_try + subject] = ends + at.arm_supply_wait_days
        if ends < at.calendar_days:
            ints[at.level + DECISIONS] += 1
            enter(words, at.decision_calendar + ends * at.subject_words, subject)
        return
    ints[at.active_subjects + site] += 1
    leaving = ints[at.present_leaving_law + subject]
    ints[at.subject_leaves + subject] = at.calendar_days
    if leaving != NOT_LEAVING:
        stream = words[at.stream + DROP_OUT * at.site_count + site]
        ints[at.subject_leaves + subject] = days_by(at, ints, floats, leaving, stream, number)
    stream = words[at.stream + VISIT_DAY * at.site_count + site]
    coming = days_by(at, ints, floats, law, stream, subject_index(number, visit))
    enter_for(at, ints, words, 0, subject, coming)


@part
def resume_shipment(at, ints, floats, words, index):
    """Put a shipment on its way. What would arrive after the last day stays in transit."""
    site, sent = ints[at.present_shipment_site + index], ints[at.present_shipment_index + index]
    shipment = ints[at.level + FREE_SHIPMENT]
    ints[at.level + FREE_SHIPMENT] = ints[at.next_shipment + shipment]
    for lot in range(at.lots_size):
        kits = ints[at.present_contents + index * at.lots_size + lot]
        ints[at.contents + shipment * at.lots_size + lot] = kits
        ints[at.ordered + site * at.kits_size + ints[at.lots_kit_type + lot]] += kits
        ints[at.level + IN_TRANSIT] += kits
    ints[at.shipment_site + shipment] = site
    ints[at.shipment_day + shipment] = sent
    stream = words[at.stream + LANE_DELAY * at.site_count + site]
    arrives = days_by(at, ints, floats, ints[at.present_shipment_law + index], stream, sent)
    if at.ordering_statuses:
        leaves = -1 if ints[at.present_shipment_left + index] == 1 else arrives
        follow(at, ints, site, shipment, -1, leaves)
    if arrives < at.calendar_days:
        ints[at.next_shipment + shipment] = ints[at.arriving + arrives]
        ints[at.arriving + arrives] = shipment
