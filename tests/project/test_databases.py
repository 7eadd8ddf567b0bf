"""The test databases themselves: each test gets a real database of its own."""

from collections.abc import Callable

import pytest
from sqlalchemy import create_engine, inspect, select, text

from allocation.ledger.schema import metadata


def test_each_test_gets_a_database_with_the_newest_tables_and_no_fact_that_keeps_what_is_committed(
    database_url: str,
) -> None:
    engine = create_engine(database_url)
    try:
        assert set(inspect(engine).get_table_names()) == {*metadata.tables, "alembic_version"}
        with engine.begin() as connection:
            assert [t.name for t in metadata.sorted_tables if connection.execute(select(t)).first()] == []
            connection.execute(text("CREATE TABLE crate (number INTEGER)"))
            connection.execute(text("INSERT INTO crate VALUES (1)"))
        with engine.connect() as connection:
            assert connection.execute(text("SELECT number FROM crate")).scalars().all() == [1]
    finally:
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
