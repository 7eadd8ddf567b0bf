"""Which arm a subject gets, in the kernel: by the next entry of its run, by a draw of a restricted design, or by minimization.

Each way first decides, and changes its counts only where the subject is randomized: one that is turned away has used nothing.
"""

from __future__ import annotations

from allocation.rules.draws import arm_at
from allocation.rules.forced import FR1, FR2, NONE, REFUSED, forced_arms, forced_indexes
from allocation.rules.restricted.fixed_totals import arm_of_block
from allocation.rules.restricted.probabilities import PERMUTED_BLOCK, next_probabilities
from simulation.engines.compiled.arm_supply import forcing_capped, gate_closed, look_at_arms
from simulation.engines.compiled.memory import CLOSED, FULL
from simulation.engines.compiled.minimizing import minimized
from simulation.engines.compiled.parts import hot, making, part
from simulation.engines.compiled.pointers import view
from simulation.engines.draws import (
    ALLOCATION_WORD,
    ALLOCATIONS_PER_GROUP,
    BLOCK_SIZE_WORD,
    TRIAL_WORD,
    stream_word,
    uniform_at,
)
from simulation.engines.plan_allocation import MINIMIZED


@hot
def allocate(at, ints, floats, day, site, stratum, root):
    """The arm of a subject, or REFUSED where the site cannot supply; `scheduled` holds the arm that supply aside it would get."""
    place = site * at.subjects_stratum_count + stratum
    group = ints[at.allocation_group + place]
    if at.allocation_plain:
        arm = next_open_entry(at, ints, floats, day, group, root)
    else:
        arm = allocate_by_supply(at, ints, floats, day, site, place, group, root)
    if arm >= 0:
        arm = ints[at.allocation_arms + arm]
    return arm


@part
def allocate_by_supply(at, ints, floats, day, site, place, group, root):
    """As `allocate`, for an event that is not plain."""
    suppliable = at.allocation_arm_count
    if at.arm_supply_looked_at:
        if gate_closed(at, ints, day, site):
            return REFUSED
        suppliable = look_at_arms(at, ints, day, site)
    ints[at.scheduled] = -1
    if at.allocation_method == MINIMIZED:
        arm = minimized(at, ints, floats, site, place, suppliable, root)
    elif at.allocation_live:
        arm = drawn(at, ints, floats, site, group, suppliable, root)
    elif at.arm_supply_forced == NONE:
        arm = next_open_entry(at, ints, floats, day, group, root)
        ints[at.scheduled] = arm
    else:
        arm = from_list(at, ints, floats, site, group, suppliable, root)
    if arm >= 0:
        ints[at.scheduled] = ints[at.allocation_arms + ints[at.scheduled]]
    return arm


@hot
def next_open_entry(at, ints, floats, day, group, root):
    """The arm of the next entry of a run, those of closed arms passed over."""
    arm = next_entry(at, ints, floats, group, root)
    if at.closings_any:
        while ints[at.closings_day + arm] <= day:
            arm = next_entry(at, ints, floats, group, root)
    return arm


@part
def next_entry(at, ints, floats, group, root):
    """The arm of the next entry of a run, which counts from now on."""
    open_block(at, ints, group, root)
    arm = arm_in_turn(at, ints, floats, group, root)
    count_entry(at, ints, group, arm)
    return arm


@hot
def open_block(at, ints, group, root):
    """Begin the next block or sequence of a run where the one before is full; a design without either counts on."""
    if at.subjects_block_size_count == 0 or ints[at.block_left + group] > 0:
        return
    first = group * ALLOCATIONS_PER_GROUP + ints[at.allocated + group]
    if at.allocation_central:
        first = ints[at.central_next]
    pick = 0
    if at.subjects_block_size_count > 1:
        stream = stream_word(root, TRIAL_WORD, BLOCK_SIZE_WORD)
        pick = int(uniform_at(stream, first) * at.subjects_block_size_count)
    size = ints[at.subjects_block_sizes + pick]
    ints[at.block_size + group] = size
    ints[at.block_left + group] = size
    if at.allocation_central:
        ints[at.central_next] += size
        ints[at.block_base + group] = first
    for arm in range(at.allocation_arm_count):
        ints[at.taken + group * at.allocation_arm_count + arm] = 0


