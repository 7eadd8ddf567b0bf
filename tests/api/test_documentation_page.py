"""The page that describes the API is whole on a machine that reaches no other."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Route, expect

from allocation.api.app import create_app
from allocation.ledger.database import open_database
from tests.api.running_app import served

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    database = open_database(f"sqlite:///{tmp_path / 'rtsm.db'}")
    with served(create_app(database)) as running:
        yield running
    database.dispose()


def test_the_documentation_shows_every_route_where_no_other_machine_is_reached(
    page: Page, address: str
) -> None:
    host = urlsplit(address).netloc
    asked: list[str] = []
    failed: list[str] = []

    def only_here(route: Route) -> None:
        asked.append(route.request.url)
        if urlsplit(route.request.url).netloc == host:
            route.continue_()
        else:
            route.abort()

    page.route(lambda url: not url.startswith("data:"), only_here)
    page.on("pageerror", lambda error: failed.append(str(error)))
    page.on("response", lambda answer: failed.append(answer.url) if answer.status >= 400 else None)
    page.goto(f"{address}/docs")
    page.locator(".opblock").first.wait_for(timeout=30_000)
    routes = page.request.get(f"{address}/openapi.json").json()["paths"]
    expect(page.locator(".opblock")).to_have_count(sum(len(methods) for methods in routes.values()))
    # A browser without a window asks for no icon: the test does.
    icon = page.locator("link[rel='shortcut icon']").get_attribute("href")
    assert page.request.get(f"{address}{icon}").headers["content-type"] == "image/png"
    assert {urlsplit(url).netloc for url in asked} == {host}
    assert failed == []
