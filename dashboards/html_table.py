"""Tables as plain HTML: read by screen readers, copied as text, and every value escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True, slots=True)
class Marked:
    """A cell's text that is to be seen: `alert` for what needs somebody, `good` for a gain, `muted` for what only makes it complete."""

    text: str
    kind: str


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, and whether it holds numbers (set to the right) or long text (which may wrap)."""

    heading: str
    numbers: bool = False
    long: bool = False


Cell = str | Marked


def html_table(
    caption: str,
    columns: Sequence[Column],
    rows: Sequence[Sequence[Cell]],
    *,
    empty: str,
    max_height: int | None = None,
) -> str:
    """The table as HTML; `empty` is said where there is no row. Higher than `max_height` pixels it scrolls, its head standing."""
    if not rows:
        return f'<div class="rtsm-empty">{escape(empty)}</div>'
    classes = ["number" if column.numbers else "long" if column.long else "" for column in columns]
    head = "".join(
        f'<th scope="col" class="{kind}">{escape(column.heading)}</th>'
        for column, kind in zip(columns, classes, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(f'<td class="{kind}">{_cell(cell)}</td>' for cell, kind in zip(row, classes, strict=True))
        + "</tr>"
        for row in rows
    )
    height = f' style="max-height: {max_height}px"' if max_height else ""
    return (
        f'<div class="rtsm-table" tabindex="0"{height}><table><caption>{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cell(cell: Cell) -> str:
    if isinstance(cell, Marked):
        return f'<span class="rtsm-{cell.kind}">{escape(cell.text)}</span>'
    return escape(cell)
