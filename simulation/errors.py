"""The root of the errors of this package.

SimulationError (RTSMError)
├── NotSimulated                a protocol or scenario asks for what the engines do not play
├── fitting.errors.FitError      a scenario cannot be fitted to a ledger
├── live_start.errors.LiveStartError   a scenario cannot go on from a study's present state
├── order_replay.errors.OrderReplayError   a ledger holds what the replay of orders does not play
└── replay.errors.ReplayError   a recorded study cannot be read, played or compared
"""

from __future__ import annotations

from allocation.errors import RTSMError


class SimulationError(RTSMError):
    """Root of what can go wrong when a simulated or a recorded study is played."""

    default_code = "simulation-error"


class NotSimulated(SimulationError):
    """A protocol or scenario asks for what the simulator's engines do not play; `field` names it."""

    default_code = "not-simulated"
