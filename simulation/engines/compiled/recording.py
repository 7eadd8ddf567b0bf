"""What the kernel writes down: events where a trace is asked for, the books of each day, and the outcomes at the end."""

from __future__ import annotations

from simulation.engines import outcomes
from simulation.engines.compiled.memory import AT_DEPOTS, AT_SITES, EVENTS, IN_TRANSIT
from simulation.engines.compiled.parts import hot, part


@part
def record(at, ints, day, phase, kind, site, subject, kit_type, lot, quantity):
    """Write an event down; what finds no room is counted, so that the memory can be made larger."""
    event = ints[at.level + EVENTS]
    ints[at.level + EVENTS] += 1
    if event < at.trace_room:
        row = at.trace + 8 * event
        ints[row] = day
        ints[row + 1] = phase
        ints[row + 2] = kind
        ints[row + 3] = site
        ints[row + 4] = subject
        ints[row + 5] = kit_type
        ints[row + 6] = lot
        ints[row + 7] = quantity


@hot
def close_day(at, ints, day, weekly, ended):
    """The day's books: kit days, and the week's row on its last day; after the end all later weeks have its values."""
    ints[at.tally + outcomes.KIT_DAYS] += ints[at.level + AT_SITES] + ints[at.level + AT_DEPOTS]
    if not ended and day % 7 != 6 and day != at.calendar_days - 1:
        return
    for week in range(day // 7, at.calendar_weeks if ended else day // 7 + 1):
        row = weekly[week]
        row[outcomes.WEEKLY_SCREENED] = ints[at.tally + outcomes.SCREENED]
        row[outcomes.WEEKLY_RANDOMIZED] = ints[at.tally + outcomes.RANDOMIZED]
        row[outcomes.WEEKLY_ENDED] = (
            ints[at.tally + outcomes.COMPLETED] + ints[at.tally + outcomes.DISCONTINUED]
        )
        row[outcomes.WEEKLY_DISPENSED] = ints[at.tally + outcomes.KITS_DISPENSED]
        row[outcomes.WEEKLY_MISSED] = (
            ints[at.tally + outcomes.MISSED_DISPENSINGS] + ints[at.tally + outcomes.OUT_OF_STOCK]
        )
        row[outcomes.WEEKLY_SHIPMENTS] = ints[at.tally + outcomes.SHIPMENTS]
        row[outcomes.WEEKLY_EXPIRED] = (
            ints[at.tally + outcomes.KITS_EXPIRED_SITE] + ints[at.tally + outcomes.KITS_EXPIRED_DEPOT]
        )
        row[outcomes.WEEKLY_AT_SITES] = ints[at.level + AT_SITES]
        row[outcomes.WEEKLY_IN_TRANSIT] = ints[at.level + IN_TRANSIT]
        row[outcomes.WEEKLY_AT_DEPOTS] = ints[at.level + AT_DEPOTS]
        row[outcomes.WEEKLY_LOST] = (
            ints[at.tally + outcomes.KITS_LOST] + ints[at.tally + outcomes.KITS_DAMAGED]
        )
        row[outcomes.WEEKLY_RETURNED] = ints[at.tally + outcomes.KITS_RETURNED_UNUSED]
        row[outcomes.WEEKLY_REJECTED] = ints[at.tally + outcomes.KITS_EXCURSION_REJECTED]


@part
def settle(at, ints):
    """What is left where, when the replicate has ended."""
    ints[at.tally + outcomes.KITS_LEFT] = ints[at.level + AT_DEPOTS]
    ints[at.tally + outcomes.KITS_LEFT_SITES] = ints[at.level + AT_SITES]
    ints[at.tally + outcomes.KITS_LEFT_TRANSIT] = ints[at.level + IN_TRANSIT]
