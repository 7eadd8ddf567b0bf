"""Accounts: unique, with strong passwords, locked after failures; grants never join blinded and unblinded."""

import threading
from datetime import timedelta

import pytest
from argon2 import Type, extract_parameters
from sqlalchemy import select

from allocation.access import accounts
from allocation.access.accounts import (
    ACCOUNTS_LEDGER,
    LOCKED_FOR,
    MAX_FAILED_ATTEMPTS,
    create_account,
    set_password,
    verify_password,
)
from allocation.access.actors import SYSTEM_ACTOR, Actor, Grant
from allocation.access.grants import actor_named, grant_role, revoke_grant
from allocation.access.schema import access_grant, account
from allocation.access.tokens import actor_for_login, actor_for_token, issue_token
from allocation.errors import DomainRefusal, LoginRefused, NotFound, NotPermitted
from allocation.ledger.reader import sealed_entries
from allocation.ledger.schema import ledger_entry
from allocation.ledger.sealing import seal_pending

PASSWORD = "correct horse battery"
HASHER = accounts._HASHER  # the true one: while tests run, a cheap one is in its place


@pytest.mark.parametrize("known", [True, False])
def test_a_password_costs_a_thief_what_rfc_9106_recommends_and_an_unknown_user_as_much(known):
    # Section 4, second recommended option: t=3 passes over m=64 MiB with p=4 lanes.
    parameters = extract_parameters(HASHER.hash("a password") if known else accounts._NOBODYS_HASH)
    assert (parameters.type, parameters.time_cost, parameters.memory_cost, parameters.parallelism) == (
        Type.ID,
        3,
        65536,
        4,
    )


@pytest.fixture
def anna(database, clock):
    create_account(database, SYSTEM_ACTOR, "anna", "Anna Smith", PASSWORD, clock)
    return "anna"


def test_the_right_password_gives_the_identity_and_its_grants(database, clock, anna):
    grant = Grant("investigator", "S1", "site", "701")
    assert grant_role(database, SYSTEM_ACTOR, anna, grant, clock)
    assert actor_for_login(database, anna, PASSWORD, clock) == Actor("anna", "Anna Smith", (grant,))


def test_a_wrong_password_an_unknown_user_and_a_locked_account_read_the_same(database, clock, anna):
    refusals = set()
    for username in (anna, "nobody"):
        with pytest.raises(LoginRefused) as refusal:
            verify_password(database, username, "wrong password here", clock)
        refusals.add(str(refusal.value))
    for _ in range(MAX_FAILED_ATTEMPTS):
        with pytest.raises(LoginRefused):
            verify_password(database, anna, "wrong password here", clock)
    with pytest.raises(LoginRefused) as refusal:
        verify_password(database, anna, PASSWORD, clock)
    refusals.add(str(refusal.value))
    assert len(refusals) == 1


def test_five_failures_lock_an_account_until_the_time_has_passed(database, clock, anna):
    for _ in range(MAX_FAILED_ATTEMPTS):
        with pytest.raises(LoginRefused):
            verify_password(database, anna, "wrong password here", clock)
    with pytest.raises(LoginRefused):
        verify_password(database, anna, PASSWORD, clock)
    clock.move(LOCKED_FOR)
    assert verify_password(database, anna, PASSWORD, clock).username == anna
    with pytest.raises(LoginRefused):
        verify_password(database, anna, "wrong password here", clock)
    assert verify_password(database, anna, PASSWORD, clock), "one failure after a lock does not lock again"


def test_a_success_forgets_the_failures_before_it(database, clock, anna):
    for _ in range(3):
        for _ in range(MAX_FAILED_ATTEMPTS - 1):
            with pytest.raises(LoginRefused):
                verify_password(database, anna, "wrong password here", clock)
        verify_password(database, anna, PASSWORD, clock)


