"""Which of an event's lists in use a randomization draws from: the one made for the protocol version in force, or one that still fits.

While a version is loaded but not yet in force, or in force in one country and not in another, an event may have a list in use for each:
at a site, the version in force there decides. What a list was made by (its basis) are JSON values, stored with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

VERSION: Final = "list-choice/1"

OWN_LIST: Final = "list"
"""The method of an event that draws from the statistician's own list, by whatever method that was made."""

Basis = Mapping[str, Any]
"""`held_by`, `block_assignment`, `method`, `parameters`, `block_sizes` (empty: any), and `runs`: each run's [arm, share] pairs.

A list that was stored before all of these were kept has fewer, and is judged by those that it has.
"""


@dataclass(frozen=True, slots=True)
class ListInUse:
    """An active list and its basis. `since`: the first protocol version that said just that (0: stored before this was kept)."""

    list_id: str
    since: int
    basis: Basis


@dataclass(frozen=True, slots=True)
class VersionInForce:
    """A protocol version, and the basis of the event under it."""

    version: int
    basis: Basis


def same_basis(made_for: Basis, now: Basis) -> bool:
    """Whether a list made for the one basis is a list made for the other: every run may be drawn from it."""
    return all(now[name] == value for name, value in made_for.items())


def fits_run(made_for: Basis, now: Basis, run: str) -> bool:
    """Whether entries made for the one basis may be drawn for a run of the other.

    Holders, assignment of blocks and the run's own ratio are the same; so are method and parameters, unless the list is the
    statistician's own; and no block is of a size that is not allowed any more. Runs of dynamic blocks are served from one central run,
    which has the same ratio for all.
    """
    if any(made_for[name] != now[name] for name in ("held_by", "block_assignment")):
        return False
    is_central = now["block_assignment"] == "dynamic"
    ratios = list(made_for["runs"].values()) if is_central else [made_for["runs"].get(run)]
    by_method = now["method"] == OWN_LIST or all(
        made_for.get(name, now[name]) == now[name] for name in ("method", "parameters")
    )
    return by_method and now["runs"].get(run) in ratios and _sizes_allowed(made_for, now)


def _sizes_allowed(made_for: Basis, now: Basis) -> bool:
    if not now["block_sizes"] or "block_sizes" not in made_for:
        return True
    made = set(made_for["block_sizes"])
    return bool(made) and made <= set(now["block_sizes"])


def choose_list(lists: Iterable[ListInUse], now: VersionInForce, run: str) -> str | None:
    """The list that a subject of that run draws from; None when none fits.

    A list made for just what the version in force says goes before all; else the latest one that fits the run, of those made for what
    an earlier version said: what only a later version says waits for it.
    """
    exact = [one for one in lists if same_basis(one.basis, now.basis)]
    fitting = exact or [
        one for one in lists if one.since <= now.version and fits_run(one.basis, now.basis, run)
    ]
    return max(fitting, key=lambda one: (one.since, one.list_id)).list_id if fitting else None


def lists_retired_by(
    new: ListInUse, active: Sequence[ListInUse], versions: Iterable[VersionInForce]
) -> tuple[str, ...]:
    """The active lists that the activation of `new` retires, in their order.

    Those are: a list of the same basis, and one that no run of `versions`, the versions in force anywhere or to come, draws from any more.
    """
    others = [one for one in active if one.basis != new.basis]
    drawn_from = {
        choose_list([*others, new], version, run) for version in versions for run in version.basis["runs"]
    }
    return tuple(one.list_id for one in active if one.basis == new.basis or one.list_id not in drawn_from)
