"""The readable engine: SimPy processes for sites, subjects, shipments, lots and reviews, every decision by allocation.rules.

It is the reference that the compiled engine is held against, event for event: `play(plan, seed, replicate, trace=True)`.
"""

from __future__ import annotations

from simulation.engines.outcomes import Replicate
from simulation.engines.plan import TrialPlan
from simulation.engines.simpy_twin.twin import Twin


def play(plan: TrialPlan, seed: int, replicate: int, trace: bool = False) -> Replicate:
    """Play one replicate of the plan."""
    return Twin(plan, seed, replicate).run(trace)
