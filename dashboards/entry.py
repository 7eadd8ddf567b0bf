"""What happens on every run of the app: the database, the person, the study, and the pages that the person's roles open."""

from __future__ import annotations

import streamlit as st

from allocation.access.actors import Actor
from allocation.errors import DatabaseUnavailable, LoginRefused
from allocation.ledger.database import Database, default_url, open_database
from allocation.views.blinded.studies import StudyListed, list_studies
from dashboards.demo_people import DEMO_PASSWORD
from dashboards.errors import DemoRefused
from dashboards.home import Home
from dashboards.look import STYLE
from dashboards.page_table import open_pages
from dashboards.session import current_actor, keep_over_reload, log_in, log_out


@st.cache_resource
def opened(url: str) -> Database:
    """The database at `url`, opened once a process; its tables are the service's matter. Raises DatabaseUnavailable."""
    return open_database(url, create=False)


def run() -> None:
    """One run of the app."""
    st.html(STYLE)
    try:
        database = opened(default_url())
    except DatabaseUnavailable as error:
        st.error(f"The database cannot be used: {error}")
        return
    actor = current_actor(database)
    if actor is None:
        _login_page(database)
        return
    keep_over_reload()
    listed = list_studies(database, actor).studies
    if not listed:
        _who(database, actor, listed, None)
        st.info("No study is loaded in which you hold a role. `rtsm demo` sets up a demo study.")
        return
    chosen = _study(listed)
    pages = open_pages(database, actor, chosen.study_id)
    page = st.navigation(pages, position="top" if len(pages) > 1 else "hidden")
    _who(database, actor, listed, chosen)
    page.run()


def _login_page(database: Database) -> None:
    _, middle, _ = st.columns([1, 1.1, 1])
    with middle:
        st.html(
            '<div class="rtsm-title">OpenRTSM</div><div class="rtsm-subtitle">Randomization and trial supply</div>'
        )
        with st.form("login"):
            username = st.text_input("Username", autocomplete="username")
            password = st.text_input("Password", type="password", autocomplete="current-password")
            if st.form_submit_button("Log in", type="primary", width="stretch"):
                try:
                    log_in(database, username, password)
                except LoginRefused as refusal:
                    st.error(_sentence(refusal))
                else:
                    st.rerun()
        if _is_demo():
            st.caption(
                f"A demo: log in as `sponsor` with the password `{DEMO_PASSWORD}`. `rtsm demo` lists the other logins."
            )


def _sentence(refusal: LoginRefused) -> str:
    text = f"{refusal.message}: {refusal.fix}" if refusal.fix else refusal.message
    return f"{text[0].upper()}{text[1:]}."


def _is_demo() -> bool:
    """Whether this home was made by `rtsm demo`, whose logins are no secret."""
    try:
        return Home.here().record() is not None
    except DemoRefused:
        return False


def _study(listed: tuple[StudyListed, ...]) -> StudyListed:
    """The study that is looked at: the one in the page's address, else the one that was chosen last, else the first."""
    ids = [one.study_id for one in listed]
    asked = st.query_params.get("study", st.session_state.get("study"))
    chosen = listed[ids.index(asked)] if asked in ids else listed[0]
    st.session_state["study"] = chosen.study_id
    return chosen


def _who(
    database: Database, actor: Actor, listed: tuple[StudyListed, ...], chosen: StudyListed | None
) -> None:
    """The menu at the top: who is logged in, with which roles, which study, and the way out."""
    label = actor.display_name if chosen is None else f"{chosen.study_id} · {actor.display_name}"
    with st.container(key="who"), st.popover(label, icon=":material/person:"):
        if chosen is not None:
            st.caption(", ".join(role.replace("_", " ") for role in chosen.roles))
        if chosen is not None and len(listed) > 1:
            ids = [one.study_id for one in listed]
            picked = st.radio("Study", ids, index=ids.index(chosen.study_id))
            if picked != chosen.study_id:
                st.query_params["study"] = str(picked)
                st.rerun()
        if st.button("Log out", width="stretch"):
            log_out(database, actor)
            st.rerun()
