"""The error of fitting a scenario."""

from __future__ import annotations

from simulation.errors import SimulationError


class FitError(SimulationError):
    """A scenario cannot be fitted to a study's ledger, or not written."""

    default_code = "scenario-fit"
