"""Kit lists that tell the type or are picked by number are found; scrambled ones are not, however often one asks."""

import math
from collections import Counter
from collections.abc import Callable
from itertools import pairwise, permutations

import numpy as np
import pytest

from allocation.rules.kit_list_leaks import (
    FALSE_ALARM,
    ListedKit,
    _runs,
    numbers_that_tell_the_type,
    numbers_without_gaps,
    picks_that_follow_numbers,
)
from allocation.rules.kit_numbers import number_kits

TYPES = ("A", "B", "C")


def in_turn(index: int) -> str:
    return TYPES[index % 3]


def listed(
    count: int, number: Callable[[int, str], object], kind: Callable[[int], str] = in_turn
) -> list[ListedKit]:
    """Kits of the types that `kind` gives by index, with the numbers that `number` gives by index and type."""
    picks = np.random.default_rng(5).permutation(count)
    return [
        ListedKit(str(number(i, kind(i))), kind(i), int(picks[i]) + 1, "2027-01-31") for i in range(count)
    ]


def test_our_own_numbers_tell_nothing_with_any_of_many_seeds() -> None:
    for seed in range(12):
        identities = number_kits(seed, 300)
        kits = [
            ListedKit(one.number, TYPES[index // 100], one.pick_sequence, "2027-01-31")
            for index, one in enumerate(identities)
        ]
        assert numbers_that_tell_the_type(kits) == ()
        assert picks_that_follow_numbers(kits) == ()
        assert not numbers_without_gaps([kit.number for kit in kits])


def test_unequal_shares_of_random_lists_are_no_leak() -> None:
    generator = np.random.default_rng(11)
    for _ in range(40):
        numbers = 1000 + generator.choice(9000, 250, replace=False)
        kinds = generator.choice(list("AAAAAAABBC"), 250)
        kits = [
            ListedKit(str(number), str(kind), index, "x")
            for index, (number, kind) in enumerate(zip(numbers, kinds, strict=True))
        ]
        assert numbers_that_tell_the_type(kits) == ()


@pytest.mark.parametrize(
    ("what", "number", "kind", "test"),
    [
        ("numbered type by type", lambda i, _: 1000 + i, lambda i: TYPES[i // 40], "runs"),
        ("numbered in turn", lambda i, _: 1000 + i, in_turn, "runs"),
        (
            "ranges that overlap",
            lambda i, k: str(1000 + i * 7919 % 601 + 300 * "ABC".index(k)),
            in_turn,
            "rank",
        ),
        (
            "a letter before the digits",
            lambda i, k: f"{'XYZ'['ABC'.index(k)]}{1000 + i * 7919 % 8999}",
            in_turn,
            "text before the digits",
        ),
        (
            "a last digit",
            lambda i, k: f"{1000 + i * 7919 % 8999}{'ABC'.index(k)}",
            in_turn,
            "character 1 from the end",
        ),
        (
            "a length",
            lambda i, k: str((100_000 if k == "C" else 10_000) + i * 7919 % 8999),
            in_turn,
            "length",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value else None,
)
def test_numbers_that_tell_the_type_are_found_by_their_test(
    what: str, number: Callable[[int, str], object], kind: Callable[[int], str], test: str
) -> None:
    leaks = numbers_that_tell_the_type(listed(120, number, kind))
    assert test in {leak.test for leak in leaks}, what
    assert all(leak.chance < FALSE_ALARM for leak in leaks)


def test_a_short_list_in_blocks_is_found_by_the_exact_chance() -> None:
    kits = listed(18, lambda i, _: 100 + i, lambda i: TYPES[i // 6])
    leaks = numbers_that_tell_the_type(kits)
    assert [leak.test for leak in leaks] == ["runs"]
    assert math.isclose(leaks[0].chance, 6 * math.factorial(6) ** 3 / math.factorial(18))


def test_a_list_too_short_to_show_anything_is_no_leak() -> None:
    assert numbers_that_tell_the_type(listed(6, lambda i, _: i, lambda i: TYPES[i // 2])) == ()
    assert picks_that_follow_numbers([ListedKit("1", "A", 1, "x"), ListedKit("2", "A", 2, "x")]) == ()


def test_one_type_has_nothing_to_tell() -> None:
    assert numbers_that_tell_the_type(listed(50, lambda i, _: i, lambda _: "A")) == ()


def test_the_chance_of_the_fewest_runs_is_that_of_all_arrangements() -> None:
    arrangements = Counter(permutations("AABBCC"))
    fewest = sum(count for one, count in arrangements.items() if sum(a != b for a, b in pairwise(one)) == 2)
    types = np.array([0, 0, 1, 1, 2, 2])
    assert math.isclose(_runs(types, np.array([2, 2, 2]))[0].chance, fewest / sum(arrangements.values()))


def test_runs_are_judged_by_the_mean_and_variance_of_shuffled_lists() -> None:
    generator = np.random.default_rng(3)
    types = np.repeat([0, 1, 2], [10, 20, 30])
    runs = np.empty(5_000)
    for index in range(len(runs)):
        shuffled = generator.permutation(types)
        runs[index] = 1 + np.count_nonzero(shuffled[1:] != shuffled[:-1])
    observed = generator.permutation(types)
    count = 1 + np.count_nonzero(observed[1:] != observed[:-1])
    score = abs(count - runs.mean()) / runs.std()
    leak = _runs(observed, np.array([10, 20, 30]))[0]
    assert math.isclose(leak.chance, math.erfc(score / math.sqrt(2)), rel_tol=0.08)


@pytest.mark.parametrize("direction", [1, -1])
def test_picks_in_the_order_of_numbers_are_found(direction: int) -> None:
    kits = [ListedKit(str(1000 + 7 * i), TYPES[i % 3], 500 + direction * i, "x") for i in range(90)]
    assert {leak.test for leak in picks_that_follow_numbers(kits)} == {"correlation", "exact order"}


def test_picks_that_nearly_follow_numbers_are_found() -> None:
    noise = np.random.default_rng(2).integers(0, 300, 150)
    kits = [ListedKit(str(1000 + i), TYPES[i % 3], 10 * i + int(noise[i]), "x") for i in range(150)]
    assert {leak.test for leak in picks_that_follow_numbers(kits)} == {"correlation"}


def test_numbers_are_ordered_by_value_and_not_as_text() -> None:
    kits = [ListedKit(f"K-{i}", "A", i + 1, "x") for i in range(1, 121)]
    assert {leak.test for leak in picks_that_follow_numbers(kits)} == {"correlation", "exact order"}


def test_gaps_are_looked_for_in_whole_numbers_only() -> None:
    assert numbers_without_gaps(["0103", "0101", "0102"])
    assert not numbers_without_gaps(["101", "103"])
    assert not numbers_without_gaps(["A1", "A2"])
    assert not numbers_without_gaps(["7"])
