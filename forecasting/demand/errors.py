"""The root of the errors of the demand forecast.

DemandError (ForecastError)
├── BadInterim      a file of an interim cut cannot be read: `field` is file, line and column
└── BadRequest      what is asked for cannot be forecast from this cut
"""

from __future__ import annotations

from forecasting.errors import ForecastError


class DemandError(ForecastError):
    """Root of what can go wrong when demand is forecast."""

    default_code = "demand-forecast"


class BadInterim(DemandError):
    """A file of an interim cut is absent, lacks a column or holds a value that cannot be; `field` names file, line and column."""

    default_code = "bad-interim"


class BadRequest(DemandError):
    """A date, target or number of draws that does not fit the cut; `field` names the option."""

    default_code = "bad-forecast-request"
