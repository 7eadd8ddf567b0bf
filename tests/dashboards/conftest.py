"""A small trial that is under way, served over the API, and the dashboards' pages on its database."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
import streamlit as st
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from dashboards.entry import opened
from tests.api.conftest import Trial, trial_at
from tests.dashboards.trial_under_way import go_on
from tests.dashboards.trial_under_way import url_of as url_of

APP = Path(__file__).resolve().parents[2] / "dashboards" / "app.py"


@pytest.fixture(scope="session", autouse=True)
def components_looked_for_once() -> Iterator[None]:
    """Streamlit asks every installed package, for each new page of a test, whether it brings components: a quarter of a second."""
    with pytest.MonkeyPatch.context() as patch:
        once = cache(manifest_scanner.scan_component_manifests)
        patch.setattr(manifest_scanner, "scan_component_manifests", once)
        yield


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    """A trial under way on SQLite, for all tests of a module: they read it, or go on from where it is."""
    with trial_at(f"sqlite:///{tmp_path_factory.mktemp('trial') / 'rtsm.db'}") as running:
        go_on(running)
        yield running


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty RTSM_HOME, with no other database named."""
    folder = tmp_path / "home"
    monkeypatch.setenv("RTSM_HOME", str(folder))
    monkeypatch.delenv("RTSM_DATABASE_URL", raising=False)
    return folder


@contextmanager
def pages_of(url: str) -> Iterator[Callable[[], AppTest]]:
    """While inside, a function that opens the app on the database at `url` as a new visitor."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RTSM_DATABASE_URL", url)
        yield lambda: AppTest.from_file(str(APP), default_timeout=60).run()
        opened(url).dispose()
        st.cache_resource.clear()


@pytest.fixture
def visit(trial: Trial, home: Path) -> Iterator[Callable[[], AppTest]]:
    """A function that opens the app as a new visitor."""
    with pages_of(url_of(trial)) as new_visit:
        yield new_visit
