"""Where a cap holds, in the kernel: caps on people and caps on forced randomization alike."""

from __future__ import annotations

from simulation.engines.compiled.parts import part
from simulation.engines.plan import SCOPE_COUNTRY, SCOPE_SITE


@part
def is_within(at, ints, site, scope, place):
    """Whether a site is the one, or in the country, that a scope and place mean; the study is everywhere."""
    if scope == SCOPE_COUNTRY:
        return place == ints[at.sites_country + site]
    if scope == SCOPE_SITE:
        return place == site
    return True
