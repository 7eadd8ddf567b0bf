"""Which version a subject's visits follow, over every history of up to four versions and every visit."""

from decimal import Decimal
from itertools import product

import pytest

from allocation.rules.amendments import version_at, versions_by_visit

NEXT, STAYS = "next visit", "stays"
RULES = (NEXT, STAYS, Decimal(2), Decimal(4))
"""How a version moves the subjects on study; a number: from the visit of that number on."""


def step_by_step(in_force: int, randomized_under: int, rules: tuple[object, ...], visit: Decimal) -> int:
    """The rule as people say it: each later version in force, one after another, takes the visit along or leaves it."""
    followed = randomized_under
    for version in range(randomized_under + 1, in_force + 1):
        rule = rules[version - 1]
        if rule == NEXT or (isinstance(rule, Decimal) and visit >= rule):
            followed = version
    return followed


@pytest.mark.parametrize("in_force", [1, 2, 3, 4])
def test_a_visit_follows_the_last_version_that_moved_it(in_force: int) -> None:
    for rules in product(RULES, repeat=in_force):
        moves_to = max((n for n in range(1, in_force + 1) if rules[n - 1] == NEXT), default=None)
        from_visits = [(n, rule) for n, rule in enumerate(rules, 1) if isinstance(rule, Decimal)]
        for randomized_under in range(1, in_force + 1):
            versions = versions_by_visit(in_force, randomized_under, moves_to, from_visits)
            assert [start for start, _ in versions[:1]] == [None]
            assert list(versions[1:]) == sorted(versions[1:])
            assert len({version for _, version in versions}) == len(versions)
            for visit in map(Decimal, ("1", "2", "3", "4", "4.5")):
                expected = step_by_step(in_force, randomized_under, rules, visit)
                assert version_at(versions, visit) == expected
            assert version_at(versions, None) == step_by_step(in_force, randomized_under, rules, Decimal(0))


def test_who_is_not_randomized_goes_by_the_version_in_force() -> None:
    for moves_to, from_visits in ((None, ()), (2, ()), (None, ((2, Decimal(4)),))):
        assert versions_by_visit(3, None, moves_to, from_visits) == ((None, 3),)
