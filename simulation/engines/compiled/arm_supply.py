"""What a site could supply at a randomization, in the kernel: supply gates, forced randomization and its caps, and who is turned away."""

from __future__ import annotations

from allocation.rules import demand
from allocation.rules.caps import cap_reached
from allocation.rules.compilable import NO_DAY
from allocation.rules.forced import NONE, REFUSED
from allocation.rules.supply_gates import keeps_gate_closed
from simulation.engines import events, outcomes, phases
from simulation.engines.calendar_days import weekday_after
from simulation.engines.compiled.calendars import enter
from simulation.engines.compiled.cap_scopes import is_within
from simulation.engines.compiled.memory import DECISIONS, ON_STUDY
from simulation.engines.compiled.parts import hot, part
from simulation.engines.compiled.recording import record
from simulation.engines.compiled.stock import usable


@part
def kits_there(at, ints, day, site, kit_type):
    """Kits of a type that the site may hand out today."""
    today, country, kits = at.calendar_first_ordinal + day, ints[at.sites_country + site], 0
    for lot in range(ints[at.kits_lot_start + kit_type], ints[at.kits_lot_start + kit_type + 1]):
        stock = ints[at.stock + site * at.lots_size + lot]
        kits += usable(at, ints, stock, lot, country, ints[at.kits_dnd_days + kit_type], today, NO_DAY)
    return kits


@part
def gate_closed(at, ints, day, site):
    """Whether the site lacks what the gate asks for."""
    closed = False
    for kit_type in range(at.kits_size):
        asked = ints[at.arm_supply_asked + kit_type]
        if asked > 0:
            there = kits_there(at, ints, day, site, kit_type) >= asked
            if keeps_gate_closed(at.arm_supply_gate, there, ints[at.arm_supply_chosen + kit_type] == 1):
                closed = True
    return closed


@part
def look_at_arms(at, ints, day, site):
    """Fill in `arm_there`, whether each arm can be supplied; gives how many can."""
    suppliable = 0
    for arm in range(at.allocation_arm_count):
        there = 1
        for line in range(ints[at.arm_supply_needed_start + arm], ints[at.arm_supply_needed_start + arm + 1]):
            kit_type = ints[at.arm_supply_needed_kit_type + line]
            if kits_there(at, ints, day, site, kit_type) < ints[at.arm_supply_needed_kits + line]:
                there = 0
        ints[at.arm_there + arm] = there
        suppliable += there
    return suppliable


@part
def take_arm(at, ints, day, site, arm):
    """The arm of the subject who is replaced, or REFUSED: the gate is asked as for anybody, and where the event forces, the arm's kits."""
    if not at.arm_supply_looked_at:
        return arm
    if gate_closed(at, ints, day, site):
        return REFUSED
    ints[at.scheduled] = arm
    look_at_arms(at, ints, day, site)
    for place in range(at.allocation_arm_count):
        mine = ints[at.allocation_arms + place] == arm
        if mine and at.arm_supply_forced != NONE and ints[at.arm_there + place] == 0:
            return REFUSED
    return arm


@hot
def forcing_applies(at, ints, cap, site):
    """Whether a cap on forced randomization is on the site, its country or the study."""
    return is_within(at, ints, site, ints[at.arm_supply_cap_scope + cap], ints[at.arm_supply_cap_place + cap])


@part
def forcing_capped(at, ints, site):
    """Whether nobody may be forced at the site any more."""
    for cap in range(at.arm_supply_caps):
        limit = ints[at.arm_supply_cap_limit + cap]
        if forcing_applies(at, ints, cap, site) and cap_reached(ints[at.forced_counts + cap], limit):
            return True
    return False


@part
def count_forced(at, ints, day, subject, site):
    """A subject was given another arm than the scheduled one."""
    ints[at.tally + outcomes.FORCED_RANDOMIZATIONS] += 1
    for cap in range(at.arm_supply_caps):
        if forcing_applies(at, ints, cap, site):
            ints[at.forced_counts + cap] += 1
    if at.trace_room > 0:
        scheduled = ints[at.scheduled]
        record(at, ints, day, phases.RANDOMIZATIONS, events.FORCED, site, subject, -1, -1, scheduled)


@part
def turn_away(at, ints, words, day, subject, site):
    """The site cannot supply: the subject is asked for again tomorrow, or leaves when it has waited as long as it may."""
    again = weekday_after(day + 1, at.calendar_monday) if at.sites_weekdays else day + 1
    leaves = again > ints[at.subject_last_try + subject]
    if at.trace_room > 0:
        kind = events.REFUSED_FOR_SUPPLY
        record(at, ints, day, phases.RANDOMIZATIONS, kind, site, subject, -1, -1, 1 if leaves else 0)
    if leaves:
        ints[at.tally + outcomes.REFUSED_FOR_SUPPLY] += 1
        ints[at.subject_state + subject] = demand.SCREEN_FAILED
        ints[at.level + ON_STUDY] -= 1
    elif again < at.calendar_days:
        ints[at.level + DECISIONS] += 1
        enter(words, at.decision_calendar + again * at.subject_words, subject)
