"""A database that cannot be reached, or is none of ours, is said so in a line that names it without its password."""

import socket
import sqlite3
from pathlib import Path

import httpx
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError

from allocation.api.app import create_app
from allocation.errors import DatabaseUnavailable
from allocation.ledger.database import open_database
from tests.api.running_app import served


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("create", [True, False])
def test_a_server_that_does_not_answer_is_named_without_its_password(create):
    address = f"postgresql://nobody:s3cret-word@127.0.0.1:{free_port()}/x"
    with pytest.raises(DatabaseUnavailable) as refusal:
        open_database(address, create=create)
    assert refusal.value.field == "--db"
    assert refusal.value.fix
    assert "127.0.0.1" in str(refusal.value)
    assert "s3cret-word" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_database_that_does_not_exist_on_a_server_is_out_of_reach(fresh_postgres_url):
    there = make_url(fresh_postgres_url())
    gone = there.set(database="never_made").render_as_string(hide_password=False)
    with pytest.raises(DatabaseUnavailable, match="does not exist"):
        open_database(gone)


@pytest.mark.parametrize("create", [True, False])
def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path, create):
    file = tmp_path / "some.csv"
    file.write_text("kit_number,kit_type\n" * 200, encoding="utf-8")
    before = file.read_bytes()
    with pytest.raises(DatabaseUnavailable, match="not a database"):
        open_database(f"sqlite:///{file}", create=create)
    assert file.read_bytes() == before


def test_a_database_of_somebody_else_is_refused_when_it_is_to_be_read(tmp_path):
    file = tmp_path / "other.db"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    with pytest.raises(DatabaseUnavailable, match="holds no ledger"):
        open_database(f"sqlite:///{file}", create=False)


@pytest.mark.parametrize("path", ["{folder}", "{file}/below/rtsm.db"])
def test_a_path_where_no_file_can_be_is_refused(tmp_path: Path, path):
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(DatabaseUnavailable):
        open_database("sqlite:///" + path.format(folder=tmp_path, file=file))


def test_what_a_database_says_of_a_statement_stays_what_it_is(database_url):
    database = open_database(database_url)
    with pytest.raises(DBAPIError, match="no_such_table"), database.read() as connection:
        connection.execute(text("SELECT 1 FROM no_such_table"))
    database.dispose()


def test_a_connection_that_is_lost_is_out_of_reach_and_the_next_one_works(fresh_postgres_url):
    database = open_database(fresh_postgres_url())
    end = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )

    def lose_it() -> None:
        with database.write() as connection:
            connection.execute(text("SELECT 1"))
            with database.write() as other:
                other.execute(end)
            connection.execute(text("SELECT 1"))

    with pytest.raises(DatabaseUnavailable):
        lose_it()
    with database.read() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1
    database.dispose()


def test_a_database_that_goes_away_is_answered_with_503_and_without_its_path(tmp_path):
    file = tmp_path / "rtsm.db"
    database = open_database(f"sqlite:///{file}")
    with served(create_app(database)) as address:
        assert httpx.get(f"{address}/health").status_code == 200
        database.dispose()
        file.write_bytes(b"no database any more" * 400)
        answers = [
            httpx.get(f"{address}/health"),
            httpx.post(f"{address}/login", json={"username": "anna", "password": "wrong password"}),
        ]
        database.dispose()
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (503, "database-unavailable")
        assert answer.json()["fix"]
        assert str(tmp_path) not in answer.text
