"""The root of the errors of this package."""

from __future__ import annotations

from allocation.errors import RTSMError


class ForecastError(RTSMError):
    """A forecast cannot be made from what was given; `field` names it."""

    default_code = "forecast"
