"""The dashboards in a real browser: log in, see the ledger's numbers, see them move, stay logged in over a reload, log out."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from dashboards.child import answers
from tests.api.conftest import Trial
from tests.api.trial import PASSWORD
from tests.dashboards.trial_under_way import counted, screen, url_of

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PATIENCE_MS = 30_000


@pytest.fixture(scope="module")
def address(trial: Trial, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The dashboards as `rtsm dashboard` serves them, on the trial's database."""
    folder: Path = tmp_path_factory.mktemp("served")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "RTSM_HOME": str(folder / "home"), "RTSM_DATABASE_URL": url_of(trial)}
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "rtsm", "dashboard", "--port", str(port)],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            until = time.monotonic() + 60
            while not answers(f"http://127.0.0.1:{port}/_stcore/health"):
                assert server.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < until
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(timeout=20)


def log_in(page: Page, address: str, username: str = "sponsor") -> None:
    page.set_default_timeout(PATIENCE_MS)
    page.goto(address)
    try_to_log_in(page, username, PASSWORD)
    page.get_by_text("As of ledger position").wait_for()


def try_to_log_in(page: Page, username: str, password: str) -> None:
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Log in").click()


@dataclass(frozen=True)
class Visit:
    """A visitor's page, first refused and then logged in, which stays open; and what was seen on the way."""

    page: Page
    asked: list[str]
    """Every address that the page asked for something, from its start until now."""
    refusal: str
    cookies_when_refused: list[str]


@pytest.fixture(scope="module")
def visited(chromium: Browser, address: str) -> Iterator[Visit]:
    """One visit for all tests that only look at the overview: a new one costs the browser seconds."""
    context = chromium.new_context()
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda websocket: asked.append(websocket.url))
    page.goto(address)
    try_to_log_in(page, "auditor", "a wrong password")
    alert = page.get_by_role("alert")
    alert.wait_for()
    refusal, cookies = alert.inner_text(), [one["name"] for one in context.cookies()]
    try_to_log_in(page, "sponsor", PASSWORD)
    page.get_by_text("As of ledger position").wait_for()
    yield Visit(page, asked, refusal, cookies)
    context.close()


def figure(page: Page, label: str):
    """The value of a key figure."""
    return page.get_by_test_id("stMetric").filter(has_text=label).get_by_test_id("stMetricValue")


def test_the_numbers_are_the_ledgers_and_move_when_somebody_acts(visited: Visit, trial: Trial) -> None:
    page = visited.page
    before = counted(trial)
    expect(figure(page, "Screened")).to_have_text(str(before["screen"]))
    expect(figure(page, "Randomized of 40")).to_have_text(str(before["randomize"]))
    screen(trial, 8)
    screen(trial, 9)
    # Nobody touches the page: it asks again by itself.
    expect(figure(page, "Screened")).to_have_text(str(before["screen"] + 2), timeout=PATIENCE_MS)
    position = sum(counted(trial).values())
    expect(page.get_by_role("status").first).to_contain_text(f"As of ledger position {position}")
    expect(page.get_by_role("table", name="Last events")).to_contain_text("was screened at site S01")


def test_charts_are_drawn_and_described_for_those_who_cannot_see_them(visited: Visit) -> None:
    page = visited.page
    page.locator(".js-plotly-plot .main-svg").first.wait_for()
    expect(page.locator(".js-plotly-plot")).to_have_count(3)
    expect(page.get_by_label(re.compile("subjects screened and 5 randomized over time"))).to_be_attached()
    expect(page.get_by_label(re.compile("Germany 5 of 25 planned"))).to_be_attached()


def test_a_reload_keeps_the_login_by_a_cookie_that_no_script_can_read(page: Page, address: str) -> None:
    log_in(page, address)
    page.wait_for_function("() => true")
    until = time.monotonic() + 10
    while not (cookies := [one for one in page.context.cookies() if one["name"] == "rtsm_session"]):
        assert time.monotonic() < until, "no cookie was given"
        page.wait_for_timeout(100)
    assert (cookies[0]["httpOnly"], cookies[0]["sameSite"]) == (True, "Strict")
    assert "rtsm_session" not in page.evaluate("document.cookie")
    page.reload()
    page.get_by_text("As of ledger position").wait_for()
    page.get_by_role("button", name=re.compile("Name of sponsor")).click()
    page.get_by_role("button", name="Log out").click()
    page.get_by_label("Username").wait_for()
    page.reload()
    page.get_by_label("Username").wait_for()
    expect(page.get_by_text("As of ledger position")).to_have_count(0)


def test_a_wrong_password_shows_why_and_nothing_else(visited: Visit) -> None:
    assert "The username or the password is wrong" in visited.refusal
    assert "rtsm_session" not in visited.cookies_when_refused


def test_the_pages_ask_nothing_of_any_other_machine(visited: Visit) -> None:
    visited.page.wait_for_timeout(3000)
    hosts = {urlsplit(url).hostname for url in visited.asked if not url.startswith(("data:", "blob:"))}
    assert hosts == {"127.0.0.1"}
    assert any(url.startswith("ws://") for url in visited.asked)


@pytest.mark.parametrize("width", [390, 1440])
def test_the_page_fits_its_window(visited: Visit, width: int) -> None:
    page = visited.page
    page.set_viewport_size({"width": width, "height": 900})
    figure(page, "Screened").wait_for()
    page.wait_for_timeout(1000)
    overflow = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert overflow <= 0


def test_the_planner_draws_its_fan_and_no_kit_type_for_a_blinded_reader(page: Page, address: str) -> None:
    log_in(page, address, "project.manager")
    page.get_by_role("link", name="Planner").click()
    fan = page.get_by_test_id("stVegaLiteChart").locator("canvas, svg").first
    fan.wait_for()
    expect(page.get_by_label(re.compile("5 subjects randomized until"))).to_be_attached()
    expect(page.get_by_test_id("stException")).to_have_count(0)
    expect(page.get_by_role("radio", name="Demand")).to_have_count(0)
    assert "ZZ" not in page.locator("body").inner_text()
