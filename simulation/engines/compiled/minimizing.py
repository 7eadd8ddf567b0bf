"""Minimization of one subject in the kernel, by the counts of those before it."""

from __future__ import annotations

from allocation.rules.draws import arm_at
from allocation.rules.forced import REFUSED, forced_arms
from allocation.rules.minimization_chances import next_chances, unit_in_turn
from simulation.engines.compiled.arm_supply import forcing_capped
from simulation.engines.compiled.parts import making, part
from simulation.engines.compiled.pointers import view
from simulation.engines.draws import ALLOCATION_WORD, TRIAL_WORD, stream_word, uniform_at


@part
def minimized(at, ints, floats, site, place, suppliable, root):
    """An arm by minimization, forced where the event forces. `place`: the subject's site and drawn stratum."""
    units, arms = at.minimization_units, at.allocation_arm_count
    own = at.minimization_margin + place * at.minimization_rows
    for row in range(at.minimization_rows):
        for unit in range(units):
            ints[at.margin_rows + row * units + unit] = ints[
                at.margin_counts + ints[own + row] * units + unit
            ]
    unit_chances(at, ints, floats)
    for arm in range(arms):
        floats[at.arm_chances + arm] = 0.0
    for unit in range(units):
        floats[at.arm_chances + ints[at.minimization_arm_of_unit + unit]] += floats[at.chances + unit]
    u = uniform_at(stream_word(root, TRIAL_WORD, ALLOCATION_WORD), ints[at.allocated])
    unit = arm_at(view(floats, at.chances, units), u)
    scheduled, arm, _ = forced_arms(
        at.arm_supply_forced,
        view(floats, at.arm_chances, arms),
        u,
        view(ints, at.arm_there, arms),
        suppliable == arms,
        view(floats, at.arm_supply_shares, arms),
        view(floats, at.restricted, arms),
    )
    if arm < 0 or (arm != scheduled and forcing_capped(at, ints, site)):
        return REFUSED
    if arm != scheduled:
        unit = unit_in_turn(view(ints, at.minimization_arm_of_unit, units), arm, ints[at.turns + arm])
        ints[at.turns + arm] += 1
    ints[at.scheduled] = scheduled
    ints[at.allocated] += 1
    for row in range(at.minimization_rows):
        ints[at.margin_counts + ints[own + row] * units + unit] += 1
    return arm


@making
def unit_chances(at, ints, floats):
    """Fill in `chances`, those of the columns of counts for the subject whose rows are in `margin_rows`."""
    rows, units = at.minimization_rows, at.minimization_units
    found = next_chances(
        view(ints, at.margin_rows, rows * units).reshape(rows, units),
        view(floats, at.minimization_weights, rows),
        view(ints, at.minimization_shares, units),
        at.minimization_measure,
        at.minimization_by_rank,
        at.minimization_probability,
        at.minimization_simple_first,
    )
    for unit in range(units):
        floats[at.chances + unit] = found[unit]
