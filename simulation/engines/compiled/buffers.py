"""In the kernel: the buffers of a site by the number of its active subjects (rule E)."""

from __future__ import annotations

from allocation.rules.banded_buffer import band_index
from simulation.engines.compiled.parts import part
from simulation.engines.compiled.pointers import view


@part
def band(at, ints, site, held):
    """The place of the band that holds at a site, -1 where its kit type has none; `held` is the place of the two in a table."""
    begin = ints[at.bands_start + held]
    bands = ints[at.bands_start + held + 1] - begin
    if bands == 0:
        return -1
    return begin + band_index(
        view(ints, at.bands_from_subjects + begin, bands), ints[at.active_subjects + site]
    )
