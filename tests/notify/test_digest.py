"""A daily digest: one mail at somebody's hour with all that waited for it, blinded for the blinded; recalls do not wait."""

import pytest

from allocation.access.actors import SYSTEM_ACTOR, Actor, Grant
from allocation.access.grants import revoke_grant
from allocation.commands.kit_acts import quarantine_kits
from allocation.commands.kit_scope import KitScopeRequest
from allocation.commands.recalls import RecallLotRequest, recall_lot
from allocation.commands.service import Act
from allocation.delivery import Delivery
from allocation.errors import DomainRefusal, NotPermitted
from allocation.ledger.schema import kit, ledger_entry
from allocation.notify.preferences import Preference, preference_of, set_preference
from allocation.notify.sending import send_notices
from allocation.notify.settings import SmtpSettings
from tests.api.trial import STUDY
from tests.commands.desk import ACT, Desk
from tests.notify.mail_server import Certificates, Inbox, mail_server
from tests.notify.people import address, mail

ALARM = Act(SYSTEM_ACTOR, reason="alarm")


def prefer(desk: Desk, name: str, **wanted: object) -> None:
    set_preference(desk.database, SYSTEM_ACTOR, Preference(name, None, **wanted), lambda: desk.now)


def quarantine(desk: Desk, count: int) -> None:
    """Put kits at S01 into quarantine, one act for each."""
    here = sorted(
        one.kit_number for one in desk.rows(kit) if one.status == "site_available" and one.place == "S01"
    )
    for number in here[:count]:
        quarantine_kits(desk.service, ALARM, STUDY, KitScopeRequest(kit_numbers=(number,)))


def send(desk: Desk, settings: SmtpSettings) -> Delivery:
    return send_notices(desk.database, STUDY, settings, lambda: desk.now)


def test_a_digest_comes_once_at_the_hour_of_the_site_with_everything_of_the_day(
    desk: Desk, shown: Certificates
) -> None:
    prefer(desk, "coordinator", digest_hour=7)
    prefer(desk, "open.pharmacist", digest_hour=7, timezone="UTC")
    quarantine(desk, 3)
    inbox = Inbox()
    with mail_server(inbox, shown) as settings:
        assert send(desk, settings).sent == 3 * 6
        assert inbox.to(address("coordinator")) == []
        desk.now = desk.now.replace(day=desk.now.day + 1, hour=5, minute=59)
        assert send(desk, settings).sent == 0
        desk.move(minutes=1)  # 7:00 in Berlin, where the site is
        assert send(desk, settings).sent == 1
        assert send(desk, settings).sent == 0
        desk.move(hours=1)
        assert send(desk, settings).sent == 1
    assert inbox.to(address("coordinator")) == [f"[{STUDY}] 3 notifications"]
    (digest,) = [row for row in mail(desk, "digest") if row.username == "coordinator"]
    assert digest.body.count("Kits in quarantine\n") == 3
    assert "ZZ" not in digest.body
    (other,) = [row for row in mail(desk, "digest") if row.username == "open.pharmacist"]
    assert (other.variant, "ZZKIT" in other.body) == ("unblinded", True)
    carried = [row for row in mail(desk, "quarantine") if row.username == "coordinator"]
    assert {(row.state, row.digest_id) for row in carried} == {("bundled", digest.notice_id)}


def test_a_digest_leaves_out_what_may_no_longer_be_read(desk: Desk, shown: Certificates) -> None:
    prefer(desk, "coordinator", digest_hour=7)
    quarantine(desk, 1)
    role = Grant("site_coordinator", STUDY, "site", "S01")
    revoke_grant(desk.database, SYSTEM_ACTOR, "coordinator", role, lambda: desk.now, reason="left")
    desk.move(days=1)
    inbox = Inbox()
    with mail_server(inbox, shown) as settings:
        send(desk, settings)
    assert inbox.to(address("coordinator")) == []
    assert [row.state for row in mail(desk) if row.username == "coordinator"] == ["dead"]


def test_what_is_switched_off_is_not_written_and_a_recall_is_neither_put_off_nor_switched_off(
    desk: Desk, shown: Certificates
) -> None:
    prefer(desk, "coordinator", digest_hour=7, off=("quarantine",))
    quarantine(desk, 1)
    assert "coordinator" not in {row.username for row in mail(desk)}
    recall_lot(desk.service, ACT, STUDY, RecallLotRequest(lot_id="ZZLOT1"))
    inbox = Inbox()
    with mail_server(inbox, shown) as settings:
        send(desk, settings)
    assert inbox.to(address("coordinator")) == [f"[{STUDY}] Kits recalled: site S01"]
    with pytest.raises(DomainRefusal, match="at once") as refusal:
        prefer(desk, "coordinator", off=("recall",))
    assert refusal.value.field == "off"


def test_people_change_their_own_wishes_and_nobody_elses(sqlite_desk: Desk) -> None:
    desk = sqlite_desk
    anna = Actor("coordinator", "Anna", (Grant("site_coordinator", STUDY, "site", "S01"),))
    wanted = Preference("coordinator", None, 6, "Asia/Kolkata", ("late", "order"))
    kept = set_preference(desk.database, anna, wanted, lambda: desk.now)
    assert kept == preference_of(desk.database, anna, "coordinator")
    assert kept == Preference("coordinator", address("coordinator"), 6, "Asia/Kolkata", ("late", "order"))
    with pytest.raises(NotPermitted):
        set_preference(desk.database, anna, Preference("investigator", None, 6), lambda: desk.now)
    entries = [row for row in desk.rows(ledger_entry) if row.command == "set_notifications"]
    assert len(entries) == 1


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"digest_hour": 24}, "digest_hour"),
        ({"timezone": "Berlin"}, "timezone"),
        ({"off": ("no_event",)}, "off"),
    ],
)
def test_a_wish_that_there_is_not_is_refused_by_name(sqlite_desk: Desk, wrong: dict, field: str) -> None:
    with pytest.raises(DomainRefusal) as refusal:
        prefer(sqlite_desk, "coordinator", **wrong)
    assert refusal.value.field == field
