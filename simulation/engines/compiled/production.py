"""Lots whose manufacture or release is drawn, in the kernel: entered for the day of their arrival when a replicate begins."""

from __future__ import annotations

from allocation.rules.expiry import allowed_on_day
from simulation.engines import events, outcomes, phases
from simulation.engines.compiled.laws import days_by
from simulation.engines.compiled.memory import AT_DEPOTS
from simulation.engines.compiled.outages import arrives_on
from simulation.engines.compiled.parts import part
from simulation.engines.compiled.pointers import fill
from simulation.engines.compiled.recording import record
from simulation.engines.draws import PRODUCTION_WORDS, stream_word


@part
def begin_production(at, ints, floats, words, root):
    """Draw when each of these lots is released, and enter its arrivals."""
    fill(ints, at.released, at.released + at.calendar_days, -1)
    days = 0
    for arrival in range(at.production_arrivals):
        made = ints[at.production_made + arrival]
        if arrival == 0 or made != ints[at.production_made + arrival - 1]:
            days = production_days(at, ints, floats, words, root, made)
        day = max(ints[at.production_day + arrival] + days, 0)
        if at.outages_any:
            day = arrives_on(at, ints, ints[at.production_depot + arrival], day)
        if day < at.calendar_days:
            ints[at.next_released + arrival] = ints[at.released + day]
            ints[at.released + day] = arrival


@part
def production_days(at, ints, floats, words, root, made):
    """Days that the manufacture, labelling and release of a lot take."""
    days = 0
    for stage in range(3):
        stream = stream_word(root, words[at.production_words + made], PRODUCTION_WORDS[stage])
        days += days_by(at, ints, floats, ints[at.production_laws + 3 * made + stage], stream, 0)
    return days


@part
def release_lots(at, ints, day):
    """What is released today is at its depots, unless it has expired before."""
    arrival = ints[at.released + day]
    while arrival >= 0:
        lot, depot = ints[at.production_lot + arrival], ints[at.production_depot + arrival]
        kits, kit_type = ints[at.production_kits + arrival], ints[at.lots_kit_type + lot]
        place = -2 - depot
        ints[at.tally + outcomes.KITS_PRODUCED] += kits
        if at.trace_room > 0:
            record(at, ints, day, phases.LOTS, events.LOT_ARRIVED, place, -1, kit_type, lot, kits)
        if allowed_on_day(at.calendar_first_ordinal + day, ints[at.lots_expiry_ordinal + lot], 0):
            ints[at.depot_stock + depot * at.lots_size + lot] += kits
            ints[at.level + AT_DEPOTS] += kits
        else:
            ints[at.tally + outcomes.KITS_EXPIRED_DEPOT] += kits
            if at.trace_room > 0:
                record(at, ints, day, phases.LOTS, events.KITS_EXPIRED, place, -1, kit_type, lot, kits)
        arrival = ints[at.next_released + arrival]
