"""The test databases themselves: each test gets a real, empty database of its own."""

from collections.abc import Callable

import pytest
from sqlalchemy import create_engine, inspect, text


def test_each_test_gets_an_empty_database_that_keeps_what_is_committed(database_url: str) -> None:
    engine = create_engine(database_url)
    assert inspect(engine).get_table_names() == []
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE kit (number INTEGER)"))
        connection.execute(text("INSERT INTO kit VALUES (1)"))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT number FROM kit")).scalars().all() == [1]
    engine.dispose()


@pytest.mark.postgres
def test_two_fresh_postgres_databases_share_nothing(fresh_postgres_url: Callable[[], str]) -> None:
    first, second = create_engine(fresh_postgres_url()), create_engine(fresh_postgres_url())
    with first.begin() as connection:
        connection.execute(text("CREATE TABLE kit (number INTEGER)"))
    assert inspect(second).get_table_names() == []
    first.dispose()
    second.dispose()


@pytest.mark.postgres
def test_a_template_database_gives_copies_of_its_tables(fresh_postgres_url: Callable[..., str]) -> None:
    template = fresh_postgres_url()
    engine = create_engine(template)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE kit (number INTEGER)"))
    engine.dispose()
    copy = create_engine(fresh_postgres_url(template))
    assert inspect(copy).get_table_names() == ["kit"]
    copy.dispose()
