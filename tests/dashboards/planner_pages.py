"""The planner's page on a trial's database, as somebody who is logged in."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import streamlit as st
from streamlit.testing.v1 import AppTest

from allocation.access.grants import actor_named
from allocation.access.tokens import issue_token
from dashboards.entry import opened
from dashboards.session import utc_now
from tests.api.conftest import Trial
from tests.api.trial import STUDY
from tests.dashboards.trial_under_way import url_of


def planner_script(url: str, study_id: str) -> None:
    """What the app shows on the planner's page; AppTest reads it as a script of its own."""
    from dashboards.entry import opened
    from dashboards.planner.page import planner_page

    planner_page(opened(url), study_id)


@contextmanager
def planner_as(trial: Trial, name: str, part: str | None = None) -> Iterator[AppTest]:
    """The planner's page as somebody who is logged in, to go on with."""
    url = url_of(trial)
    page = AppTest.from_function(planner_script, kwargs={"url": url, "study_id": STUDY}, default_timeout=60)
    actor = actor_named(trial.database, name)
    page.session_state["token"] = issue_token(trial.database, actor, utc_now, lasts=timedelta(hours=1)).token
    if part is not None:
        page.session_state["planner_part"] = part
    try:
        yield page.run()
    finally:
        opened(url).dispose()
        st.cache_resource.clear()


def shown(trial: Trial, name: str, part: str | None = None) -> AppTest:
    """The planner's page as somebody who is logged in sees it once."""
    with planner_as(trial, name, part) as page:
        return page
