"""A trial of four sites that the readable engine plays hundreds of times in a second, and changes of it played beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from allocation.study.inconsistency import Findings
from allocation.study.protocol import Protocol
from forecasting.what_if.applying import changed_trial
from forecasting.what_if.change_file import Change
from forecasting.what_if.comparison import Compared, compare
from forecasting.what_if.documents import Trial
from simulation.engines.outcomes import Batch
from simulation.engines.plan_of_study import names_of, plan_of
from simulation.engines.trace import as_frame
from simulation.replicates.run import Engine, Run, play_one
from simulation.scenario import Scenario, load_scenario_and_protocol
from tests.conftest import REPOSITORY

DEPOT_STOCK = 400
REPLICATES = 7
_PLAYED: dict[tuple[str, int, int], pl.DataFrame] = {}


def small_trial(**resupply: int) -> Trial:
    """The benchmark's trial with four sites, three visits and no cap; lists are held by site, and kits last for a year."""
    scenario, protocol = load_scenario_and_protocol(REPOSITORY / "studies" / "rtsm-bench-100-scenario.yaml")
    parts, assumed = protocol.model_dump(mode="json"), scenario.model_dump(mode="json")
    parts["sites"] = parts["sites"][:4]
    parts["visits"] = parts["visits"][:4]
    for entry in parts["dispensing"]:
        entry["visits"] = ["V1", "V2", "V3"]
    parts["caps"] = []
    parts["randomization"][0] |= {"held_by": "site"}
    parts["supply"]["parameters"][0]["parameters"] |= {"min_buffer": 1, "max_buffer": 4} | resupply
    parts["kit_types"][0]["cost"] = "1000"
    assumed |= {"duration_days": 120}
    assumed["recruitment"] |= {"screened_per_site_month": 3.0, "gamma_shape": 4.0}
    assumed["activation"]["delay_days"] = {"law": "uniform", "min_days": 0, "max_days": 20}
    for lot in assumed["lots"]:
        lot["expires_on"] = "2025-12-31"
        lot["arrivals"] = [{"depot": "DEP", "on": "2025-01-01", "kits": DEPOT_STOCK}]
    return Trial(Scenario.model_validate(assumed), Protocol.model_validate(parts))


def changed(base: Trial, **change: Any) -> Trial:
    """The trial that a change makes of the base."""
    findings = Findings()
    trial = changed_trial(Change.model_validate({"name": "It", **change}), base, ("changes", 0), findings)
    assert findings.found == []
    assert trial is not None
    return trial


def run_of(trial: Trial, seed: int = 3) -> Run:
    """Its run by the readable engine."""
    plan = plan_of(trial.protocol, trial.scenario)
    names = names_of(trial.protocol, trial.scenario)
    return Run(trial.scenario, trial.protocol, plan, names, Engine.SIMPY, seed)


def outcomes_of(run: Run, replicates: int = REPLICATES) -> pl.DataFrame:
    """A row of outcomes for each replicate; a plan is played once."""
    key = (run.fingerprint(), run.seed, replicates)
    if key not in _PLAYED:
        _PLAYED[key] = _outcomes_of(run, replicates)
    return _PLAYED[key]


def _outcomes_of(run: Run, replicates: int) -> pl.DataFrame:
    played = [play_one(run.plan, run.engine, run.seed, replicate) for replicate in range(replicates)]
    return Batch(
        0, np.stack([one.outcomes for one in played]), np.stack([one.weekly for one in played])
    ).frame()


def compared(base: Trial, replicates: int = REPLICATES, **change: Any) -> Compared:
    """A change against the base."""
    before, after = run_of(base), run_of(changed(base, **change))
    told = Change.model_validate({"name": "It", **change})
    made = [(told, after, outcomes_of(after, replicates))]
    return compare(before, outcomes_of(before, replicates), made).compared[0]


def trace_of(trial: Trial, replicate: int = 0) -> pl.DataFrame:
    """Every event of one replicate, sites by their code."""
    run = run_of(trial)
    trace = play_one(run.plan, run.engine, run.seed, replicate, trace=True).trace
    assert trace is not None
    codes = dict(enumerate(run.names.sites)) | {-1: "", -2: "DEP"}
    return as_frame(trace).with_columns(pl.col("site").replace_strict(codes, return_dtype=pl.String))
