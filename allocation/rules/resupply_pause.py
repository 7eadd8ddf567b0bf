"""Whether automatic orders are paused for a site and kit type: by the protocol's parameter, or by hand at run time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause by hand: of a site, of a kit type, of both together, or (neither named) of the whole study. `since`: UTC."""

    site_id: str | None
    kit_type: str | None
    by: str
    reason: str
    since: datetime

    def holds_for(self, site_id: str, kit_type: str) -> bool:
        """Whether it stops orders of this kit type for this site."""
        return self.site_id in (None, site_id) and self.kit_type in (None, kit_type)

    def __str__(self) -> str:
        """Such as `paused by anna since 2026-03-05 because the refrigerator is being repaired`."""
        return f"paused by {self.by} since {self.since:%Y-%m-%d} because {self.reason}"


def why_paused(site_id: str, kit_type: str, set_by: str | None, pauses: Sequence[Pause]) -> str | None:
    """Why the site is not sent this kit type, in words; None where it is. `set_by`: the parameter set of the protocol that pauses it.

    A pause by hand is told first, the widest of several: whoever lifts it must know of it. Resuming one leaves the others.
    """
    holding = [one for one in pauses if one.holds_for(site_id, kit_type)]
    if holding:
        return str(min(holding, key=lambda one: (one.site_id is not None, one.kit_type is not None)))
    return None if set_by is None else f"paused by the protocol ({set_by})"
