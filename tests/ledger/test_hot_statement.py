"""A hot statement does what the connection's own `execute` does, in the same transaction, with the same values and errors."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import bindparam, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from allocation.ledger.hot_statement import HotStatement
from allocation.ledger.schema import kit, site, study_version, subject
from tests.api.trial import STUDY
from tests.commands.desk import Desk

_OPENED = insert(site)
_SITE = {
    "study_id": STUDY,
    "site_id": "S09",
    "name": "Site nine",
    "country": "DEU",
    "depot_id": "D1",
    "timezone": "Europe/Berlin",
    "profile": None,
    "status": "open",
    "opened_on": date(2026, 3, 2),
}


@pytest.mark.parametrize(("table", "key", "value"), [(subject, "site_id", "S01"), (kit, "place", "S01")])
def test_every_value_and_name_of_a_row_is_that_of_the_connection(
    desk: Desk, table: Any, key: str, value: str
) -> None:
    desk.randomized()
    query = (
        select(table)
        .where(table.c.study_id == bindparam("study"), table.c[key] == bindparam("what"))
        .order_by(*table.primary_key)
    )
    hot = HotStatement(query)
    keys = {"study": STUDY, "what": value}
    with desk.database.read() as connection:
        expected = connection.execute(query, keys).all()
        found = hot.rows(connection, keys)
    assert expected
    assert [one._asdict() for one in found] == [row._asdict() for row in expected]


def test_a_moment_comes_back_in_utc_and_is_compared_as_one(desk: Desk) -> None:
    query = select(study_version.c.version, study_version.c.effective_at).where(
        study_version.c.study_id == bindparam("study"), study_version.c.effective_at <= bindparam("now")
    )
    hot = HotStatement(query)
    with desk.database.read() as connection:
        ((version, effective_at),) = connection.execute(query, {"study": STUDY, "now": desk.now}).all()
        elsewhere = effective_at.astimezone(timezone(timedelta(hours=9)))
        (found,) = hot.rows(connection, {"study": STUDY, "now": elsewhere})
        before = hot.rows(connection, {"study": STUDY, "now": elsewhere - timedelta(microseconds=1)})
    assert (found.version, found.effective_at) == (version, effective_at)
    assert found.effective_at.tzinfo == UTC
    assert before == []


def test_a_moment_without_a_time_zone_is_refused(desk: Desk) -> None:
    hot = HotStatement(
        select(study_version.c.version).where(
            study_version.c.study_id == bindparam("study"), study_version.c.effective_at <= bindparam("now")
        )
    )
    with desk.database.read() as connection, pytest.raises(ValueError, match="no time zone"):
        hot.rows(connection, {"study": STUDY, "now": datetime(2026, 3, 2)})  # noqa: DTZ001


def test_a_parameter_that_is_missing_is_an_error(desk: Desk) -> None:
    hot = HotStatement(
        select(site).where(site.c.study_id == bindparam("study"), site.c.site_id == bindparam("site"))
    )
    with desk.database.read() as connection:
        assert len(hot.rows(connection, {"study": STUDY, "site": "S01"})) == 1
        with pytest.raises(KeyError, match="site"):
            hot.rows(connection, {"study": STUDY})


def test_what_it_changed_goes_with_the_transaction_that_fails(desk: Desk) -> None:
    closing = HotStatement(
        update(site)
        .where(site.c.study_id == bindparam("study"), site.c.country == bindparam("where"))
        .values(status="closed")
    )

    def close_and_fail() -> None:
        with desk.database.write() as connection:
            assert closing.changed(connection, {"study": STUDY, "where": "DEU"}) == 1
            assert closing.changed(connection, {"study": STUDY, "where": "JPN"}) == 0
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        close_and_fail()
    with desk.database.read() as connection:
        assert set(connection.execute(select(site.c.status)).scalars()) == {"open"}


def test_it_begins_a_transaction_where_none_has_begun(desk: Desk) -> None:
    hot = HotStatement(_OPENED)
    with desk.database.engine.connect() as connection:
        assert hot.changed(connection, _SITE) == 1
        assert connection.in_transaction()
        connection.rollback()
        assert hot.changed(connection, _SITE) == 1
        connection.commit()
    with desk.database.read() as connection:
        opened = connection.execute(select(site).where(site.c.site_id == "S09")).mappings().one()
    assert dict(opened) == _SITE


def test_a_breach_of_a_constraint_is_sqlalchemys_integrity_error_and_the_connection_goes_on(
    desk: Desk,
) -> None:
    hot = HotStatement(_OPENED)
    with desk.database.write() as connection:
        hot.changed(connection, _SITE)
    for _ in range(2):
        with pytest.raises(IntegrityError), desk.database.write() as connection:
            hot.changed(connection, _SITE)
    with desk.database.write() as connection:
        assert hot.changed(connection, {**_SITE, "site_id": "S10"}) == 1


def test_a_connection_that_was_lost_is_not_used_again(desk: Desk) -> None:
    if not desk.database.is_postgresql:
        pytest.skip("SQLite has no connection to lose")
    hot = HotStatement(_OPENED)
    backend = text("SELECT pg_backend_pid()")
    with desk.database.engine.connect() as connection, desk.database.engine.connect() as other:
        lost = connection.execute(backend).scalar_one()
        other.execute(text("SELECT pg_terminate_backend(:lost, 5000)"), {"lost": lost})
        with pytest.raises(DBAPIError) as raised:
            hot.changed(connection, _SITE)
    assert raised.value.connection_invalidated
    with desk.database.write() as connection:
        assert connection.execute(backend).scalar_one() != lost
        assert hot.changed(connection, _SITE) == 1


def test_a_read_drops_nothing_that_postgresql_has_prepared_and_may_write_nothing(desk: Desk) -> None:
    if not desk.database.is_postgresql:
        pytest.skip("SQLite's driver prepares by itself")
    hot = HotStatement(
        select(site.c.name).where(site.c.study_id == bindparam("study"), site.c.site_id == bindparam("site"))
    )
    prepared = text("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'SELECT site.name%'")
    desk.database.dispose()  # one connection from here on, which every use gets from the pool
    for _ in range(7):
        with desk.database.write() as connection:
            hot.rows(connection, {"study": STUDY, "site": "S01"})
    for _ in range(2):
        with desk.database.read() as connection:
            assert connection.execute(prepared).scalar_one() == 1
    with pytest.raises(DBAPIError, match="read-only transaction"), desk.database.read() as connection:
        connection.execute(_OPENED, _SITE)
    with desk.database.write() as connection:
        assert connection.execute(text("SHOW transaction_read_only")).scalar_one() == "off"
        connection.execute(_OPENED, _SITE)
    with desk.database.read() as connection:
        assert connection.execute(select(site.c.name).where(site.c.site_id == _SITE["site_id"])).one()
