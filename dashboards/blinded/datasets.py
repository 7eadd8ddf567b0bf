"""The derived datasets of a study: what is published, how large it is, and how far it reaches."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import streamlit as st

from dashboards.html_table import Cell, Column, html_table
from dashboards.look import moment, number

GROUPS = {"sdtm": "SDTM", "supply": "Supply ledger"}


def show_datasets(
    rows: Mapping[str, int], described: Mapping[str, str], position: int, published_at: datetime
) -> None:
    """The datasets by group, with their rows; all of one snapshot, up to ledger `position`, published at (UTC)."""
    st.html(
        f'<div class="rtsm-as-of">Published {moment(published_at)}, from the ledger up to position <b>{number(position)}</b>; '
        "every dataset passed its contract.</div>"
    )
    columns = st.columns(len(GROUPS), gap="large")
    for column, (group, title) in zip(columns, GROUPS.items(), strict=True):
        with column:
            st.subheader(title, anchor=False)
            st.html(datasets_table(rows, described, group))


def datasets_table(rows: Mapping[str, int], described: Mapping[str, str], group: str) -> str:
    """The datasets of a group with what they hold and their numbers of rows, as HTML."""

    def shown(name: str) -> str:
        bare = name.removeprefix(f"{group}/")
        return bare.upper() if group == "sdtm" else bare.replace("_", " ")

    lines: list[list[Cell]] = [
        [shown(name), described.get(name, ""), number(count)]
        for name, count in sorted(rows.items())
        if name.startswith(f"{group}/")
    ]
    columns = [Column("Dataset"), Column("What it holds", long=True), Column("Rows", numbers=True)]
    return html_table(GROUPS[group], columns, lines, empty="None is published.")
