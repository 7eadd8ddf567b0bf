"""The errors of dashboards.

DashboardError            root: catch this one at a boundary
├── PortTaken             another process listens where a part of the system is to listen
├── ChildDied             a part of the running system ended by itself, or did not come up
├── HomeInUse             another `rtsm demo` or `rtsm up` works on the same RTSM_HOME
├── DemoRefused           there is something in RTSM_HOME or the database that the demo must not touch
└── DemoFailed            the demo was made, but is not what it must be
"""


class DashboardError(Exception):
    """Root of the errors of this package."""


class PortTaken(DashboardError):
    """A port is taken; the message names it, who holds it and the option that chooses another."""


class ChildDied(DashboardError):
    """A child process of the supervisor ended or never answered; the message has its last lines."""


class HomeInUse(DashboardError):
    """The home is locked by another process."""


class DemoRefused(DashboardError):
    """The demo would have to overwrite what it did not make, or what was asked for is not what is there."""


class DemoFailed(DashboardError):
    """The demo's ledger is not intact, or its datasets were not published."""