def test_guesses_at_the_same_time_cannot_outrun_the_lock(database, clock, anna):
    start = threading.Barrier(8)

    def guess():
        start.wait()
        with pytest.raises(LoginRefused):
            verify_password(database, anna, "wrong password here", clock)

    threads = [threading.Thread(target=guess) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as connection:
        row = connection.execute(select(account)).one()
        locks = connection.execute(select(ledger_entry).where(ledger_entry.c.command == "lock_account")).all()
    assert row.failed_attempts == MAX_FAILED_ATTEMPTS, "later guesses were not even checked"
    assert len(locks) == 1


@pytest.mark.parametrize(
    ("username", "name", "password", "code"),
    [
        ("anna", "Anna Again", PASSWORD, "username-taken"),
        ("Anna Smith", "Anna", PASSWORD, "invalid-username"),
        ("system", "Anna", PASSWORD, "invalid-username"),
        ("berta", " ", PASSWORD, "invalid-display-name"),
        ("berta", "Berta", "short", "weak-password"),
        ("berta", "Berta", "my-name-is-berta-1", "weak-password"),
    ],
)
def test_an_account_that_is_not_allowed_is_refused_and_nothing_written(
    database, clock, anna, username, name, password, code
):
    before = _everything(database)
    with pytest.raises(DomainRefusal) as refusal:
        create_account(database, SYSTEM_ACTOR, username, name, password, clock)
    assert refusal.value.code == code
    assert _everything(database) == before


def test_only_an_administrator_of_all_studies_creates_accounts(database, clock):
    monitor = Actor("mo", "Mo", (Grant("monitor", "*"), Grant("administrator", "S1")))
    with pytest.raises(NotPermitted):
        create_account(database, monitor, "berta", "Berta", PASSWORD, clock)
    administrator = Actor("ad", "Ad", (Grant("administrator"),))
    assert create_account(database, administrator, "berta", "Berta", PASSWORD, clock).username == "berta"


def test_blinded_and_unblinded_in_one_study_are_refused_even_after_the_unblinded_role_was_taken_back(
    database, clock, anna
):
    unblinded = Grant("unblinded_statistician", "S1")
    grant_role(database, SYSTEM_ACTOR, anna, unblinded, clock)
    blinded = Grant("monitor", "S1", "site", "701")
    for _ in ("while it is held", "after it was taken back"):
        with pytest.raises(DomainRefusal) as refusal:
            grant_role(database, SYSTEM_ACTOR, anna, blinded, clock)
        assert refusal.value.code == "role-conflict"
        with database.read() as connection:
            held = connection.execute(select(access_grant.c.revoked_at)).all()
        if held[0].revoked_at is None:
            revoke_grant(database, SYSTEM_ACTOR, anna, unblinded, clock, reason="left the team")
    assert grant_role(database, SYSTEM_ACTOR, anna, Grant("monitor", "S2"), clock)


def test_conflicting_grants_at_the_same_time_never_both_succeed(database, clock, anna):
    start = threading.Barrier(2)
    outcomes = []

    def give(role):
        start.wait()
        try:
            outcomes.append(grant_role(database, SYSTEM_ACTOR, anna, Grant(role, "S1"), clock))
        except DomainRefusal as refusal:
            outcomes.append(refusal.code)

    threads = [
        threading.Thread(target=give, args=(role,)) for role in ("monitor", "supply_manager_unblinded")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, outcomes)) == ["True", "role-conflict"]


@pytest.mark.parametrize(
    ("grant", "code"),
    [
        (Grant("system", "S1"), "unknown-role"),
        (Grant("wizard", "S1"), "unknown-role"),
        (Grant("monitor", "S1", "planet", "X"), "unknown-scope"),
        (Grant("monitor", "S1", "site", "*"), "unknown-scope"),
        (Grant("monitor", "*", "site", "701"), "unknown-scope"),
        (Grant("monitor", "S1", "study", "701"), "unknown-scope"),
        (Grant("monitor", ""), "unknown-study"),
        (Grant("monitor", "SYSTEM"), "unknown-study"),
    ],
)
def test_a_grant_that_means_nothing_is_refused(database, clock, anna, grant, code):
    before = _everything(database)
    with pytest.raises(DomainRefusal) as refusal:
        grant_role(database, SYSTEM_ACTOR, anna, grant, clock)
    assert refusal.value.code == code
    assert _everything(database) == before


def test_nobody_gives_roles_to_themselves_or_in_another_study(database, clock, anna):
    administrator = Actor(anna, "Anna Smith", (Grant("administrator", "S1"),))
    with pytest.raises(NotPermitted):
        grant_role(database, administrator, anna, Grant("monitor", "S1"), clock)
    create_account(database, SYSTEM_ACTOR, "berta", "Berta", PASSWORD, clock)
    assert grant_role(database, administrator, "berta", Grant("monitor", "S1"), clock)
    for study in ("S2", "*"):
        with pytest.raises(NotPermitted):
            grant_role(database, administrator, "berta", Grant("monitor", study), clock)


