"""Mail on a real SMTP server: secured, at least once under one Message-ID, given up visibly, and nobody's failure is another's."""

import smtplib
from datetime import timedelta

import pytest

from allocation.access.accounts import set_email
from allocation.access.actors import SYSTEM_ACTOR, Grant
from allocation.access.grants import revoke_grant
from allocation.commands.kit_acts import quarantine_kits
from allocation.commands.kit_scope import KitScopeRequest
from allocation.commands.service import Act
from allocation.delivery import LEASE, TRIES, Delivery, pause_after, revive_dead
from allocation.notify import sending, smtp
from allocation.notify.schema import notice
from allocation.notify.sending import send_notices
from allocation.notify.settings import SmtpSettings
from allocation.views.blinded.notices import list_notices
from tests.api.trial import STUDY
from tests.commands.desk import Desk
from tests.notify.mail_server import Certificates, Inbox, a_free_port, certificates, mail_server, settings_for
from tests.notify.people import address, mail

TOLD = 8
"""How many people are told of a quarantine at one site."""


@pytest.fixture
def alarmed(desk: Desk) -> Desk:
    return with_mail(desk)


@pytest.fixture
def alarmed_sqlite(sqlite_desk: Desk) -> Desk:
    """For what concerns the SMTP server and not the database."""
    return with_mail(sqlite_desk)


def with_mail(desk: Desk) -> Desk:
    """Kits of one site are put into quarantine, which eight people are told."""
    act = Act(SYSTEM_ACTOR, reason="alarm")
    quarantine_kits(desk.service, act, STUDY, KitScopeRequest(site_id="S01"))
    assert len(mail(desk)) == TOLD
    return desk


def send(desk: Desk, settings: SmtpSettings) -> Delivery:
    return send_notices(desk.database, STUDY, settings, lambda: desk.now)


@pytest.mark.parametrize("security", ["starttls", "implicit"])
def test_each_mail_arrives_once_over_tls_at_its_own_address(
    alarmed_sqlite: Desk, shown: Certificates, security: str
) -> None:
    desk, inbox = alarmed_sqlite, Inbox()
    with mail_server(inbox, shown, security) as settings:
        assert send(desk, settings) == Delivery(sent=TOLD, failed=0, dead=0, waiting=0)
        assert send(desk, settings) == Delivery(sent=0, failed=0, dead=0, waiting=0)
    rows = {address(row.username): row for row in mail(desk)}
    assert {who for who, _ in inbox.taken} == set(rows)
    for (who, _), message in zip(inbox.taken, inbox.messages, strict=True):
        row = rows[who]
        assert message["Message-ID"] == f"<{row.message_id}@sponsor.example.com>"
        assert (message["To"], message["From"]) == (who, "rtsm@sponsor.example.com")
        assert message["Subject"] == row.subject
        assert message.get_content().split() == row.body.split()
        assert message["Date"].datetime == row.created_at.replace(microsecond=0)


def test_mail_of_an_hour_without_a_server_is_all_delivered_once_when_it_is_back(
    alarmed: Desk, shown: Certificates
) -> None:
    desk, inbox, port = alarmed, Inbox(), a_free_port()
    for _ in range(12):
        done = send(desk, settings_for(port, shown))
        assert (done.sent, done.dead, done.waiting) == (0, 0, TOLD)
        assert done.failed <= 1  # the round ends at the first: nobody else would be reached
        desk.move(minutes=5)
    with mail_server(inbox, shown) as settings:
        while send(desk, settings).waiting:
            desk.move(minutes=10)
    assert len(inbox.taken) == TOLD
    assert {who for who, _ in inbox.taken} == {address(row.username) for row in mail(desk)}


def test_a_server_that_is_away_for_weeks_costs_no_message(alarmed_sqlite: Desk, shown: Certificates) -> None:
    desk, nowhere = alarmed_sqlite, settings_for(a_free_port(), shown)
    for _ in range(TRIES + 2):
        send(desk, nowhere)
        desk.move(hours=7)
    assert {row.state for row in mail(desk)} == {"waiting"}
    assert max(row.attempts for row in mail(desk)) > TRIES
    assert pause_after(1000) == timedelta(hours=6)


