"""Response-adaptive targets against reference numbers, and ratio updates: whole, never 0, with the facts they came from."""

from __future__ import annotations

from fractions import Fraction
from math import comb, exp, fsum, lgamma, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.errors import InvalidParameter
from allocation.rules.allocation_targets import (
    chances_of_being_best,
    doubly_adaptive,
    neyman,
    play_the_winner_limit,
    rsihr,
    tempered,
)
from allocation.rules.play_the_winner import urn_moments, urn_shares
from allocation.rules.response_adaptive import (
    AdaptiveTarget,
    ArmResults,
    UpdateDesign,
    ratio_update,
    whole_ratio,
)


def results(*counts: tuple[int, int, int]) -> list[ArmResults]:
    return [ArmResults(f"T{index}", *of) for index, of in enumerate(counts)]


@pytest.mark.parametrize(
    ("first", "second", "best", "half", "tuned"),
    [
        ((3, 10), (7, 10), 0.95694553, 0.82500618, 0.57691652),
        ((5, 20), (8, 20), 0.83678818, 0.69365463, 0.58100599),
        ((1, 5), (4, 6), 0.92249417, 0.77527911, 0.53400245),
    ],
)
def test_thompsons_chances_and_their_tempered_allocations_are_the_published_ones(
    first, second, best, half, tuned
) -> None:
    won, treated = (first[0], second[0]), (first[1], second[1])
    chances = chances_of_being_best(won, treated)
    assert chances[1] == pytest.approx(best, abs=5.1e-9)
    assert tempered(chances, 0.5)[1] == pytest.approx(half, abs=5.1e-9)
    data = results((treated[0], treated[0], won[0]), (treated[1], treated[1], won[1]))
    update = ratio_update(UpdateDesign(AdaptiveTarget.THOMPSON, 10, planned=100), data)
    assert update.power == sum(treated) / 200
    assert update.target[1] == pytest.approx(tuned, abs=5.1e-9)


def second_is_better(won, treated) -> Fraction:
    """P(p2 > p1) with uniform priors as a closed sum in rational arithmetic."""
    a, b, c, d = won[0] + 1, treated[0] - won[0] + 1, won[1] + 1, treated[1] - won[1] + 1

    def beta(x: int, y: int) -> Fraction:
        return Fraction(1, (x + y - 1) * comb(x + y - 2, x - 1))

    return sum((beta(a + i, b + d) / ((d + i) * beta(1 + i, d) * beta(a, b)) for i in range(c)), Fraction(0))


def lbeta(x: int, y: int) -> float:
    return lgamma(x) + lgamma(y) - lgamma(x + y)


@given(st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), st.integers(0, 60)))
def test_the_integral_equals_the_closed_sum_of_two_arms(counts) -> None:
    won = counts[0], counts[2]
    treated = counts[0] + counts[1], counts[2] + counts[3]
    chances = chances_of_being_best(won, treated)
    assert chances[1] == pytest.approx(float(second_is_better(won, treated)), abs=1e-11)


def test_six_thousand_results_in_each_arm_are_integrated_to_nine_digits() -> None:
    a, b, c, d = 3_001, 3_001, 3_101, 2_901
    logs = [
        lbeta(a + i, b + d) - log(d + i) - lbeta(1 + i, d) - lbeta(a, b) for i in range(c)
    ]  # the closed sum again, in logarithms
    chances = chances_of_being_best((3_000, 3_100), (6_000, 6_000))
    assert chances[1] == pytest.approx(fsum(exp(term) for term in logs), abs=1e-9)


def test_three_arms_with_equal_results_have_one_third_each_and_many_results_stay_accurate() -> None:
    assert chances_of_being_best((4, 4, 4), (9, 9, 9)) == pytest.approx([1 / 3] * 3)
    assert chances_of_being_best((300, 300), (600, 600)) == pytest.approx([0.5, 0.5], abs=1e-10)


def test_a_stronger_prior_draws_the_chances_together() -> None:
    weak = chances_of_being_best((1, 4), (5, 6))
    strong = chances_of_being_best((1, 4), (5, 6), (10, 10))
    assert 0.5 < strong[1] < weak[1]


def test_the_targets_for_07_and_04_are_the_published_ones() -> None:
    assert neyman((0.7, 0.4))[0] == pytest.approx(0.48331477, abs=5.1e-9)
    assert rsihr((0.7, 0.4))[0] == pytest.approx(0.56949913, abs=5.1e-9)
    assert play_the_winner_limit((0.7, 0.4))[0] == pytest.approx(0.66666667, abs=5.1e-9)


def test_the_function_of_hu_and_zhang_gives_the_published_value_and_its_limits() -> None:
    assert doubly_adaptive((55, 45), (0.6, 0.4), 2)[0] == pytest.approx(0.69318542, abs=5.1e-9)
    assert doubly_adaptive((55, 45), (0.6, 0.4), 0) == pytest.approx((0.6, 0.4))
    assert doubly_adaptive((60, 40), (0.6, 0.4), 5) == pytest.approx((0.6, 0.4))
    assert doubly_adaptive((0, 9), (0.6, 0.4), 2) == (1, 0)
    assert doubly_adaptive((0, 0), (0.6, 0.4), 2) == pytest.approx((0.6, 0.4))
    assert doubly_adaptive((1, 9_999), (0.9, 0.1), 500)[0] == pytest.approx(1)


