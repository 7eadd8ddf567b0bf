"""Balance against predictability: a point for each design, as SVG or PNG, drawn without a browser.

Down is better balanced, left is harder to guess. The line joins the designs that no other beats in both. Designs of one kind have one
colour and one shape; the label says the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from simulation.randomization.chart_file import INK, MUTED, PlotError, check_chart_file, styled, write_chart
from simulation.randomization.comparison import Row
from simulation.randomization.label_places import Placed, place_labels
from simulation.randomization.plan import TrialPlan

_WIDTH: Final = 760
_HEIGHT: Final = 500

_KINDS: Final[tuple[tuple[str, frozenset[str], str, str], ...]] = (
    ("complete", frozenset({"complete"}), "#55636f", "circle"),
    (
        "blocks and fixed totals",
        frozenset({"permuted_block", "random_allocation_rule", "truncated_binomial", "maximal_procedure"}),
        "#0b4f8a",
        "square",
    ),
    (
        "biased coins",
        frozenset(
            {
                "biased_coin",
                "big_stick",
                "biased_coin_imbalance_tolerance",
                "adjustable_biased_coin",
                "generalized_biased_coin",
            }
        ),
        "#c4721a",
        "triangle-up",
    ),
    (
        "urns",
        frozenset({"wei_urn", "block_urn", "ehrenfest_urn", "mass_weighted_urn"}),
        "#1b8f7a",
        "diamond",
    ),
    ("covariate-adaptive", frozenset(), "#8f3f87", "cross"),
)
"""Kind, its methods (any other method is of the last kind), colour, shape."""

BALANCES: Final = {
    "overall": "imbalance of the study at the end",
    "margin": "imbalance of a factor level at the end",
    "stratum": "imbalance of a stratum at the end",
    "largest": "largest imbalance of the study on the way",
    "loss": "information lost, in subjects",
}
"""What may stand on the axis of balance."""


def write_plot(plan: TrialPlan, rows: Sequence[Row], file: Path, balance: str | None = None) -> None:
    """Write the plot to `file` (.svg or .png). `balance` is a key of BALANCES; None: overall, or largest without strata.

    Raises PlotError for another kind of file, an unknown balance, or a folder that cannot be written to.
    """
    check_plot(file, balance)
    write_chart(_chart(plan, rows, _balance(rows, balance)), file)


def check_plot(file: Path, balance: str | None) -> None:
    """Check what can be checked before the work: raises PlotError for a kind of file or a balance that there is not."""
    check_chart_file(file)
    if balance is not None and balance not in BALANCES:
        raise PlotError(
            f"{balance} is no measure of balance", field="--balance", fix=f"use one of {', '.join(BALANCES)}"
        )


def _balance(rows: Sequence[Row], wanted: str | None) -> str:
    known = [name for name in BALANCES if all(name in row.figures() for row in rows)]
    if wanted is None:
        return "overall" if "stratum" in known else "largest"
    if wanted not in known:
        raise PlotError(
            f"{wanted} is no balance of this comparison",
            field="--balance",
            fix=f"use one of {', '.join(known)}",
        )
    return wanted


def _kind(method: str) -> str:
    return next((name for name, methods, _, _ in _KINDS if method in methods), _KINDS[-1][0])


def frontier(points: Sequence[tuple[float, float]]) -> list[int]:
    """The indexes of the points that no other is at or below in both coordinates and below in one, by the first coordinate."""
    return sorted(
        (
            index
            for index, (x, y) in enumerate(points)
            if not any(a <= x and b <= y and (a, b) != (x, y) for a, b in points)
        ),
        key=lambda index: points[index],
    )


def _chart(plan: TrialPlan, rows: Sequence[Row], balance: str) -> Any:
    import altair as alt  # here, since a comparison without a plot should not wait for it

    unit = "|N1 - N2|" if plan.even else "distance from the ratio"
    y_title = f"Expected {BALANCES[balance]}" + ("" if balance == "loss" else f", {unit}")
    points = [(100 * row.correct.value, row.figures()[balance].value) for row in rows]
    left, right = _domain([x for x, _ in points])
    bottom, top = _domain([y for _, y in points])
    bottom = min(bottom, -0.04 * top) if min(y for _, y in points) >= 0 else bottom
    texts = [row.label for row in rows]
    pixels = [((x - left) / (right - left) * _WIDTH, (top - y) / (top - bottom) * _HEIGHT) for x, y in points]
    unbeaten = frontier(points)
    places = place_labels(pixels, texts, _WIDTH, _HEIGHT, line=[pixels[index] for index in unbeaten])
    data = []
    for row, (x, y), (px, py), place in zip(rows, points, pixels, places, strict=True):
        near_x = min(max(px, place.box.left), place.box.right)
        near_y = min(max(py, place.box.top), place.box.bottom)
        data.append(
            {
                "label": row.label,
                "kind": _kind(row.method),
                "own": row.of_protocol,
                "x": x,
                "y": y,
                "label_x": left + _anchor(place, px) / _WIDTH * (right - left),
                "label_y": top - place.y / _HEIGHT * (top - bottom),
                "end_x": left + near_x / _WIDTH * (right - left),
                "end_y": top - near_y / _HEIGHT * (top - bottom),
                "side": "left" if place.box.left >= px else "right" if place.box.right <= px else "center",
                "apart": abs(near_x - px) + abs(near_y - py) > 12,
            }
        )
    order = [kind[0] for kind in _KINDS]  # drawn in this order a diamond shows on a square
    data.sort(key=lambda one: order.index(str(one["kind"])))
    present = [kind for kind in _KINDS if any(one["kind"] == kind[0] for one in data)]
    x_scale = alt.Scale(domain=[left, right], nice=False, zero=False)
    y_scale = alt.Scale(domain=[bottom, top], nice=False, zero=False)
    base = alt.Chart(alt.Data(values=data))
    across: Any = alt.X("x:Q", scale=x_scale, title="Right guesses of the next allocation, %")
    down: Any = alt.Y("y:Q", scale=y_scale, title=y_title)
    best = alt.Data(values=[{"x": points[index][0], "y": points[index][1]} for index in unbeaten])
    line = (
        alt.Chart(best)
        .mark_line(color="#b9c4cd", strokeWidth=1.5, strokeDash=[5, 4])
        .encode(x=across, y=down)
    )
    leaders = (
        base.transform_filter("datum.apart")
        .mark_rule(color="#9aa7b2", strokeWidth=0.8)
        .encode(x=across, y=down, x2="end_x:Q", y2="end_y:Q")
    )
    ring = (
        base.transform_filter("datum.own")
        .mark_point(shape="circle", size=330, filled=False, strokeWidth=1.6, color=INK)
        .encode(x=across, y=down)
    )
    names = [kind[0] for kind in present]
    marks = base.mark_point(filled=True, size=95, opacity=1, stroke="white", strokeWidth=0.8).encode(
        x=across,
        y=down,
        color=alt.Color(
            "kind:N",
            scale=alt.Scale(domain=names, range=[kind[2] for kind in present]),
            legend=alt.Legend(title=None, orient="top", symbolOpacity=1, symbolSize=110),
        ),
        shape=alt.Shape("kind:N", scale=alt.Scale(domain=names, range=[kind[3] for kind in present])),
    )
    labels = [
        base.transform_filter(alt.datum.side == side)
        .mark_text(fontSize=11, baseline="middle", align=side, color=INK)
        .encode(
            x=alt.X("label_x:Q", scale=x_scale),
            y=alt.Y("label_y:Q", scale=y_scale),
            text="label:N",
        )
        for side in ("left", "right", "center")
        if any(one["side"] == side for one in data)
    ]
    ratio = ":".join(str(share) for share in plan.ratio)
    strata = len(plan.prevalences)
    title = alt.Title(
        "Balance against predictability",
        subtitle=[
            f"{plan.name}: {plan.subjects} subjects, {ratio}, "
            + ("not stratified" if strata == 1 else f"{strata} strata"),
            "Lower: better balanced. Further left: harder to guess. Dashed: no other design is better in both."
            + (" Ring: the protocol's own." if any(row.of_protocol for row in rows) else ""),
            _precision(plan, rows, balance),
        ],
        anchor="start",
        color=INK,
        fontSize=18,
        subtitleColor=MUTED,
        subtitleFontSize=12,
        subtitlePadding=6,
        offset=12,
    )
    layers = alt.layer(line, leaders, ring, marks, *labels)
    return styled(layers.properties(width=_WIDTH, height=_HEIGHT, title=title))


def _anchor(place: Placed, point: float) -> float:
    """Where a label is held, in pixels across: at its end beside the point, so that its true width leaves no gap, or in its middle."""
    if place.box.left < point < place.box.right:
        return place.x
    return min(max(point, place.box.left), place.box.right)


def _precision(plan: TrialPlan, rows: Sequence[Row], balance: str) -> str:
    """What is simulated of the points, and how far it may be off."""
    errors = {
        "across": [100 * (row.correct.standard_error or 0) for row in rows if not row.correct.exact],
        "in height": [
            figure.standard_error or 0 for row in rows if not (figure := row.figures()[balance]).exact
        ],
    }
    told = [
        f"{len(found)} of {len(rows)} points {axis} (standard error up to {max(found):.2g})"
        for axis, found in errors.items()
        if found
    ]
    if not told:
        return "All points are exact."
    return f"Simulated in {plan.replicates:,} trials: {', '.join(told)}; all else exact."


def _domain(values: Sequence[float]) -> tuple[float, float]:
    """Room around the values, and some even where they are all equal."""
    low, high = min(values), max(values)
    room = max(0.08 * (high - low), 0.02 * max(abs(high), 1.0))
    return low - room, high + room
