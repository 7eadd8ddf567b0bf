"""Which pages there are, and who they open for: each needs a permission of the one table, held anywhere in the study."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import streamlit as st

from allocation.access.actors import Actor
from allocation.access.permissions import PERMISSIONS
from allocation.ledger.database import Database
from dashboards.live_pages import datasets_page, overview_page


def planner_page(database: Database, study_id: str) -> None:
    """The planner of a study. What it forecasts with is imported when it is opened first.

    scipy and the simulator's compiler are a third of the time that the dashboards would take to start, and most readers never plan.
    """
    from dashboards.planner.page import planner_page as page

    page(database, study_id)


@dataclass(frozen=True, slots=True)
class PageListed:
    """A page: its title, its place in the address, the permission that opens it, and what shows it."""

    title: str
    path: str
    permission: str
    show: Callable[[Database, str], None]


PAGES = (
    PageListed("Overview", "overview", "view.overview", overview_page),
    PageListed("Planner", "planner", "forecast.recruitment", planner_page),
    PageListed("Datasets", "datasets", "export.blinded", datasets_page),
)


def pages_for(actor: Actor, study_id: str) -> tuple[PageListed, ...]:
    """The pages that the actor's roles open in the study."""
    roles = set(actor.roles_in(study_id))
    return tuple(page for page in PAGES if roles & PERMISSIONS[page.permission])


def open_pages(database: Database, actor: Actor, study_id: str) -> list[Any]:
    """The actor's pages as Streamlit pages, the first as the one that opens."""
    return [
        st.Page(
            _shown(page, database, study_id), title=page.title, url_path=page.path, default=page is PAGES[0]
        )
        for page in pages_for(actor, study_id)
    ]


def _shown(page: PageListed, database: Database, study_id: str) -> Callable[[], None]:
    def show() -> None:
        page.show(database, study_id)

    show.__name__ = page.path  # Streamlit tells pages apart by it
    return show
