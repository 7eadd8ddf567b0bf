"""What the type of a record tells the compiler is what a kernel would look up, so that a tailored kernel is the kernel for any plan.

That both give the same replicates is held against each other wherever the speed is measured (benchmarks/simulator.py): to compile a second
kernel takes a minute.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest

from simulation.engines.compiled.memory import RECORD, memory_for, named_parts
from simulation.engines.compiled.places import places_of
from simulation.engines.compiled.pointers import pointer_to, view
from simulation.engines.compiled.tailoring import NOT_TOLD, is_told, known_values, tailored_record
from simulation.engines.plan import TrialPlan
from simulation.engines.plan_of_study import plan_of

READ = ("calendar_days", "kits_size", "trace_room", "resupply_seeds", "stock", "trace")
SHARES = ("visits_missed", "subjects_per_visit_drop_out", "sites_gamma_shape", "lanes_lost")


@numba.njit
def read(records: Any) -> Any:
    at = places_of(records)
    return (
        at.calendar_days,
        at.kits_size,
        at.trace_room,
        at.resupply_seeds,
        at.stock,
        at.trace,
        at.visits_missed,
        at.subjects_per_visit_drop_out,
        at.sites_gamma_shape,
        at.lanes_lost,
    )


@numba.njit
def read_tables(records: Any, whole: Any, real: Any) -> Any:
    """An item of tables of every kind: in equal steps, of one value, of any values, of other numbers, and one that is never told."""
    at, ints, floats = places_of(records), pointer_to(whole), pointer_to(real)
    found = np.zeros(7)
    for visit in range(1, at.visits_size):
        lines = at.visits_line_start + at.visits_size
        found[0] += ints[lines + visit] * 100 + ints[visit - 1 + at.visits_line_start]
        found[1] += ints[at.visits_line_quantity + visit]
        found[2] += ints[at.visits_closes + visit] * visit
        found[3] += floats[at.laws_cumulative + (ints[at.laws_start + ints[at.visits_day_law + visit]] + 1)]
        found[4] += ints[at.resupply_min_buffer + visit]
    opens = view(ints, at.visits_opens + 2, 3)
    found[5] = opens[0] + 10 * opens[1] + 100 * opens[2]
    levels = view(ints, at.lots_released + 1, 1)
    found[6] = levels[0]
    return found


@pytest.fixture(scope="module")
def plan(bench_trial) -> TrialPlan:
    scenario, protocol = bench_trial
    return plan_of(protocol, scenario)


def tables_of(plan: TrialPlan) -> dict[str, np.ndarray]:
    return {name: value for name, value in named_parts(plan) if isinstance(value, np.ndarray)}


def test_a_kernel_reads_the_same_values_whether_it_knows_them_or_looks_them_up(plan: TrialPlan) -> None:
    plain, tailored = memory_for(plan, 700), memory_for(plan, 700, tailored=True)
    expected = tuple(plain.at[name][0] for name in (*READ, *SHARES))
    assert read(plain.at) == expected
    assert read(tailored.at) == expected


def test_a_kernel_reads_the_same_items_of_tables_whether_it_knows_them_or_looks_them_up(
    plan: TrialPlan,
) -> None:
    plain, tailored = memory_for(plan, 700), memory_for(plan, 700, tailored=True)
    found = read_tables(plain.at, plain.ints, plain.floats)
    assert np.all(found > 0)
    assert read_tables(tailored.at, tailored.ints, tailored.floats).tolist() == found.tolist()


def test_all_whole_numbers_are_known_and_of_the_others_those_that_are_0(plan: TrialPlan) -> None:
    memory = memory_for(plan, 700, tailored=True)
    told, _ = known_values(memory.at.dtype.names or ())
    for name in RECORD.names or ():
        value = memory.at[name][0]
        of_floats = name in tables_of(plan) or RECORD[name].kind == "i"
        assert (name in told) == (of_floats or value == 0), name
        assert told.get(name, value) == value, name


def test_tables_are_known_that_are_short_or_hold_one_value_and_never_what_a_search_moves(
    plan: TrialPlan,
) -> None:
    memory, tables = memory_for(plan, 700, tailored=True), tables_of(plan)
    numbers, told = known_values(memory.at.dtype.names or ())
    assert {"kits_lot_start", "visits_line_start", "laws_cumulative", "sites_depot"} <= set(told)
    for name, items in told.items():
        assert list(items) == tables[name].reshape(-1).tolist(), name
        assert numbers[name] == memory.at[name][0], name
        assert not name.startswith(NOT_TOLD)
    assert {name for name, table in tables.items() if is_told(name, table)} == set(told)
    assert not is_told("sites_pattern", np.arange(200))


@pytest.mark.parametrize(
    "table", [np.array([3, -1, 2**60]), np.full(500, -7), np.array([0.1, 1e-300, 1.0]), np.zeros(3)]
)
def test_what_a_type_tells_of_a_table_is_the_table_to_the_last_digit(table: np.ndarray) -> None:
    record = tailored_record(
        np.dtype([("laws_cumulative", np.int64)]), {"laws_cumulative": 5}, {"laws_cumulative": table}
    )
    assert known_values(record.names or ()) == (
        {"laws_cumulative": 5},
        {"laws_cumulative": tuple(table.tolist())},
    )


def test_other_thresholds_rates_and_seeds_leave_the_kernel_as_it_is_and_more_subjects_do_not(
    plan: TrialPlan,
) -> None:
    other = plan._replace(
        resupply=plan.resupply._replace(
            min_buffer=plan.resupply.min_buffer + 1, initial=plan.resupply.initial + 1
        ),
        sites=plan.sites._replace(rate=2 * plan.sites.rate),
    )
    assert memory_for(plan, 700, tailored=True).at.dtype == memory_for(other, 700, tailored=True).at.dtype
    larger = memory_for(plan, 701 + 64, tailored=True)
    assert memory_for(plan, 700, tailored=True).at.dtype != larger.at.dtype