def test_a_role_given_twice_is_held_once_and_an_unheld_one_cannot_be_taken(database, clock, anna):
    grant = Grant("monitor", "S1")
    assert grant_role(database, SYSTEM_ACTOR, anna, grant, clock)
    assert not grant_role(database, SYSTEM_ACTOR, anna, grant, clock)
    assert actor_named(database, anna).grants == (grant,)
    with pytest.raises(NotFound):
        revoke_grant(database, SYSTEM_ACTOR, anna, Grant("monitor", "S2"), clock, reason="x")
    with pytest.raises(NotFound):
        grant_role(database, SYSTEM_ACTOR, "nobody", grant, clock)


def test_every_change_of_access_is_in_the_ledger_and_no_secret_is(database, clock, anna):
    grant = Grant("monitor", "S1")
    grant_role(database, SYSTEM_ACTOR, anna, grant, clock, reason="joined")
    actor = actor_named(database, anna)
    token = issue_token(database, actor, clock)
    set_password(database, actor, anna, "another good one", clock, current=PASSWORD)
    revoke_grant(database, SYSTEM_ACTOR, anna, grant, clock, reason="left")
    seal_pending(database)
    accounts = sealed_entries(database, ACCOUNTS_LEDGER)
    assert [entry.command for entry in accounts] == ["create_account", "issue_token", "set_password"]
    in_study = sealed_entries(database, "S1")
    assert [(entry.command, entry.reason) for entry in in_study] == [
        ("grant_role", "joined"),
        ("revoke_grant", "left"),
    ]
    assert in_study[1].before["role"] == "monitor"
    written = repr(accounts + in_study)
    with database.read() as connection:
        hashed = connection.execute(select(account.c.password_hash)).scalar_one()
    for secret in (PASSWORD, "another good one", hashed, token.token):
        assert secret not in written
    assert hashed.startswith("$argon2id$")


def test_a_new_password_ends_the_tokens_and_needs_the_old_one(database, clock, anna):
    actor = actor_named(database, anna)
    token = issue_token(database, actor, clock).token
    with pytest.raises(LoginRefused):
        set_password(database, actor, anna, "another good one", clock, current="wrong password here")
    assert actor_for_token(database, token, clock).username == anna
    set_password(database, actor, anna, "another good one", clock, current=PASSWORD)
    with pytest.raises(LoginRefused):
        actor_for_token(database, token, clock)
    with pytest.raises(LoginRefused):
        verify_password(database, anna, PASSWORD, clock)
    assert verify_password(database, anna, "another good one", clock)


def test_an_administrator_resets_a_password_and_ends_a_lock(database, clock, anna):
    for _ in range(MAX_FAILED_ATTEMPTS):
        with pytest.raises(LoginRefused):
            verify_password(database, anna, "wrong password here", clock)
    monitor = Actor("mo", "Mo", (Grant("monitor"),))
    with pytest.raises(NotPermitted):
        set_password(database, monitor, anna, "another good one", clock)
    set_password(database, SYSTEM_ACTOR, anna, "another good one", clock)
    clock.move(timedelta(seconds=1))
    assert verify_password(database, anna, "another good one", clock)
    with pytest.raises(NotFound):
        set_password(database, SYSTEM_ACTOR, "nobody", "another good one", clock)


def _everything(database):
    with database.read() as connection:
        return [connection.execute(select(table)).all() for table in (account, access_grant, ledger_entry)]


@pytest.mark.parametrize("password", ["correct horse \ud800", "\udcff" * 20])
def test_a_password_that_cannot_be_encoded_is_wrong_and_counts_towards_the_lock(
    database, clock, anna, password
):
    for _ in range(MAX_FAILED_ATTEMPTS):
        for username in (anna, "nobody"):
            with pytest.raises(LoginRefused):
                verify_password(database, username, password, clock)
    with pytest.raises(LoginRefused):
        verify_password(database, anna, PASSWORD, clock)
    with pytest.raises(DomainRefusal) as refusal:
        create_account(database, SYSTEM_ACTOR, "berta", "Berta", password, clock)
    assert (refusal.value.code, refusal.value.field) == ("weak-password", "password")
