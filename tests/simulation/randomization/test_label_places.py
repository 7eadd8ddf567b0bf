"""Labels of the plot: beside their points, never over each other."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from simulation.randomization.label_places import place_labels
from simulation.randomization.plot import frontier

WIDTH, HEIGHT = 760.0, 500.0
points = st.lists(st.tuples(st.floats(40, WIDTH - 40), st.floats(40, HEIGHT - 40)), min_size=1, max_size=18)


@settings(max_examples=25, deadline=None)
@given(points)
def test_no_two_labels_overlap_and_none_leaves_the_frame(given_points) -> None:
    texts = [f"BCDWIT(0.667, {index})" for index in range(len(given_points))]
    placed = place_labels(given_points, texts, WIDTH, HEIGHT)
    for one, other in combinations(placed, 2):
        assert one.box.overlap(other.box) < 1
    for one in placed:
        assert one.box.left > -1
        assert one.box.right < WIDTH + 1
        assert one.box.top > -1
        assert one.box.bottom < HEIGHT + 1


def test_eight_designs_on_one_point_still_have_labels_apart() -> None:
    placed = place_labels([(300.0, 200.0)] * 8, [f"design {index}" for index in range(8)], WIDTH, HEIGHT)
    assert all(one.box.overlap(other.box) == 0 for one, other in combinations(placed, 2))


def test_a_lone_label_stands_to_the_right_of_its_point() -> None:
    [placed] = place_labels([(300.0, 200.0)], ["BSD(3)"], WIDTH, HEIGHT)
    assert placed.box.left > 306
    assert placed.y == 200


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12))
def test_a_point_is_on_the_frontier_unless_another_is_better(pairs) -> None:
    unbeaten = frontier(pairs)
    assert unbeaten
    for index, (x, y) in enumerate(pairs):
        beaten = any(a <= x and b <= y and (a, b) != (x, y) for a, b in pairs)
        assert (index in unbeaten) != beaten
