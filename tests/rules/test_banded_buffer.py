"""Rule E: the band of a site by its active subjects, and what is no table of bands."""

from __future__ import annotations

import pytest

from allocation.errors import InvalidParameter
from allocation.rules.banded_buffer import MOST_BANDS, BufferBand, choose_band

BANDS = (BufferBand(0, 1, 3), BufferBand(3, 2, 5), BufferBand(10, 4, 9))


@pytest.mark.parametrize(
    ("active", "buffers"), [(0, (1, 3)), (2, (1, 3)), (3, (2, 5)), (9, (2, 5)), (10, (4, 9)), (500, (4, 9))]
)
def test_a_band_holds_from_its_start_up_to_the_next(active: int, buffers: tuple[int, int]) -> None:
    found = choose_band(BANDS, active)
    assert (found.min_buffer, found.max_buffer) == buffers
    assert found.active_subjects == active
    assert found.from_subjects <= active
    assert found.until_subjects is None or active < found.until_subjects


def test_fifty_bands_are_possible_and_fifty_one_are_not() -> None:
    bands = [BufferBand(start, start, start + 2) for start in range(MOST_BANDS + 1)]
    assert choose_band(bands[:-1], 49).min_buffer == 49
    with pytest.raises(InvalidParameter, match="51 bands"):
        choose_band(bands, 49)


@pytest.mark.parametrize(
    "bands",
    [
        (),
        (BufferBand(1, 1, 3),),
        (BufferBand(0, 1, 3), BufferBand(0, 2, 4)),
        (BufferBand(0, 1, 3), BufferBand(5, 1, 3), BufferBand(4, 1, 3)),
        (BufferBand(0, 3, 1),),
        (BufferBand(0, -1, 1),),
    ],
)
def test_bands_with_a_gap_out_of_order_or_upside_down_are_refused(bands: tuple[BufferBand, ...]) -> None:
    with pytest.raises(InvalidParameter) as refused:
        choose_band(bands, 1)
    assert refused.value.field == "bands"


def test_a_negative_number_of_subjects_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="0 or more"):
        choose_band(BANDS, -1)
