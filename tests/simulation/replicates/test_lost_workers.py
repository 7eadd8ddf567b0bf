"""A worker process that is killed costs the batch that was with it and no other; a batch that kills them all is named."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import pytest

from simulation.replicates.cluster import ClusterError, joined
from simulation.replicates.playing import BatchLost, play_parts
from simulation.replicates.processes import Processes
from simulation.replicates.workforce import Workforce
from tests.simulation.replicates.frail import FrailPart, play


def parts(marks: Path, kills: dict[int, int]) -> list[FrailPart]:
    return [FrailPart(first, 100, kills.get(first, 0), str(marks)) for first in range(0, 800, 100)]


@pytest.fixture
def page_as_main(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A `__main__` as Streamlit leaves it there: a page, which no worker may run."""
    page = tmp_path / "page.py"
    page.write_text("raise RuntimeError('a worker runs the page')", encoding="utf-8")
    main = ModuleType("__main__")
    main.__file__ = str(page)
    monkeypatch.setitem(sys.modules, "__main__", main)
    return main


@pytest.fixture
def usual_port_taken() -> Iterator[None]:
    """The port that Dask asks for where nothing is said belongs to another, as while somebody else's run goes on."""
    with socket.socket() as holder:
        with suppress(OSError):  # it is taken
            holder.bind(("127.0.0.1", 8787))
            holder.listen()
        yield


def test_processes_do_not_run_the_page_that_started_them(tmp_path: Path, page_as_main: ModuleType) -> None:
    kept: list[tuple[int, int]] = []
    with Processes(1) as executor:
        assert sys.modules["__main__"] is page_as_main
        play_parts(parts(tmp_path, {200: 1}), Workforce(executor, lambda: 2), kept.append, play)
    assert len(kept) == 8


def test_the_batch_of_a_killed_process_is_given_to_another(tmp_path: Path) -> None:
    kept: list[tuple[int, int]] = []
    with Processes(2) as executor:
        play_parts(parts(tmp_path, {200: 1}), Workforce(executor, lambda: 4), kept.append, play)
    assert sorted(first for first, _ in kept) == list(range(0, 800, 100))
    processes = {process for _, process in kept}
    assert os.getpid() not in processes
    assert (
        2 <= len(processes) <= 3
    )  # the one that was not killed went on, and a new one took the other's place
    played = (tmp_path / "played").read_text().split()
    assert len(played) == len(set(played)) == 8  # nothing but the lost batch was begun again
    assert (tmp_path / "200-0").exists()


def test_a_batch_that_kills_every_process_is_told_with_its_replicates(tmp_path: Path) -> None:
    kept: list[tuple[int, int]] = []
    with Processes(2) as executor, pytest.raises(BatchLost, match="replicates 300 to 399") as refused:
        play_parts(parts(tmp_path, {300: 99}), Workforce(executor, lambda: 4), kept.append, play)
    assert refused.value.fix
    assert len(list(tmp_path.glob("300-*"))) == 3
    assert kept  # what was finished before was kept


@pytest.mark.slow
@pytest.mark.usefixtures("page_as_main", "usual_port_taken")
def test_a_dask_cluster_gives_the_batch_of_a_killed_worker_to_another(tmp_path: Path) -> None:
    """Nor do the workers of a local cluster run the page that started it, nor does it matter which ports are taken."""
    kept: list[tuple[int, int]] = []
    with joined("local", 2) as cluster:
        assert cluster.room() == 4
        play_parts(parts(tmp_path, {400: 1}), Workforce(cluster.executor, cluster.room), kept.append, play)
    assert sorted(first for first, _ in kept) == list(range(0, 800, 100))
    assert os.getpid() not in {process for _, process in kept}
    assert (tmp_path / "400-0").exists()


def test_workers_of_a_local_cluster_that_do_not_start_are_told_with_what_they_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.executable", "false")
    with pytest.raises(ClusterError, match="do not start: they say nothing") as refused, joined("local", 1):
        pass
    assert refused.value.fix


def test_a_cluster_that_does_not_answer_is_told_with_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulation.replicates.cluster.REACH_SECONDS", 0.5)
    for address in ("tcp://127.0.0.1:9", "nonsense://127.0.0.1:9"):
        with pytest.raises(ClusterError, match=address) as refused, joined(address, 1):
            pass
        assert (refused.value.field, bool(refused.value.fix)) == ("--cluster", True)
