"""A store of forecasts for each test, and a small running study that is played once for all of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from allocation.ledger.database import Database
from forecasting.calibration import kept
from tests.forecasting.running_study import running_study


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which forecasts are kept; RTSM_HOME itself stays, since the compiled kernel is in it."""
    monkeypatch.setattr(kept, "rtsm_home", lambda: tmp_path / "home")
    return tmp_path / "home" / "forecasts"


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Database, str]]:
    """The database of the small running study, and its URL."""
    with running_study(tmp_path_factory.mktemp("running") / "rtsm.db") as found:
        yield found
