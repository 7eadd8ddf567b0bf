"""The two buffers of each site and kit type as a plan has them: as they are set, computed (rule D), or by bands of subjects (rule E)."""

from __future__ import annotations

from itertools import accumulate

from allocation.study.buffers import provided_buffers
from allocation.study.newcomers import newcomers
from allocation.study.protocol import Protocol
from simulation.engines.parameter_periods import Held
from simulation.engines.plan import Bands
from simulation.engines.plan_arrays import Ints, ints


def buffers_of(protocol: Protocol, held: Held) -> tuple[Ints, Ints]:
    """The lower and the upper buffers by period, site and kit type; those of bands are for a site without active subjects."""
    every = [
        (kit_type.code, found)
        for period in held
        for row in period
        for kit_type, found in zip(protocol.kit_types, row, strict=True)
    ]
    computed = any(found.buffer_from == "computed" and not found.paused for _, found in every)
    coming = newcomers(protocol) if computed else None
    buffers = [(found.min_buffer, found.max_buffer) for _, found in every]
    for index, (kit_type, found) in enumerate(every):
        # Nobody asks the provider of a kit type that is paused.
        if found.buffer_from != "min_max" and not found.paused:
            provided = provided_buffers(protocol, kit_type, found, 0, coming).parameters
            buffers[index] = provided.min_buffer, provided.max_buffer
    shape = len(held), len(protocol.sites), len(protocol.kit_types)
    return (
        ints([least for least, _ in buffers]).reshape(shape),
        ints([most for _, most in buffers]).reshape(shape),
    )


def bands_of(held: Held) -> Bands:
    """The bands of those that are given their buffers by active subjects."""
    bands = [
        found.bands if found.buffer_from == "bands" else ()
        for period in held
        for row in period
        for found in row
    ]
    return Bands(
        any=any(bands),
        start=ints([0, *accumulate(len(one) for one in bands)]),
        from_subjects=ints([band.from_subjects for one in bands for band in one]),
        min_buffer=ints([band.min_buffer for one in bands for band in one]),
        max_buffer=ints([band.max_buffer for one in bands for band in one]),
    )
