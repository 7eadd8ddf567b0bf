"""Where a trial stands that does not begin empty."""

from __future__ import annotations

from typing import Any, NamedTuple, get_type_hints

from simulation.engines.plan_arrays import Floats, Ints, floats, ints


class Present(NamedTuple):
    """Where a trial stands when day 0 begins (`simulation/live_start/` reads it from a ledger); days before day 0 are below 0.

    Of what is under way, the laws are laws of the DAY itself, from 0 on, given that it has not come yet; they are drawn at the
    address that the site, the subject's number or the day of the order has in any trial. Draws of a shipment are addressed by its day
    plus `origin`.

    By site: the day of its last order, or NOT_YET; the day on which it opened, or NOT_OPEN, then with the law of its opening and the
    chance that there is none; how many were screened there; its mean rate on day `since` with the shape of its spread (0: none), and
    where the arrivals stand: `operational` time is used up, and with seasons the level of `intensity` at time t is `base` + t x `slope`.

    By subject in screening or on study, in order of screening: `arm` -1 in screening, then `law` is of the day of the decision,
    `eligible` 1 where that is known and `stratum` -1 where it is not; else of the day of visit `visit`, `skipped` 1 where the last
    dispensing visit was missed, `titrated` 1 where the dose was decided about before, and `leaving_law` of leaving, or NOT_LEAVING.

    By group of blocks: what the open block has given. By shipment: its site, the address of its draws, the law of its receipt,
    whether it has left, and its kits by lot. `so_far` are the outcomes before day 0.
    """

    there: int
    origin: int
    last_order: Ints
    opened: Ints
    opening_law: Ints
    never_opens: Floats
    screened: Ints
    rate: Floats
    shape: Floats
    since: Ints
    operational: Floats
    base: Floats
    slope: Floats
    depot_stock: Ints
    stock: Ints
    caps_used: Ints
    allocated: Ints
    block_size: Ints
    taken: Ints
    subjects: int
    site: Ints
    number: Ints
    arm: Ints
    level: Ints
    stratum: Ints
    eligible: Ints
    visit: Ints
    skipped: Ints
    titrated: Ints
    day0: Ints
    law: Ints
    leaving_law: Ints
    shipments: int
    shipment_site: Ints
    shipment_index: Ints
    shipment_left: Ints
    shipment_law: Ints
    contents: Ints
    so_far: Floats


NOT_OPEN = 1 << 30
"""In `Present.opened`."""

NOT_YET = -(1 << 30)
"""The day of what has not happened: of a site's last order, or first screening."""


def nothing_yet() -> Present:
    """Of a trial that begins on day 0."""
    empty: dict[Any, Any] = {int: 0, Ints: ints([]), Floats: floats([])}
    return Present(**{name: empty[kind] for name, kind in get_type_hints(Present).items()})
