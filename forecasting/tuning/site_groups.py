"""Groups of sites and kit types that have one set of thresholds: all alike, or by tier (profile), country, kit type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from forecasting.tuning.errors import BadTuning
from simulation.replicates.run import Run

KEYS: Final = ("tier", "country", "kit_type")


@dataclass(frozen=True, eq=False)
class Group:
    """Where a set of thresholds holds; None: everywhere. `cells` by site and kit type."""

    country: str | None
    profile: str | None
    kit_type: str | None
    cells: NDArray[np.bool_]

    @property
    def name(self) -> str:
        """Such as `HIGH K20`; `all`."""
        return " ".join(one for one in (self.profile, self.country, self.kit_type) if one) or "all"

    def keys(self) -> dict[str, Any]:
        """Where it holds, as a row of a report says it."""
        return {
            "country": self.country,
            "profile": self.profile,
            "site": None,
            "depot": None,
            "kit_type": self.kit_type,
        }


def parse_by(words: list[str]) -> tuple[str, ...]:
    """The keys of `--by tier,kit-type`, in the order of KEYS. Raises BadTuning."""
    given = [one.strip().replace("-", "_").replace(" ", "_") for word in words for one in word.split(",")]
    for one in given:
        if one not in KEYS:
            raise BadTuning(
                f"there is no grouping by {one}", field="--by", fix="choose tier, country or kit-type"
            )
    return tuple(key for key in KEYS if key in given)


def groups_by(run: Run, keys: tuple[str, ...]) -> tuple[Group, ...]:
    """The groups by these keys; none: one group of everything. Raises BadTuning where a tier is asked for that no site has."""
    sites, kit_types = run.protocol.sites, run.names.kit_types
    if "tier" in keys and not any(site.profile for site in sites):
        raise BadTuning(
            "no site of the protocol has a profile",
            field="--by",
            fix="leave tier out, or give the sites profiles",
        )
    cells: dict[tuple[str | None, str | None, str | None], NDArray[np.bool_]] = {}
    for row, site in enumerate(sites):
        for column, kit_type in enumerate(kit_types):
            key = (
                site.country if "country" in keys else None,
                site.profile if "tier" in keys else None,
                kit_type if "kit_type" in keys else None,
            )
            mask = cells.setdefault(key, np.zeros((len(sites), len(kit_types)), dtype=np.bool_))
            mask[row, column] = True
    # Sites without a profile come first: their row holds for all, and those of profiles go before it.
    ordered = sorted(cells.items(), key=lambda item: tuple(one or "" for one in item[0]))
    return tuple(Group(*key, mask) for key, mask in ordered)
