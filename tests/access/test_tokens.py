"""Tokens: end on time, follow the grants of the moment, and never carry more than they are narrowed to."""

from datetime import date, timedelta

import pytest
from sqlalchemy import insert, select

from allocation.access.accounts import create_account
from allocation.access.actors import SYSTEM_ACTOR, Actor, Grant
from allocation.access.grants import actor_named, grant_role, revoke_grant
from allocation.access.schema import api_token
from allocation.access.tokens import LOGIN_LASTS, LONGEST_LIFE, actor_for_token, issue_token, revoke_token
from allocation.errors import DomainRefusal, LoginRefused, NotFound, NotPermitted
from allocation.ledger.schema import site

PASSWORD = "correct horse battery"


@pytest.fixture
def anna(database, clock):
    create_account(database, SYSTEM_ACTOR, "anna", "Anna Smith", PASSWORD, clock)
    grant_role(database, SYSTEM_ACTOR, "anna", Grant("monitor", "S1", "country", "DEU"), clock)
    grant_role(database, SYSTEM_ACTOR, "anna", Grant("data_manager", "*"), clock)
    with database.write() as connection:
        for site_id, country in (("701", "DEU"), ("801", "FRA")):
            connection.execute(
                insert(site).values(
                    study_id="S1",
                    site_id=site_id,
                    name="Site",
                    country=country,
                    depot_id="D1",
                    timezone="UTC",
                    status="open",
                    opened_on=date(2026, 1, 1),
                )
            )
    return actor_named(database, "anna")


def test_a_token_stands_for_its_account_until_it_expires(database, clock, anna):
    issued = issue_token(database, anna, clock)
    clock.move(LOGIN_LASTS - timedelta(seconds=1))
    assert actor_for_token(database, issued.token, clock) == anna
    clock.move(timedelta(seconds=1))
    with pytest.raises(LoginRefused):
        actor_for_token(database, issued.token, clock)


def test_the_token_itself_is_not_kept(database, clock, anna):
    issued = issue_token(database, anna, clock)
    with database.read() as connection:
        stored = repr(connection.execute(select(api_token)).all())
    assert issued.token not in stored
    assert issued.token_id in stored


@pytest.mark.parametrize("token", ["", "rtsm_", "rtsm_" + "x" * 43])
def test_an_unknown_token_is_refused(database, clock, anna, token):
    with pytest.raises(LoginRefused):
        actor_for_token(database, token, clock)


def test_a_revoked_grant_is_gone_from_a_token_at_once(database, clock, anna):
    token = issue_token(database, anna, clock).token
    revoke_grant(database, SYSTEM_ACTOR, "anna", anna.grants[1], clock, reason="left")
    assert actor_for_token(database, token, clock).grants == anna.grants[:1]


@pytest.mark.parametrize(
    ("narrowing", "expected"),
    [
        ({"role": "monitor"}, {Grant("monitor", "S1", "country", "DEU")}),
        ({"study_id": "S2"}, {Grant("data_manager", "S2")}),
        ({"study_id": "S1", "role": "data_manager"}, {Grant("data_manager", "S1")}),
        (
            {"study_id": "S1", "site_id": "701"},
            {Grant("monitor", "S1", "site", "701"), Grant("data_manager", "S1", "site", "701")},
        ),
        ({"study_id": "S1", "site_id": "801"}, {Grant("data_manager", "S1", "site", "801")}),
    ],
)
def test_a_narrowed_token_carries_no_more_than_that(database, clock, anna, narrowing, expected):
    token = issue_token(database, anna, clock, **narrowing).token
    assert set(actor_for_token(database, token, clock).grants) == expected


@pytest.mark.parametrize(
    ("narrowing", "code"),
    [
        ({"role": "unblinded_statistician"}, "unknown-scope"),
        ({"site_id": "701"}, "unknown-scope"),
        ({"role": "monitor", "study_id": "S1", "site_id": "801"}, "unknown-scope"),
        ({"lasts": timedelta(0)}, "invalid-lifetime"),
        ({"lasts": LONGEST_LIFE + timedelta(days=1)}, "invalid-lifetime"),
    ],
)
def test_a_token_for_nothing_or_for_ever_is_refused(database, clock, anna, narrowing, code):
    with pytest.raises(DomainRefusal) as refusal:
        issue_token(database, anna, clock, **narrowing)
    assert refusal.value.code == code
    with database.read() as connection:
        assert connection.execute(select(api_token)).all() == []


def test_a_token_is_revoked_by_its_owner_or_an_administrator_only(database, clock, anna):
    first, second = issue_token(database, anna, clock), issue_token(database, anna, clock)
    stranger = Actor("mo", "Mo", (Grant("monitor", "*"),))
    with pytest.raises(NotPermitted):
        revoke_token(database, stranger, first.token_id, clock)
    revoke_token(database, anna, first.token_id, clock)
    revoke_token(database, Actor("ad", "Ad", (Grant("administrator"),)), second.token_id, clock)
    for issued in (first, second):
        with pytest.raises(LoginRefused):
            actor_for_token(database, issued.token, clock)
    with pytest.raises(NotFound):
        revoke_token(database, SYSTEM_ACTOR, "unknown", clock)
