"""The derived datasets of a study: what is published, how large it is, and how far it reaches."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import streamlit as st

from dashboards.html_table import Cell, Column, html_table
from dashboards.look import moment, number

GROUPS = {"sdtm": "SDTM", "supply": "Supply ledger"}


def show_datasets(rows: Mapping[str, int], position: int, published_at: datetime) -> None:
    """The datasets by group, with their rows; all of one snapshot, up to ledger `position`, published at (UTC)."""
    st.html(
        f'<div class="rtsm-as-of">Published {moment(published_at)}, from the ledger up to position <b>{number(position)}</b>; '
        "every dataset passed its contract.</div>"
    )
    columns = st.columns(len(GROUPS), gap="large")
    for column, (group, title) in zip(columns, GROUPS.items(), strict=True):
        with column:
            st.subheader(title, anchor=False)
            st.html(datasets_table(rows, group))


def datasets_table(rows: Mapping[str, int], group: str) -> str:
    """The datasets of a group with their numbers of rows, as HTML."""
    lines: list[list[Cell]] = [
        [
            name.removeprefix(f"{group}/").upper() if group == "sdtm" else name.removeprefix(f"{group}/"),
            number(count),
        ]
        for name, count in sorted(rows.items())
        if name.startswith(f"{group}/")
    ]
    return html_table(
        GROUPS[group], [Column("Dataset"), Column("Rows", numbers=True)], lines, empty="None is published."
    )
