"""The root of the errors of the tuning.

TuningError (ForecastError)
├── BadTuning       what is asked for contradicts itself or the study: `field` names the option
└── OtherTuning     the folder holds what was evaluated of another trial
"""

from __future__ import annotations

from forecasting.errors import ForecastError


class TuningError(ForecastError):
    """Root of what can go wrong when thresholds are tuned."""

    default_code = "tuning"


class BadTuning(TuningError):
    """A risk, grid, grouping or baseline that cannot be; `field` names the option."""

    default_code = "bad-tuning"


class OtherTuning(TuningError):
    """The folder cannot be written to, or holds what was evaluated of another plan, seed or version."""

    default_code = "other-tuning"
