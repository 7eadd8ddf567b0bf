"""How many replicates certify a probability: exact binomial bounds (Clopper & Pearson 1934)."""

from __future__ import annotations

from math import ceil, log

from scipy.stats import beta


def replicates_without_failure(probability: float, confidence: float = 0.95) -> int:
    """The least number of replicates without a failure that shows the failure's probability to be at most `probability`."""
    return ceil(log(1 - confidence) / log(1 - probability))


def upper_bound(failures: int, replicates: int, confidence: float = 0.95) -> float:
    """The one-sided upper confidence bound of a failure's probability."""
    return float(beta.ppf(confidence, failures + 1, replicates - failures))
