"""A record of places that tells the compiler its values gives the same ones, so that a tailored kernel is the kernel for any plan.

That both give the same replicates is held against each other wherever the speed is measured (benchmarks/simulator.py): to compile a second
kernel takes a minute.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest

from simulation.engines.compiled.memory import KNOWN, RECORD, memory_for
from simulation.engines.compiled.places import places_of
from simulation.engines.plan import TrialPlan
from simulation.engines.plan_of_study import plan_of

READ = ("calendar_days", "kits_size", "trace_room", "resupply_seeds", "sites_rate", "stock", "trace")
SHARES = ("visits_missed", "subjects_per_visit_drop_out", "sites_gamma_shape", "lanes_lost")


@numba.njit
def read(records: Any) -> Any:
    at = places_of(records)
    return (
        at.calendar_days,
        at.kits_size,
        at.trace_room,
        at.resupply_seeds,
        at.sites_rate,
        at.stock,
        at.trace,
        at.visits_missed,
        at.subjects_per_visit_drop_out,
        at.sites_gamma_shape,
        at.lanes_lost,
    )


@pytest.fixture(scope="module")
def plan(bench_trial) -> TrialPlan:
    scenario, protocol = bench_trial
    return plan_of(protocol, scenario)


def known(record: np.dtype[Any]) -> dict[str, int]:
    fields = dict(name.split(KNOWN) for name in record.names or () if KNOWN in name)
    return {name: int(value) for name, value in fields.items()}


def test_a_kernel_reads_the_same_values_whether_it_knows_them_or_looks_them_up(plan: TrialPlan) -> None:
    plain, tailored = memory_for(plan, 700), memory_for(plan, 700, tailored=True)
    expected = tuple(plain.at[name][0] for name in (*READ, *SHARES))
    assert read(plain.at) == expected
    assert read(tailored.at) == expected


def test_all_whole_numbers_are_known_and_of_the_others_those_that_are_0(plan: TrialPlan) -> None:
    memory = memory_for(plan, 700, tailored=True)
    told = known(memory.at.dtype)
    for name in RECORD.names or ():
        value = memory.at[name][0]
        assert (name in told) == (RECORD[name].kind == "i" or value == 0), name
        assert told.get(name, value) == value, name


def test_other_thresholds_rates_and_seeds_leave_the_kernel_as_it_is_and_more_subjects_do_not(
    plan: TrialPlan,
) -> None:
    other = plan._replace(
        resupply=plan.resupply._replace(min_buffer=plan.resupply.min_buffer + 1),
        sites=plan.sites._replace(rate=2 * plan.sites.rate),
    )
    assert memory_for(plan, 700, tailored=True).at.dtype == memory_for(other, 700, tailored=True).at.dtype
    larger = memory_for(plan, 701 + 64, tailored=True)
    assert memory_for(plan, 700, tailored=True).at.dtype != larger.at.dtype
