"""Where the labels of a scatter plot go: beside their points, over no point, no other label, and inside the frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from math import hypot
from typing import NamedTuple

CHARACTER_WIDTH = 0.6
"""Mean width of a character, in font sizes; a little generous for a sans-serif."""


class Box(NamedTuple):
    """A rectangle in pixels; y grows downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: Box) -> float:
        """The area that both cover."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(width, 0.0) * max(height, 0.0)


@dataclass(frozen=True)
class Placed:
    """The middle of a label in pixels, and its box."""

    x: float
    y: float
    box: Box


def place_labels(
    points: Sequence[tuple[float, float]],
    texts: Sequence[str],
    width: float,
    height: float,
    font_size: float = 11,
    radius: float = 6,
    line: Sequence[tuple[float, float]] = (),
) -> list[Placed]:
    """The place of each text for the point of the same index, in pixels of a frame `width` x `height`.

    `line` is a polyline that labels keep off where they can.

    Greedy with second thoughts: the labels with the most neighbours choose first among places around their points, near ones
    first; then each label may move while that lessens the overlap, until none does.
    """
    marks = [Box(x - radius, y - radius, x + radius, y + radius) for x, y in points]
    inked = _boxes_along(line)
    choices = [
        _choices(point, len(text) * font_size * CHARACTER_WIDTH, font_size * 1.25, radius)
        for point, text in zip(points, texts, strict=True)
    ]
    crowd = [sum(hypot(x - a, y - b) < 90 for a, b in points) for x, y in points]
    chosen: dict[int, Placed] = {}
    order = sorted(range(len(points)), key=lambda index: -crowd[index])
    for _ in range(6):
        before = dict(chosen)
        for index in order:
            others = [placed.box for other, placed in chosen.items() if other != index]

            def cost(choice: tuple[float, Placed], others: list[Box] = others) -> float:
                distance, placed = choice
                box = placed.box
                covered = sum(box.overlap(other) for other in (*others, *marks))
                outside = (
                    max(-box.left, 0)
                    + max(box.right - width, 0)
                    + max(-box.top, 0)
                    + max(box.bottom - height, 0)
                )
                crossed = sum(box.overlap(piece) > 0 for piece in inked)
                return 50 * covered + 1_000 * outside + 4 * crossed + distance

            chosen[index] = min(choices[index], key=cost)[1]
        if chosen == before:
            break
    return [chosen[index] for index in range(len(points))]


def _boxes_along(line: Sequence[tuple[float, float]], step: float = 8) -> list[Box]:
    """Small boxes along a polyline."""
    boxes: list[Box] = []
    for (x, y), (a, b) in pairwise(line):
        pieces = max(int(hypot(a - x, b - y) / step), 1)
        for piece in range(pieces + 1):
            across, down = x + (a - x) * piece / pieces, y + (b - y) * piece / pieces
            boxes.append(Box(across - 2, down - 2, across + 2, down + 2))
    return boxes


def _choices(
    point: tuple[float, float], width: float, height: float, radius: float
) -> list[tuple[float, Placed]]:
    """Places for a label around its point, each with how unwelcome it is: to the right first, then left, above, below, farther."""
    x, y = point
    found: list[tuple[float, Placed]] = []
    sides = ((1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (1, 1), (-1, -1), (-1, 1))
    for ring, (rank, (across, down)) in product((0, 10, 22, 36, 52, 70, 90), enumerate(sides)):
        middle_x = x + across * (radius + 2 + ring + width / 2)
        middle_y = y + down * (radius + 1 + ring + height / 2)
        box = Box(middle_x - width / 2, middle_y - height / 2, middle_x + width / 2, middle_y + height / 2)
        found.append((3 * ring + rank, Placed(middle_x, middle_y, box)))
    return found
