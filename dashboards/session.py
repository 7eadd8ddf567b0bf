"""Who is at the browser: log in with the account, stay logged in over a reload, log out.

A login issues a token as the API's login does. It is asked again at each rerun, so that a revoked role, token or account ends at
once. The token is kept in the session; for a reload it also goes into a cookie that scripts cannot read: the page hands a code,
good once and for a minute, to `/session`, and gets the cookie for it.
"""

from __future__ import annotations

import secrets
import threading
import time
from datetime import UTC, datetime
from typing import Final

import streamlit as st

from allocation.access.actors import Actor
from allocation.access.tokens import (
    actor_for_login,
    actor_for_token,
    issue_token,
    revoke_token,
    token_id_of,
)
from allocation.errors import LoginRefused
from allocation.ledger.database import Database

COOKIE: Final = "rtsm_session"
HANDOVER_PATH: Final = "/session"
HANDOVER_SECONDS: Final = 60.0

_TOKEN: Final = "token"  # noqa: S105  (the name of a place in the session)
_CODE: Final = "handover"
_LOGGED_OUT: Final = "logged_out"


def utc_now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC)


class Handovers:
    """Tokens that wait to become cookies, by codes that are good once."""

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()

    def offer(self, token: str) -> str:
        """A new code for the token."""
        code = secrets.token_urlsafe(32)
        now = time.monotonic()
        with self._lock:
            self._waiting = {key: one for key, one in self._waiting.items() if one[1] > now}
            self._waiting[code] = (token, now + HANDOVER_SECONDS)
        return code

    def take(self, code: str) -> str | None:
        """The token behind the code; None for a code that is unknown, used or too old."""
        with self._lock:
            token, until = self._waiting.pop(code, ("", 0.0))
        return token if until > time.monotonic() else None


HANDOVERS: Final = Handovers()
"""Those of this process: pages offer, the route takes."""


def log_in(database: Database, username: str, password: str) -> None:
    """Log in. Raises LoginRefused, with one message for every cause."""
    actor = actor_for_login(database, username.strip().lower(), password, utc_now)
    token = issue_token(database, actor, utc_now).token
    st.session_state[_TOKEN] = token
    st.session_state[_CODE] = HANDOVERS.offer(token)
    st.session_state.pop(_LOGGED_OUT, None)


def current_actor(database: Database) -> Actor | None:
    """The identity at the browser, with the grants that it holds now; None when nobody is logged in."""
    token = st.session_state.get(_TOKEN)
    if token is None and not st.session_state.get(_LOGGED_OUT):
        cookie = st.context.cookies.get(COOKIE)
        token = cookie if isinstance(cookie, str) else None  # a page under test has no browser behind it
    if token is None:
        return None
    try:
        actor = actor_for_token(database, token, utc_now)
    except LoginRefused:
        st.session_state.pop(_TOKEN, None)
        st.session_state[_LOGGED_OUT] = True
        return None
    st.session_state[_TOKEN] = token
    return actor


def log_out(database: Database, actor: Actor) -> None:
    """End the login: its token is good for nothing from now on."""
    token = st.session_state.pop(_TOKEN)
    revoke_token(database, actor, token_id_of(database, token), utc_now)
    st.session_state.clear()
    st.session_state[_LOGGED_OUT] = True


def keep_over_reload() -> None:
    """After a login: have the browser fetch its cookie. Once; a page that is not served by `dashboards.server` goes without."""
    code = st.session_state.pop(_CODE, None)
    if code is not None:
        # A code is made of letters, digits, - and _: it needs no quoting.
        st.html(
            f'<script>fetch("{HANDOVER_PATH}", {{method: "POST", headers: {{"X-RTSM-Handover": "{code}"}}}})</script>',
            unsafe_allow_javascript=True,
        )
