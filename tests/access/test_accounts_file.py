"""A file of users: all or nothing, problems by line, and safe to load again."""

import pytest
from sqlalchemy import select

from allocation.access.accounts_file import load_users
from allocation.access.actors import SYSTEM_ACTOR, Actor, Grant
from allocation.access.grants import actor_named
from allocation.access.schema import access_grant, account
from allocation.access.tokens import actor_for_login
from allocation.errors import FileRefused, NotPermitted
from allocation.ledger.schema import ledger_entry

HEADER = "username,display_name,password,role,study_id,scope_kind,scope_key\n"
GOOD = (
    HEADER
    + 'anna,"Smith, Anna",correct horse battery,investigator,S1,site,701\n'
    + 'anna,"Smith, Anna",correct horse battery,site_coordinator,S1,site,702\n'
    + "zoë.b,Zoë B,,monitor,S1,,\n".replace("zoë.b", "zoe.b")
)


def test_a_file_makes_accounts_with_their_roles(database, clock):
    loaded = load_users(database, SYSTEM_ACTOR, GOOD.encode(), clock)
    assert (loaded.created, loaded.granted) == (("anna", "zoe.b"), 3)
    anna = actor_for_login(database, "anna", "correct horse battery", clock)
    assert anna.display_name == "Smith, Anna"
    assert anna.grants == (
        Grant("investigator", "S1", "site", "701"),
        Grant("site_coordinator", "S1", "site", "702"),
    )
    zoe = actor_for_login(database, "zoe.b", loaded.generated_passwords["zoe.b"], clock)
    assert (zoe.display_name, zoe.grants) == ("Zoë B", (Grant("monitor", "S1"),))


def test_a_file_loaded_again_changes_nothing(database, clock):
    load_users(database, SYSTEM_ACTOR, GOOD.encode("utf-8-sig"), clock)
    before = _everything(database)
    again = load_users(database, SYSTEM_ACTOR, GOOD.encode(), clock)
    assert (again.created, again.granted, again.generated_passwords) == ((), 0, {})
    assert _everything(database) == before


def test_an_address_is_loaded_with_its_account_and_changed_by_the_file_that_names_another(database, clock):
    header = HEADER.strip() + ",email\n"
    row = 'anna,"Smith, Anna",correct horse battery,investigator,S1,site,701,'
    load_users(database, SYSTEM_ACTOR, f"{header}{row}Anna.Smith@EXAMPLE.org\n".encode(), clock)
    for text, kept in (("", "Anna.Smith@example.org"), ("a@example.org", "a@example.org")):
        load_users(database, SYSTEM_ACTOR, f"{header}{row}{text}\n".encode(), clock)
        with database.read() as connection:
            assert connection.execute(select(account.c.email)).scalars().all() == [kept]
    with database.read() as connection:
        entry = connection.execute(select(ledger_entry).where(ledger_entry.c.command == "set_email")).one()
    assert (entry.before_json, entry.after_json) == (
        '{"email":"Anna.Smith@example.org"}',
        '{"email":"a@example.org","username":"anna"}',
    )
    with pytest.raises(FileRefused, match="line 2"):
        load_users(database, SYSTEM_ACTOR, f"{header}{row}no address\n".encode(), clock)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", ["line 1"]),
        (HEADER.encode(), ["line 2"]),
        (b"username,role\nanna,monitor\n", ["line 1"]),
        (GOOD.encode("utf-16"), ["byte 0"]),
        ((GOOD + "bert,Bert,correct horse battery\n").encode(), ["line 5"]),
        ((GOOD + "bert,Bert,correct horse battery,monitor,S1,,,extra\n").encode(), ["line 5"]),
        ((GOOD + 'bert,"Bert,correct horse battery,monitor,S1,,\n').encode(), ["line 5"]),
        ((GOOD + "bert,Bert,short,monitor,S1,,\ncarl,Carl,,wizard,S1,,\n").encode(), ["line 5", "line 6"]),
        ((GOOD + "anna,Another Anna,correct horse battery,monitor,S1,,\n").encode(), ["line 5"]),
        ((GOOD + 'anna,"Smith, Anna",,unblinded_statistician,S1,,\n').encode(), ["line 5"]),
        ((GOOD + "bert,Bert,,monitor,S1,site,\n").encode(), ["line 5"]),
        ((GOOD + "system,System,,monitor,S1,,\n").encode(), ["line 5"]),
    ],
)
def test_a_bad_file_is_refused_by_line_and_leaves_nothing(database, clock, content, expected):
    before = _everything(database)
    with pytest.raises(FileRefused) as refusal:
        load_users(database, SYSTEM_ACTOR, content, clock)
    assert [problem.split(":")[0] for problem in refusal.value.problems] == expected
    assert _everything(database) == before


def test_only_an_administrator_loads_users(database, clock):
    with pytest.raises(NotPermitted):
        load_users(database, Actor("mo", "Mo", (Grant("monitor"),)), GOOD.encode(), clock)


def test_a_password_that_was_made_up_is_given_once_and_works_for_every_row_of_the_user(database, clock):
    rows = HEADER + "bert,Bert,,monitor,S1,,\nbert,Bert,,data_manager,S1,,\n"
    loaded = load_users(database, SYSTEM_ACTOR, rows.encode(), clock)
    assert set(loaded.generated_passwords) == {"bert"}
    assert len(actor_named(database, "bert").grants) == 2


def _everything(database):
    with database.read() as connection:
        return [connection.execute(select(table)).all() for table in (account, access_grant, ledger_entry)]
