"""Rule E: the buffers of a site by the number of its active subjects, in up to 50 bands.

A band holds from its `from_subjects` on, up to the next band's. The first band begins at 0, so that every site is in one. The buffers go
into the one resupply rule (resupply.py) as any others. Source: field note resupply.md, rule E.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from allocation.errors import InvalidParameter
from allocation.rules.compilable import IntArray, compilable

RULE_VERSION: Final = "banded-buffer/1"

MOST_BANDS: Final = 50


@compilable
def band_index(from_subjects: IntArray, active_subjects: int) -> int:
    """Return the index of the last band that begins at or below `active_subjects`; the bands are in rising order from 0."""
    found = 0
    for i in range(len(from_subjects)):
        if from_subjects[i] <= active_subjects:
            found = i
    return found


@dataclass(frozen=True, slots=True)
class BufferBand:
    """A band: from how many active subjects on which buffers hold, in kits."""

    from_subjects: int
    min_buffer: int
    max_buffer: int


@dataclass(frozen=True, slots=True)
class BandedBuffer:
    """The record of one choice: the number of active subjects, the band that it falls into, and its buffers."""

    rule_version: str
    active_subjects: int
    from_subjects: int
    until_subjects: int | None
    min_buffer: int
    max_buffer: int


def check_bands(bands: Sequence[BufferBand]) -> None:
    """Raise InvalidParameter where the bands leave a gap at 0, are out of order, too many, or have max below min."""
    if not 1 <= len(bands) <= MOST_BANDS:
        raise InvalidParameter(
            f"there are {len(bands)} bands, and 1 to {MOST_BANDS} are possible",
            field="bands",
            fix="give a band for each range of active subjects",
        )
    starts = [band.from_subjects for band in bands]
    if starts[0] != 0 or any(later <= earlier for earlier, later in pairwise(starts)):
        raise InvalidParameter(
            f"the bands begin at {', '.join(map(str, starts))} subjects",
            field="bands",
            fix="begin with from_subjects 0 and go up from band to band",
        )
    for band in bands:
        if not 0 <= band.min_buffer <= band.max_buffer:
            raise InvalidParameter(
                f"the band from {band.from_subjects} subjects has min_buffer {band.min_buffer}, max_buffer {band.max_buffer}",
                field="bands",
                fix="make 0 <= min_buffer <= max_buffer",
            )


def choose_band(bands: Sequence[BufferBand], active_subjects: int) -> BandedBuffer:
    """Choose the buffers for a site with `active_subjects` randomized subjects who have not ended.

    Raises InvalidParameter as `check_bands`, and for a negative number of subjects.
    """
    check_bands(bands)
    if active_subjects < 0:
        raise InvalidParameter(f"must be 0 or more, not {active_subjects}", field="active_subjects")
    starts = np.array([band.from_subjects for band in bands], dtype=np.int64)
    index = int(band_index(starts, active_subjects))
    following = bands[index + 1].from_subjects if index + 1 < len(bands) else None
    chosen = bands[index]
    return BandedBuffer(
        RULE_VERSION, active_subjects, chosen.from_subjects, following, chosen.min_buffer, chosen.max_buffer
    )