def test_one_refused_recipient_is_a_dead_letter_and_stops_nobody_else(
    alarmed: Desk, shown: Certificates
) -> None:
    desk = alarmed
    inbox = Inbox(answers={address("coordinator"): "550 no such mailbox for ZZKITA"})
    with mail_server(inbox, shown) as settings:
        assert send(desk, settings) == Delivery(sent=TOLD - 1, failed=0, dead=1, waiting=0)
        (first, *_) = list_notices(desk.database, SYSTEM_ACTOR, STUDY).notices
        assert (first.username, first.state, first.last_error) == (
            "coordinator",
            "dead",
            "the recipient is refused (550)",
        )
        inbox.answers.clear()
        assert send(desk, settings).sent == 0
        assert revive_dead(desk.database, notice, STUDY, desk.now) == 1
        assert send(desk, settings) == Delivery(sent=1, failed=0, dead=0, waiting=0)
    assert len(inbox.to(address("coordinator"))) == 1


def test_a_recipient_who_is_refused_for_now_is_tried_again_with_growing_pauses_and_given_up_at_last(
    alarmed_sqlite: Desk, shown: Certificates
) -> None:
    desk = alarmed_sqlite
    inbox = Inbox(answers={address("coordinator"): "450 mailbox busy"})
    with mail_server(inbox, shown) as settings:
        assert send(desk, settings) == Delivery(sent=TOLD - 1, failed=1, dead=0, waiting=1)
        for attempt in range(1, TRIES):
            desk.now += pause_after(attempt) - timedelta(seconds=1)
            assert send(desk, settings).failed == 0  # not yet
            desk.move(seconds=1)
            last = send(desk, settings)
    assert (last.dead, last.waiting) == (1, 0)


def test_a_sender_that_dies_after_the_server_took_a_message_sends_it_again_under_the_same_id(
    alarmed: Desk, shown: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, inbox = alarmed, Inbox()

    def die(*_: object) -> str:
        raise KeyboardInterrupt

    with mail_server(inbox, shown) as settings:
        with monkeypatch.context() as patch:
            patch.setattr(sending, "note", die)
            with pytest.raises(KeyboardInterrupt):
                send(desk, settings)
        assert send(desk, settings).sent == TOLD - 1  # the taken one is another's until its lease ends
        desk.now += LEASE
        assert send(desk, settings) == Delivery(sent=1, failed=0, dead=0, waiting=0)
    ids = [message["Message-ID"] for message in inbox.messages]
    assert (len(ids), len(set(ids))) == (TOLD + 1, TOLD)
    assert inbox.taken[0] == inbox.taken[-1]


def test_mail_never_goes_in_the_clear_nor_to_a_server_that_cannot_show_who_it_is(
    alarmed_sqlite: Desk, shown: Certificates, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, inbox = alarmed_sqlite, Inbox()
    monkeypatch.setattr(
        smtp, "TIMEOUT_SECONDS", 2
    )  # this server falls silent when it is shown a wrong password
    with mail_server(inbox, shown, "none", user=None, password=None) as plain:
        settings = plain.model_copy(update={"security": "starttls"})
        assert send(desk, settings).failed == 1
    with mail_server(inbox, certificates(tmp_path)) as other:
        assert send(desk, other.model_copy(update={"ca_file": shown.ca_file})).failed == 1
    with mail_server(inbox, shown, password="a wrong one") as wrong:
        assert send(desk, wrong).failed == 1
    errors = {row.last_error for row in mail(desk) if row.attempts}
    assert errors == {
        "the server does not offer STARTTLS or the login that is asked for",
        "TLS failed: CERTIFICATE_VERIFY_FAILED",
        "the server refuses the user",
    }
    assert inbox.taken == []


def test_a_refused_content_is_given_up_and_a_lost_connection_is_not(
    alarmed_sqlite: Desk, shown: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, inbox = alarmed_sqlite, Inbox(to_data="554 no")
    with mail_server(inbox, shown) as settings:
        with monkeypatch.context() as patch:

            def lose(*_: object, **__: object) -> None:
                raise smtplib.SMTPServerDisconnected("lost")

            patch.setattr(smtplib.SMTP, "send_message", lose)
            assert send(desk, settings) == Delivery(sent=0, failed=1, dead=0, waiting=TOLD)
        assert send(desk, settings).dead == TOLD - 1


def test_mail_that_somebody_may_no_longer_read_is_not_sent(alarmed: Desk, shown: Certificates) -> None:
    desk, inbox = alarmed, Inbox()
    role = Grant("investigator", STUDY, "site", "S01")
    revoke_grant(desk.database, SYSTEM_ACTOR, "investigator", role, lambda: desk.now, reason="left")
    set_email(desk.database, SYSTEM_ACTOR, "supply", None, lambda: desk.now)
    with mail_server(inbox, shown) as settings:
        assert send(desk, settings) == Delivery(sent=TOLD - 2, failed=0, dead=2, waiting=0)
    assert not {address("investigator"), address("supply")} & {who for who, _ in inbox.taken}
