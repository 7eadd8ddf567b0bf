"""The scorecard for people."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from forecasting.calibration.scorecard import UNITS, Scorecard, Scored


def card_tables(card: Scorecard) -> RenderableType:
    """A row a measure and scope, and what each says in a sentence."""
    lines = [Text(one) for one in _remarks(card)]
    if not card.groups:
        return Group(Text(f"{card.study_id}: {card.short(())[0]}"), *lines)
    table = Table(
        title=f"{card.study_id}: {card.forecasts} forecasts against the ledger to {card.as_of}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    for name in ("forecast of", "by"):
        table.add_column(name, no_wrap=True)
    for name in (
        "numbers",
        "apart in time",
        *(f"{100 * one.level:.0f} % held" for one in card.groups[0].coverage),
    ):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("mean", "came", "CRPS", "PIT mean", "Brier"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in card.groups:
        table.add_row(*_row(one))
    said = [Text(f"{UNITS[one.measure].capitalize()} by {one.scope}: {one.verdict}") for one in card.groups]
    return Group(table, *said, *lines)


def _row(one: Scored) -> list[str]:
    stock_outs = one.measure == "stock_outs"
    held = [
        "" if stock_outs else f"{each.covered / one.numbers:.0%}/{each.stated:.0%}" for each in one.coverage
    ]
    return [
        UNITS[one.measure],
        one.scope,
        f"{one.numbers:,}",
        str(one.windows),
        *held,
        f"{one.mean:.3g}",
        f"{one.came:.3g}",
        f"{one.crps:.3g}",
        "" if stock_outs else f"{one.pit_mean:.2f}",
        f"{one.brier:.4f}" if stock_outs else "",
    ]


def _remarks(card: Scorecard) -> list[str]:
    lines = []
    if card.groups:
        lines.append(
            "Held: the share of intervals that had what came / the probability that they gave to themselves (a count has few values to "
            "end at). PIT mean: above 0.5, more came."
        )
    if card.waiting:
        lines.append(f"{card.waiting:,} numbers wait: their time is not over.")
    if card.other_ledger:
        lines.append(
            f"{card.other_ledger} forecasts were made from another ledger (its hash is not that of this one) and are not scored."
        )
    return lines
