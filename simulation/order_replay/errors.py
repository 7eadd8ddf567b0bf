"""The error of replaying a study's resupply orders."""

from __future__ import annotations

from simulation.errors import SimulationError


class OrderReplayError(SimulationError):
    """A ledger holds something that the replay of orders does not play."""

    default_code = "order-replay"
