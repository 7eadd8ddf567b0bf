"""A trial of three sites and eight subjects, and candidates whose outcomes are made up: so a search can be held against all there is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from forecasting.tuning.candidates import Setting, candidate_of
from forecasting.tuning.choosing import Judge
from forecasting.tuning.evaluations import Evaluations
from forecasting.tuning.families import Family, Line
from forecasting.tuning.objective import Objective, ObjectiveName
from forecasting.tuning.risk import parse_risk
from forecasting.tuning.site_groups import groups_by
from forecasting.tuning.trial import Trial, trial_of_documents
from simulation.engines import outcomes as out
from simulation.engines.outcomes import N_OUTCOMES, Batch
from simulation.replicates.run import Part
from tests.simulation.replicates.conftest import write_small_trial

VISITS = 100
COST = ObjectiveName.COST


def small_trial(folder: Path) -> Trial:
    """The trial of the files that are written into the folder."""
    return trial_of_documents(write_small_trial(folder), 3)


def made_up(
    risk: Callable[[int, int], float], cost: Callable[[int, int], float], upstream: bool = True
) -> Callable[[Part], Batch]:
    """A player by the (min, max) of the plan: in each replicate a visit is missed where its own random number is below the risk.

    `upstream`: whether there were kits at the depot.
    """
    column = out.MISSED_DISPENSINGS if upstream else out.OUT_OF_STOCK

    def play(part: Part) -> Batch:
        held = part.plan.resupply
        least, most = int(held.min_buffer[0, 0, 0]), int(held.max_buffer[0, 0, 0])
        outcomes = np.zeros((part.count, N_OUTCOMES))
        # The same numbers for every candidate, as those of the engines are.
        chance, noise = np.random.default_rng([part.seed, part.first]).random((2, part.count))
        outcomes[:, column] = chance < risk(least, most)
        outcomes[:, out.VISITS] = VISITS
        outcomes[:, out.COST_KITS] = cost(least, most) + noise
        return Batch(part.first, outcomes, np.zeros((part.count, 1, 1), dtype=np.int64))

    return play


def family_over(trial: Trial, levels: Mapping[int, range]) -> Family:
    """A line for each span, over these levels of min."""
    groups = groups_by(trial.run, ())
    lines = []
    for span, least in levels.items():
        settings = tuple((Setting(one, one + span),) for one in least)
        lines.append(
            Line(
                f"max_above_min {span}", tuple(candidate_of(trial, groups, one) for one in settings), settings
            )
        )
    return Family(groups, tuple(lines))


def judge_of(trial: Trial, risk: str, play: Callable[[Part], Batch], limit: int = 10**6) -> Judge:
    """A judge of cost whose candidates are played so."""
    return Judge(Evaluations(trial, None, limit, play=play), parse_risk(risk), Objective(COST, "EUR"))
