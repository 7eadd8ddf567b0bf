"""The handing over of a login to the browser: a code is good once, for a minute, and for nothing else."""

import asyncio
import time

import pytest
from starlette.requests import Request

from dashboards import session
from dashboards.server import keep_session
from dashboards.session import COOKIE, HANDOVERS, Handovers


def answer_to(code: str, scheme: str = "http"):
    headers = [(b"x-rtsm-handover", code.encode()), (b"host", b"127.0.0.1")]
    scope = {
        "type": "http",
        "method": "POST",
        "scheme": scheme,
        "path": "/session",
        "query_string": b"",
        "headers": headers,
        "server": ("127.0.0.1", 80),
    }
    return asyncio.run(keep_session(Request(scope)))


def test_a_code_gives_its_token_once():
    handovers = Handovers()
    first, second = handovers.offer("one"), handovers.offer("two")
    assert first != second
    assert [handovers.take(first), handovers.take(first)] == ["one", None]
    assert handovers.take(second) == "two"
    assert handovers.take("") is None


def test_a_code_that_waited_too_long_gives_nothing_and_is_forgotten(monkeypatch):
    monkeypatch.setattr(session, "HANDOVER_SECONDS", 0.01)
    handovers = Handovers()
    late = handovers.offer("one")
    time.sleep(0.02)
    handovers.offer("two")
    assert late not in handovers._waiting
    assert handovers.take(late) is None


def test_the_cookie_is_for_this_site_alone_and_out_of_reach_of_scripts():
    answer = answer_to(HANDOVERS.offer("a-token"))
    assert answer.status_code == 204
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=a-token;")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie


def test_over_https_the_cookie_never_travels_in_the_clear():
    assert "; Secure" in answer_to(HANDOVERS.offer("a-token"), "https").headers["set-cookie"]


@pytest.mark.parametrize("code", ["", "guessed"])
def test_another_code_gets_no_cookie(code):
    answer = answer_to(code)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
