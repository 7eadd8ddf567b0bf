"""Which two buffers hold at a place for a kit type: as they are set, computed (rule D), or by bands of active subjects (rule E)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from allocation.errors import InvalidParameter
from allocation.rules.banded_buffer import BandedBuffer, BufferBand, choose_band
from allocation.rules.computed_buffer import ComputedBuffer, check_confidence, compute_buffer
from allocation.study.newcomers import Newcomers, newcomers

if TYPE_CHECKING:
    from allocation.rules.resupply import ResupplyParameters
    from allocation.study.parameters import EffectiveParameters
    from allocation.study.protocol import Protocol


_computed = lru_cache(maxsize=1024)(compute_buffer)
"""Sites of one rate have one result: a run over hundreds of sites computes it once."""


@dataclass(frozen=True, slots=True)
class ProvidedBuffers:
    """The thresholds for the resupply rule, and the provider's record; `record` is None for buffers that are set."""

    parameters: ResupplyParameters
    record: ComputedBuffer | BandedBuffer | None


def provided_buffers(
    protocol: Protocol,
    kit_type: str,
    parameters: EffectiveParameters,
    active_subjects: int,
    coming: Newcomers | None = None,
) -> ProvidedBuffers:
    """Ask the provider that `buffer_from` names; `coming` are the protocol's newcomers, where the caller has them.

    Raises InvalidParameter naming the field that the provider cannot take.
    """
    record: ComputedBuffer | BandedBuffer
    if parameters.buffer_from == "computed":
        if parameters.sources["enrolment_per_month"].level == "unset":
            raise InvalidParameter(
                "is not set, and buffer_from computed goes by it",
                field="enrolment_per_month",
                fix="give the subjects that a site randomizes in a month; 0 where it recruits nobody any more",
            )
        check_confidence(float(parameters.confidence))
        coming = newcomers(protocol) if coming is None else coming
        record = _computed(
            float(parameters.enrolment_per_month),
            float(parameters.confidence),
            coming.ratio,
            coming.dispensings[kit_type],
            parameters.short_window,
            parameters.long_window,
        )
    elif parameters.buffer_from == "bands":
        bands = [BufferBand(one.from_subjects, one.min_buffer, one.max_buffer) for one in parameters.bands]
        record = choose_band(bands, active_subjects)
    else:
        return ProvidedBuffers(parameters.for_rule(), None)
    return ProvidedBuffers(parameters.for_rule((record.min_buffer, record.max_buffer)), record)


SET_BY: Final = {"min_max": "max_buffer", "computed": "confidence", "bands": "bands"}
"""Provider -> the parameter that one changes to widen the buffers."""


def possible_buffers(
    protocol: Protocol, kit_type: str, parameters: EffectiveParameters, coming: Newcomers | None = None
) -> tuple[tuple[int, int], ...]:
    """Every (min, max) that the provider may give, one for each band. Raises InvalidParameter as `provided_buffers`."""
    if parameters.buffer_from == "bands":
        return tuple((band.min_buffer, band.max_buffer) for band in parameters.bands)
    found = provided_buffers(protocol, kit_type, parameters, 0, coming).parameters
    return ((found.min_buffer, found.max_buffer),)
