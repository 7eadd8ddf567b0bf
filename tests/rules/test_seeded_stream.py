"""The seeded stream: published known answers, an independent implementation, uniformity, and numbers that cannot collide."""

from __future__ import annotations

from collections import Counter
from itertools import islice, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare, spearmanr

from allocation.errors import InvalidParameter, RuleError
from allocation.rules.seeded_stream import ScrambledNumbers, SeededStream, stream_key
from tests.rules.philox_reference import below, philox_block, words

seeds = st.integers(0, 2**128)


def test_the_reference_implementation_gives_the_published_known_answers() -> None:
    """Random123's kat_vectors, philox4x64 with 10 rounds."""
    assert philox_block((0, 0, 0, 0), (0, 0)) == (
        0x16554D9ECA36314C,
        0xDB20FE9D672D0FDC,
        0xD7E772CEE186176B,
        0x7E68B68AEC7BA23B,
    )


@given(seeds, st.lists(st.text(max_size=8), max_size=3))
def test_the_stream_is_philox_as_published(seed, parts) -> None:
    stream = SeededStream("test/1", seed, *parts)
    assert [stream.word() for _ in range(70)] == list(islice(words("test/1", seed, *parts), 70))


@given(seeds, st.lists(st.integers(1, 2**64), max_size=20))
def test_bounded_numbers_follow_the_written_definition(seed, bounds) -> None:
    stream, reference = SeededStream("test/1", seed), words("test/1", seed)
    for bound in bounds:
        drawn = stream.below(bound)
        assert 0 <= drawn < bound
        assert drawn == below(reference, bound)


def test_words_of_the_incomplete_last_multiple_are_thrown_away() -> None:
    """With this bound nearly half of the words are rejected, so a stream that kept them would differ at once."""
    stream, reference = SeededStream("test/1", 5), words("test/1", 5)
    drawn = [stream.below(2**63 + 1) for _ in range(50)]
    assert drawn == [word for word in islice(reference, 200) if word <= 2**63][:50]
    assert drawn != list(islice(words("test/1", 5), 50))


def test_parts_that_only_join_to_the_same_text_address_different_streams() -> None:
    addresses = {
        stream_key("p", 1, "a", "b"),
        stream_key("p", 1, "ab"),
        stream_key("p", 1, "a,b"),
        stream_key("p", 11),
    }
    assert len(addresses) == 4


def test_every_order_of_four_is_equally_likely() -> None:
    stream = SeededStream("test/uniform", 20261122)
    counts: Counter[tuple[int, ...]] = Counter()
    for _ in range(24_000):
        items = [0, 1, 2, 3]
        stream.shuffle(items)
        counts[tuple(items)] += 1
    observed = [counts[order] for order in permutations(range(4))]
    assert chisquare(observed).pvalue > 0.001


@pytest.mark.parametrize("bound", [0, -1, 2**64 + 1])
def test_a_bound_out_of_range_is_refused(bound) -> None:
    with pytest.raises(RuleError):
        SeededStream("test/1", 1).below(bound)


def test_a_negative_seed_is_refused_by_name() -> None:
    with pytest.raises(InvalidParameter) as refused:
        SeededStream("test/1", -1)
    assert refused.value.field == "seed"


@given(seeds, st.integers(0, 50), st.integers(1, 400))
def test_scrambled_numbers_are_a_permutation_of_their_range(seed, low, size) -> None:
    numbers = ScrambledNumbers(low, low + size - 1, "test/1", seed)
    assert sorted(numbers.number(index) for index in range(size)) == list(range(low, low + size))
    with pytest.raises(RuleError):
        numbers.number(size)


def test_the_order_of_scrambled_numbers_tells_nothing_of_the_index() -> None:
    numbers = ScrambledNumbers(100_000, 999_999, "test/1", 7)
    drawn = [numbers.number(index) for index in range(5_000)]
    assert spearmanr(range(5_000), drawn).pvalue > 0.001
    assert spearmanr(drawn[:-1], drawn[1:]).pvalue > 0.001
    tenths = Counter((number - 100_000) // 90_000 for number in drawn)
    assert chisquare([tenths[tenth] for tenth in range(10)]).pvalue > 0.001
