"""The entries of the kernel: replicates into rows of results."""

from __future__ import annotations

import numpy as np

from simulation.engines import outcomes as columns
from simulation.engines.compiled.memory import CO2, COST_OF_KITS, COST_OF_SHIPMENTS, FULL
from simulation.engines.compiled.parts import part
from simulation.engines.compiled.places import places_of
from simulation.engines.compiled.pointers import pointer_to
from simulation.engines.compiled.replicate import play_one


def play_many(places, whole, real, binary, seed, first, outcomes, weekly):
    """Play a replicate for each row of `outcomes`; gives how many were played before the memory for subjects was too small."""
    at, ints, floats, words = places_of(places), pointer_to(whole), pointer_to(real), pointer_to(binary)
    for row in range(len(outcomes)):
        play_one(at, ints, floats, words, seed, first + np.uint64(row), weekly[row])
        if ints[at.level + FULL] != 0:
            return row
        write(at, ints, floats, outcomes[row])
    return len(outcomes)


@part
def write(at, ints, floats, row):
    """The outcomes of a replicate that has ended."""
    for column in range(len(row)):
        row[column] = ints[at.tally + column]
    destroyed = (
        row[columns.KITS_EXPIRED_SITE]
        + row[columns.KITS_EXPIRED_DEPOT]
        + row[columns.KITS_DAMAGED]
        + row[columns.KITS_RETURNED_UNUSED]
        + row[columns.KITS_EXCURSION_REJECTED]
    )
    row[columns.COST_KITS] = floats[at.money + COST_OF_KITS]
    row[columns.COST_SHIPMENTS] = floats[at.money + COST_OF_SHIPMENTS]
    row[columns.CO2_KG] = floats[at.money + CO2]
    row[columns.COST_STORAGE] = row[columns.KIT_DAYS] * at.costs_storage_per_kit_day
    row[columns.COST_DESTRUCTION] = destroyed * at.costs_destruction_per_kit
    row[columns.COST_LOST_SUBJECTS] = row[columns.SUBJECTS_LOST_TO_STOCKOUT] * at.costs_lost_subject