@pytest.mark.parametrize(
    ("subjects", "share", "variance"),
    [(10, 0.59316623, 3.90206205), (25, 0.62314621, 12.9426599), (50, 0.63884049, 30.5371006)],
)
def test_the_play_the_winner_urn_has_the_published_exact_moments(subjects, share, variance) -> None:
    moments = urn_moments((0.7, 0.4), subjects)
    assert moments.mean_share == pytest.approx(share, abs=5.1e-9)
    assert moments.variance == pytest.approx(variance, rel=5e-9)


def test_the_urn_adds_a_ball_of_the_arm_for_a_success_and_of_the_other_for_a_failure() -> None:
    assert urn_shares((3, 1), (4, 5)) == pytest.approx((8 / 11, 3 / 11))
    assert urn_shares((3, 1), (4, 5), start=2, added=3) == pytest.approx((23 / 31, 8 / 31))
    assert urn_shares((0, 0), (0, 0)) == (0.5, 0.5)


SHARES = st.lists(st.floats(0.001, 1), min_size=2, max_size=6).map(lambda v: [x / sum(v) for x in v])


@given(SHARES, st.integers(6, 200))
def test_a_ratio_is_whole_sums_to_its_total_and_leaves_no_arm_out(shares, total) -> None:
    ratio = whole_ratio(shares, total)
    assert sum(ratio) == total
    assert min(ratio) >= 1
    if min(shares) * total >= 1:
        assert all(abs(whole - share * total) < 1 for whole, share in zip(ratio, shares, strict=True))


def test_rounding_gives_the_largest_remainder_first_and_the_earlier_arm_where_equal() -> None:
    assert whole_ratio((0.46, 0.29, 0.25), 10) == (5, 3, 2)
    assert whole_ratio((0.5, 0.5), 5) == (3, 2)
    assert whole_ratio((0.98, 0.01, 0.01), 4) == (2, 1, 1)
    assert whole_ratio((0.3, 0.7), 10) == (3, 7)


@pytest.mark.parametrize("target", list(AdaptiveTarget))
@pytest.mark.parametrize("gamma", [None, 2.0])
def test_an_update_holds_what_gives_the_same_ratio_again(target, gamma) -> None:
    update = ratio_update(UpdateDesign(target, 12, gamma=gamma), results((20, 18, 12), (21, 17, 6)))
    assert ratio_update(update.design, update.results) == update
    assert sum(update.ratio) == 12
    assert update.rates == pytest.approx((13 / 20, 7 / 19))
    assert sum(update.target) == pytest.approx(1)
    if target is not AdaptiveTarget.NEYMAN:
        assert update.ratio[0] > update.ratio[1]
    if gamma is None:
        assert update.shares == update.target


def test_thompson_and_neyman_serve_three_arms() -> None:
    data = results((10, 10, 2), (10, 10, 5), (10, 10, 8))
    ratio = ratio_update(UpdateDesign(AdaptiveTarget.THOMPSON, 12), data).ratio
    assert ratio[0] < ratio[1] < ratio[2]
    assert ratio_update(UpdateDesign(AdaptiveTarget.NEYMAN, 12), data).ratio == (4, 4, 4)


def test_before_any_result_every_target_asks_for_equal_shares() -> None:
    for target in AdaptiveTarget:
        assert ratio_update(UpdateDesign(target, 4), results((0, 0, 0), (0, 0, 0))).ratio == (2, 2)


REFUSED = [
    (lambda: ArmResults("A", 5, 6, 2), "results"),
    (lambda: ArmResults("A", 5, 4, 5), "results"),
    (lambda: UpdateDesign(AdaptiveTarget.NEYMAN, 1), "total"),
    (lambda: UpdateDesign(AdaptiveTarget.NEYMAN, 4, prior=(0, 1)), "prior"),
    (lambda: UpdateDesign(AdaptiveTarget.THOMPSON, 4, power=1.5), "power"),
    (lambda: UpdateDesign(AdaptiveTarget.THOMPSON, 4, planned=0), "planned"),
    (lambda: ratio_update(UpdateDesign(AdaptiveTarget.NEYMAN, 4), results((1, 1, 1))), "results"),
    (lambda: ratio_update(UpdateDesign(AdaptiveTarget.RSIHR, 4), results(*[(4, 4, 2)] * 3)), "method"),
    (
        lambda: ratio_update(UpdateDesign(AdaptiveTarget.PLAY_THE_WINNER_URN, 4), results(*[(4, 4, 2)] * 3)),
        "method",
    ),
    (lambda: ratio_update(UpdateDesign(AdaptiveTarget.NEYMAN, 2), results(*[(4, 4, 2)] * 3)), "total"),
    (
        lambda: ratio_update(UpdateDesign(AdaptiveTarget.NEYMAN, 4, gamma=-1), results(*[(4, 4, 2)] * 2)),
        "gamma",
    ),
    (lambda: neyman((0.0, 0.4)), "rates"),
    (lambda: whole_ratio((0.5, 0.6), 4), "shares"),
    (lambda: chances_of_being_best((3, 2), (2, 2)), "successes"),
    (lambda: urn_moments((0.5, 0.5), 0), "subjects"),
    (lambda: urn_moments((0.5, 1.5), 5), "rates"),
    (lambda: urn_shares((1, 1), (2, 2), start=0), "start"),
    (lambda: urn_shares((3, 1), (2, 2)), "successes"),
]


@pytest.mark.parametrize(
    ("act", "field"), REFUSED, ids=[f"{index}-{field}" for index, (_, field) in enumerate(REFUSED)]
)
def test_what_cannot_be_is_refused_naming_the_field(act, field) -> None:
    with pytest.raises(InvalidParameter) as refused:
        act()
    assert refused.value.field == field
