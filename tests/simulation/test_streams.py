"""Random numbers depend on their address alone, and behave like uniform ones."""

from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from simulation.streams import Streams

NAMES = st.text(min_size=1, max_size=12)


@given(st.integers(0, 2**63), st.integers(0, 10_000), NAMES, NAMES, st.integers(0, 10_000))
def test_a_number_depends_on_its_address_alone(
    seed: int, replicate: int, entity: str, purpose: str, index: int
) -> None:
    fresh, used = Streams(seed, replicate), Streams(seed, replicate)
    for other in range(3):
        used.uniform("another entity", purpose, other)
    number = fresh.uniform(entity, purpose, index)
    assert number == used.uniform(entity, purpose, index)
    assert 0 < number < 1


def test_the_numbers_are_the_same_on_every_machine() -> None:
    streams = Streams(20250106, 3)
    assert [streams.uniform("DE01/7", "screening days", n).hex() for n in range(3)] == GOLDEN


GOLDEN = [
    "0x1.6195632523849p-2",
    "0x1.1dff471dc4c04p-4",
    "0x1.f945803da5abep-3",
]


def test_numbers_of_one_address_part_each_are_uniform() -> None:
    streams = Streams(1)
    by_index = [streams.uniform("a", "b", n) for n in range(4000)]
    by_entity = [streams.uniform(f"site {n}", "b") for n in range(4000)]
    by_purpose = [streams.uniform("a", f"purpose {n}") for n in range(4000)]
    by_replicate = [Streams(1, n).uniform("a", "b") for n in range(4000)]
    by_seed = [Streams(n).uniform("a", "b") for n in range(4000)]
    for numbers in (by_index, by_entity, by_purpose, by_replicate, by_seed):
        assert stats.kstest(numbers, "uniform").pvalue > 1e-4


def test_neighbouring_addresses_are_not_correlated() -> None:
    streams = Streams(1)
    left = [streams.uniform("a", "b", n) for n in range(4000)]
    right = [streams.uniform("a", "c", n) for n in range(4000)]
    assert abs(stats.pearsonr(left, right).statistic) < 0.06
    assert abs(stats.pearsonr(left[:-1], left[1:]).statistic) < 0.06
