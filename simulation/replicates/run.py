"""What a run is: a scenario as a plan, an engine and a seed; and the batches of replicates that it is played in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from allocation.study.protocol import Protocol
from simulation.engines.compiled.cache import sources_hash
from simulation.engines.outcomes import Batch, Replicate
from simulation.engines.plan import Names, TrialPlan
from simulation.engines.plan_of_study import names_of, plan_of
from simulation.errors import SimulationError
from simulation.scenario import Scenario, load_scenario_and_protocol

LEAST_BATCH: Final = 100
"""Replicates of a batch; fewer, and handing out the work costs more than the work."""
MOST_BATCH: Final = 1_000
BATCHES_PER_WORKER: Final = 8


class Engine(StrEnum):
    """Who plays: both give the same events; the compiled one is fast, the SimPy one can be read."""

    COMPILED = "compiled"
    SIMPY = "simpy"


class OtherRules(SimulationError):
    """A worker has other rules or engines than the process that started the run."""

    default_code = "other-rules"


@dataclass(frozen=True)
class Run:
    """All that the results depend on, beside the number of replicates."""

    scenario: Scenario
    protocol: Protocol
    plan: TrialPlan
    names: Names
    engine: Engine
    seed: int

    def plan_hashes(self) -> dict[str, str]:
        """A hash for each topic of the plan (sites, visits, lots ...) and for the names, so that two plans differ by topic."""
        topics = {**self.plan._asdict(), "names": self.names}
        return {topic: hashlib.sha256(_bytes_of(value)).hexdigest()[:16] for topic, value in topics.items()}

    def fingerprint(self) -> str:
        """A short hash of plan and rules, for the name of a folder."""
        return hashlib.sha256(repr((self.plan_hashes(), rules_hash())).encode()).hexdigest()[:8]


@dataclass(frozen=True)
class Part:
    """Replicates `first` to `first` + `count` - 1, as they are handed to a worker. `rules`: the hash of the rules that are meant.

    `tailored`: by a kernel compiled for this plan, which changes nothing but the time.
    """

    plan: TrialPlan
    engine: Engine
    seed: int
    first: int
    count: int
    rules: str
    tailored: bool = False


def read_run(scenario: Path, engine: Engine, seed: int | None = None) -> Run:
    """The run of the scenario in the YAML file `scenario`. `seed` None: the scenario's own.

    Raises ScenarioError or ProtocolError with every problem, NotSimulated for what the engines do not play.
    """
    read, protocol = load_scenario_and_protocol(scenario)
    plan = plan_of(protocol, read)
    return Run(read, protocol, plan, names_of(protocol, read), engine, read.seed if seed is None else seed)


def batch_size(replicates: int, workers: int) -> int:
    """Replicates of a batch: at least 100, at most 1,000, and else so many that each worker gets several."""
    return max(LEAST_BATCH, min(MOST_BATCH, -(-replicates // (BATCHES_PER_WORKER * workers))))


def parts_of(run: Run, missing: list[tuple[int, int]], size: int, tailored: bool = False) -> Iterator[Part]:
    """The batches of at most `size` replicates that make up the ranges (first, last + 1) that are missing."""
    rules = rules_hash()
    for begin, end in missing:
        for first in range(begin, end, size):
            yield Part(run.plan, run.engine, run.seed, first, min(size, end - first), rules, tailored)


@cache
def rules_hash() -> str:
    """The hash of the rules and engines of this process."""
    return sources_hash()


def play_part(part: Part) -> Batch:
    """Play a batch; this is what a worker does, wherever it is. Raises OtherRules where its rules are not those of the run."""
    if part.rules != rules_hash():
        raise OtherRules(
            "a worker has other rules or engines than this command",
            field="--cluster",
            fix="install this version of OpenRTSM on every worker and start the workers again",
        )
    if part.engine is Engine.COMPILED:
        from simulation.engines.compiled import play_batch

        return play_batch(part.plan, part.seed, part.first, part.count, tailored=part.tailored)
    replicates = range(part.first, part.first + part.count)
    played = [play_one(part.plan, part.engine, part.seed, replicate) for replicate in replicates]
    return Batch(
        part.first, np.stack([one.outcomes for one in played]), np.stack([one.weekly for one in played])
    )


def play_one(plan: TrialPlan, engine: Engine, seed: int, replicate: int, trace: bool = False) -> Replicate:
    """Play one replicate by either engine."""
    if engine is Engine.COMPILED:
        from simulation.engines import compiled  # here, since it loads numba

        return compiled.play(plan, seed, replicate, trace=trace)
    from simulation.engines import simpy_twin  # here, since the compiled engine does without SimPy

    return simpy_twin.play(plan, seed, replicate, trace=trace)


def _bytes_of(value: Any) -> bytes:
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.shape}".encode() + np.ascontiguousarray(value).tobytes()
    if isinstance(value, tuple):
        return b"(" + b"\0".join(_bytes_of(one) for one in value) + b")"
    return repr(value).encode()
