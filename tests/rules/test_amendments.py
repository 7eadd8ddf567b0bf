"""Which version a subject's visits follow, over every history of up to five versions."""

from itertools import product

import pytest

from allocation.rules.amendments import followed_version


def step_by_step(in_force: int, randomized_under: int, moves: tuple[bool, ...]) -> int:
    """The rule as people say it: each later version in force, one after another, takes the subject along or leaves it."""
    followed = randomized_under
    for version in range(randomized_under + 1, in_force + 1):
        if moves[version - 1]:
            followed = version
    return followed


@pytest.mark.parametrize("in_force", [1, 2, 3, 4, 5])
def test_a_subject_follows_the_last_version_that_moved_it(in_force: int) -> None:
    for moves in product((False, True), repeat=in_force):
        moves_to = max((version for version in range(1, in_force + 1) if moves[version - 1]), default=None)
        for randomized_under in range(1, in_force + 1):
            expected = step_by_step(in_force, randomized_under, moves)
            assert followed_version(in_force, randomized_under, moves_to) == expected


def test_who_is_not_randomized_goes_by_the_version_in_force() -> None:
    assert followed_version(3, None, None) == 3
    assert followed_version(3, None, 2) == 3
