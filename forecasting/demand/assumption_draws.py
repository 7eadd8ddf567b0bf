"""Draws of fitted assumptions from their posteriors, so that their error is in the forecast: it weighs where data are few.

The posteriors are those of `simulation/fitting` (README there): Beta for probabilities, Dirichlet for what is asked for at a dose level,
and Gamma for leaving by arm. The mean rate of recruitment is Gamma, with the variance that counts and the spread of sites leave it;
what each site has recruited is weighed anew under each draw (`simulation/live_start/recruiting_so_far.py`).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from simulation.fitting.estimate import PRIOR_TRIALS
from simulation.fitting.scenario_fit import ScenarioFit
from simulation.scenario import Scenario

_MOVES: Final = ("up", "maintain", "down")
_MOST: Final = 0.95
"""Of a monthly probability of leaving."""
_SALT: Final = 20_071
"""Apart from the seeds of replicates."""


def drawn_scenarios(fit: ScenarioFit, count: int, seed: int) -> list[Scenario]:
    """So many scenarios; the same for a seed, however many follow."""
    return [_drawn(fit, np.random.default_rng([_SALT, seed, at])) for at in range(count)]


def _drawn(fit: ScenarioFit, rng: np.random.Generator) -> Scenario:
    scenario = fit.scenario
    trials = {one.path: one.observations for one in fit.estimates}

    def probability(path: str, value: float) -> float:
        weight = trials[path] + PRIOR_TRIALS
        return float(rng.beta(max(value, 1e-6) * weight, max(1 - value, 1e-6) * weight))

    visits, screening = scenario.visits, scenario.screening
    changed: dict[str, Any] = {
        "recruitment": scenario.recruitment.model_copy(
            update={"screened_per_site_month": scenario.recruitment.screened_per_site_month * _rate(fit, rng)}
        ),
        "screening": screening.model_copy(
            update={
                "failure_probability": probability(
                    "screening.failure_probability", screening.failure_probability
                )
            }
        ),
        "visits": visits.model_copy(
            update={
                "missed_probability": probability("visits.missed_probability", visits.missed_probability),
                "late_probability": probability("visits.late_probability", visits.late_probability),
            }
        ),
        "drop_out": scenario.drop_out.model_copy(update={"monthly_probability": _leaving(fit, rng)}),
        "titration": tuple(one.model_copy(update=_asked(one, trials, rng)) for one in scenario.titration),
    }
    return scenario.model_copy(update=changed)


def _rate(fit: ScenarioFit, rng: np.random.Generator) -> float:
    """The mean rate over the fitted one: its squared relative error is 1 / screened, and 1 / (sites x shape) where sites differ."""
    shape = fit.scenario.recruitment.gamma_shape
    variance = 1 / len(fit.observed.subjects)
    if shape is not None:
        variance += 1 / (shape * len(fit.observed.sites))
    return float(rng.gamma(1 / variance) * variance)


def _leaving(fit: ScenarioFit, rng: np.random.Generator) -> dict[str, float]:
    """By arm; the fit's own value is the mean of its Gamma, of so many events and half of one."""
    events = {arm: left for arm, left, _ in fit.leaving.by_arm}
    return {
        arm: min(monthly * float(rng.gamma(events[arm] + 0.5)) / (events[arm] + 0.5), _MOST)
        for arm, monthly in fit.scenario.drop_out.monthly_probability.items()
    }


def _asked(level: Any, trials: dict[str, int], rng: np.random.Generator) -> dict[str, float]:
    """What is asked for at a dose level; where nothing was yet, the prior: one observation, spread evenly."""
    seen = trials.get(f"titration.{level.dose_level}.up", 0)
    means = [getattr(level, move) if seen else 1 / len(_MOVES) for move in _MOVES]
    shares = rng.dirichlet([max(mean * (seen + 1), 1e-6) for mean in means])
    return dict(zip(_MOVES, shares.tolist(), strict=True))
