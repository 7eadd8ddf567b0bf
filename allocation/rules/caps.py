"""Caps: upper limits on screening and randomization."""

from __future__ import annotations

from allocation.rules.compilable import compilable


@compilable
def cap_reached(count: int, limit: int) -> bool:
    """Return whether one subject more would pass the cap: `count` are those who count toward it now."""
    return count >= limit
