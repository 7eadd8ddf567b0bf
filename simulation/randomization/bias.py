"""What a design lets through: responses shifted by a time trend or by a guessing investigator, and the error of the t-test then.

Sources: Berger et al. 2021, "A roadmap to using randomization in clinical trials" (time trend); Proschan 1994 and Kennes et al. 2011
(selection bias by the convergence strategy); Uschner et al. 2018 (both as vectors of expected responses).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

Floats = NDArray[np.float64]


def selection_bias(arms: Sequence[int], eta: float) -> Floats:
    """The expected response of each subject, where an investigator who guesses enrols by it.

    Two arms, 0 and 1. `eta` for whom arm 0 is guessed (it is behind), -eta for arm 1, 0 at a tie; the guess is the convergence strategy.
    """
    ahead = np.concatenate(([0], np.cumsum(np.where(np.asarray(arms) == 0, 1, -1))[:-1]))
    return -eta * np.sign(ahead).astype(np.float64)


def linear_trend(subjects: int, theta: float) -> Floats:
    """The expected response of each subject under a trend from 0 for the first to `theta` for the last."""
    return theta * np.arange(subjects) / (subjects - 1)


def rejected(arms: NDArray[np.int64], responses: Floats, alpha: float = 0.05) -> NDArray[np.bool_]:
    """Whether the two-sided t-test with pooled variance rejects, for each replicate (rows) of two arms 0 and 1.

    A trial with fewer than one subject in an arm, or three in all, cannot reject.
    """
    first = arms == 0
    sizes = np.stack([first.sum(axis=1), (~first).sum(axis=1)])
    subjects = arms.shape[1]
    enough = (sizes.min(axis=0) > 0) & (subjects > 2)
    held = np.maximum(sizes, 1)
    means = (
        np.stack([np.where(first, responses, 0).sum(axis=1), np.where(first, 0, responses).sum(axis=1)])
        / held
    )
    residuals = responses - np.where(first, means[0][:, None], means[1][:, None])
    spread = np.sqrt((residuals**2).sum(axis=1) / max(subjects - 2, 1) * (1 / held).sum(axis=0))
    threshold = float(stdtrit(max(subjects - 2, 1), 1 - alpha / 2))
    return enough & (np.abs(means[0] - means[1]) > threshold * spread)
