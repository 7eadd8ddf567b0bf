"""A trial that was copied into a test's database is the one that was played."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from allocation.errors import DomainRefusal
from allocation.ledger.schema import metadata
from allocation.ledger.sealing import seal_pending
from allocation.ledger.verify import verify_ledger
from tests.api.trial import STUDY
from tests.commands.desk import Desk, desk_at


@pytest.fixture
def second_desk(database_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Desk]:
    """A desk without a study on another database of the same kind."""
    if database_url.startswith("sqlite"):
        with desk_at(f"sqlite:///{tmp_path / 'second.db'}") as desk:
            yield desk
        return
    with request.getfixturevalue("migrated_postgres").lend() as url, desk_at(url) as desk:
        yield desk


def all_rows(desk: Desk) -> dict[str, list[str]]:
    with desk.database.read() as connection:
        found: dict[str, Any] = {
            one.name: connection.execute(select(one)).all() for one in metadata.sorted_tables
        }
    return {name: sorted(map(repr, rows)) for name, rows in found.items()}


def test_a_copied_trial_has_every_row_of_the_played_one_and_goes_on_as_it_does(
    empty_desk: Desk, second_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = empty_desk.set_up(kit_count=51)  # no other test asks for so many
    with monkeypatch.context() as patch:
        patch.setattr(Desk, "_played", None)  # to play again would fail
        copied = second_desk.set_up(kit_count=51)
    assert copied.now == played.now
    assert all_rows(copied) == all_rows(played)
    assert copied.randomized() == played.randomized()
    for desk in (copied, played):
        seal_pending(desk.database)
        assert verify_ledger(desk.database, STUDY).intact
    with copied.database.read() as one, played.database.read() as other:
        positions = [
            connection.execute(select(metadata.tables["ledger_seal"])).all() for connection in (one, other)
        ]
    assert len(positions[0]) == len(positions[1]) > 10


def test_a_desk_that_holds_something_already_is_never_overwritten(empty_desk: Desk) -> None:
    empty_desk.set_up(kit_count=51)
    before = all_rows(empty_desk)
    with pytest.raises(DomainRefusal, match="version"):
        empty_desk.set_up(kit_count=51)  # played for real, and refused: version 1 is there
    assert all_rows(empty_desk) == before
