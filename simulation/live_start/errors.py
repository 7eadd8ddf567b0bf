"""The error of a live start."""

from __future__ import annotations

from simulation.errors import SimulationError


class LiveStartError(SimulationError):
    """A scenario cannot go on from a study's present state; `field` names the option or the part of the scenario."""

    default_code = "live-start"