@hot
def uniform_in_turn(at, ints, group, root):
    """The uniform of the next entry or draw of a run."""
    index = group * ALLOCATIONS_PER_GROUP + ints[at.allocated + group]
    if at.allocation_central:
        index = ints[at.block_base + group] + ints[at.block_size + group] - ints[at.block_left + group]
    return uniform_at(stream_word(root, TRIAL_WORD, ALLOCATION_WORD), index)


@hot
def arm_in_turn(at, ints, floats, group, root):
    """The arm that the design gives next."""
    u = uniform_in_turn(at, ints, group, root)
    arms = at.allocation_arm_count
    if at.allocation_method == PERMUTED_BLOCK:
        arm = arm_of_block(
            view(ints, at.taken + group * arms, arms),
            view(ints, at.subjects_ratio, arms),
            ints[at.block_size + group],
            u,
        )
    else:
        chances_in_turn(at, ints, floats, group)
        arm = arm_at(view(floats, at.chances, arms), u)
    return arm


@making
def chances_in_turn(at, ints, floats, group):
    """Fill in `chances`, the design's probabilities of the arms after the counts of the run."""
    arms = at.allocation_arm_count
    table = view(floats, at.allocation_table, at.allocation_table_rows * at.allocation_table_columns)
    found = next_probabilities(
        at.allocation_method,
        view(ints, at.taken + group * arms, arms),
        view(ints, at.subjects_ratio, arms),
        view(floats, at.allocation_parameters, 2),
        ints[at.block_size + group],
        table.reshape(at.allocation_table_rows, at.allocation_table_columns),
    )
    for arm in range(arms):
        floats[at.chances + arm] = found[arm]


@part
def count_entry(at, ints, group, arm):
    """One entry or draw more of a run."""
    ints[at.taken + group * at.allocation_arm_count + arm] += 1
    ints[at.allocated + group] += 1
    ints[at.block_left + group] -= 1


@part
def drawn(at, ints, floats, site, group, suppliable, root):
    """An arm by a draw at randomization, forced where the event forces; the design counts what it drew."""
    open_block(at, ints, group, root)
    chances_in_turn(at, ints, floats, group)
    arms = at.allocation_arm_count
    scheduled, arm, _ = forced_arms(
        at.arm_supply_forced,
        view(floats, at.chances, arms),
        uniform_in_turn(at, ints, group, root),
        view(ints, at.arm_there, arms),
        suppliable == arms,
        view(floats, at.arm_supply_shares, arms),
        view(floats, at.restricted, arms),
    )
    if arm >= 0 and arm != scheduled and forcing_capped(at, ints, site):
        return REFUSED
    if arm >= 0:
        ints[at.scheduled] = scheduled
        count_entry(at, ints, group, scheduled)
    return arm


@part
def from_list(at, ints, floats, site, group, suppliable, root):
    """An arm by the unused entries of a run, looked through as far as the mode may skip."""
    first, count = at.unused_arm + group * at.unused_room, ints[at.unused_count + group]
    mode = at.arm_supply_forced
    found = False
    for entry in range(count):
        found = found or ints[at.arm_there + ints[first + entry]] == 1
    searches = mode in (FR1, FR2) and suppliable > 0
    while count == 0 or (searches and not found):
        if count == at.unused_room:
            ints[at.level + FULL] = 1
            ints[at.level + CLOSED] = 1
            return REFUSED
        arm = next_entry(at, ints, floats, group, root)
        ints[first + count] = arm
        count += 1
        found = ints[at.arm_there + arm] == 1
    ints[at.unused_count + group] = count
    for entry in range(count):
        ints[at.unused_there + entry] = ints[at.arm_there + ints[first + entry]]
    scheduled, assigned = forced_indexes(
        mode,
        view(ints, at.unused_skipped, count),
        view(ints, at.unused_there, count),
        suppliable == at.allocation_arm_count,
    )
    if assigned < 0 or (assigned != scheduled and forcing_capped(at, ints, site)):
        return REFUSED
    arm = ints[first + assigned]
    ints[at.scheduled] = ints[first + scheduled]
    # Entries passed over are lost, but for back-filling, which has them first in turn.
    begin = assigned if mode == FR2 else 0
    gone = assigned + 1 - begin
    for entry in range(begin, count - gone):
        ints[first + entry] = ints[first + entry + gone]
    ints[at.unused_count + group] = count - gone
    return arm
