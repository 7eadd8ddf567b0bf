"""Blinding of mail as non-interference: where only the treatment labels are permuted, no byte of a blinded mail differs."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from sqlalchemy import select

from allocation.access.actors import SYSTEM_ACTOR
from allocation.commands.dispensing import DispenseRequest, dispense
from allocation.commands.kit_acts import quarantine_kits
from allocation.commands.kit_scope import KitScopeRequest
from allocation.commands.notify_check import check_study
from allocation.commands.recalls import RecallLotRequest, recall_lot
from allocation.commands.service import Act
from allocation.errors import DomainRefusal
from allocation.ledger.schema import kit
from allocation.ledger.sealing import seal_pending
from allocation.notify.preferences import Preference, set_preference
from allocation.notify.schema import notice
from allocation.notify.sending import send_notices
from tests.api.trial import AS_IS, BLINDED, PERMUTED, STUDY
from tests.commands import desk as desk_module
from tests.commands.desk import Desk, desk_at
from tests.notify.mail_server import Certificates, Inbox, mail_server
from tests.notify.people import address, give_addresses
from tests.notify.test_check import with_alarm

ALARM = Act(SYSTEM_ACTOR, reason="sterility of ZZKITA in lot ZZLOT1")


def play(desk: Desk, settings) -> None:
    """A course in which every event of the table happens; mail is sent now and then, by digest to one person."""
    give_addresses(desk)
    set_preference(desk.database, SYSTEM_ACTOR, Preference("pharmacist", None, 7), lambda: desk.now)

    def look_and_send() -> None:
        seal_pending(desk.database)
        check_study(desk.service, SYSTEM_ACTOR, STUDY)
        send_notices(desk.database, STUDY, settings, lambda: desk.now)

    desk.set_up(document=with_alarm())
    look_and_send()
    desk.screened("S02")
    for _ in range(5):
        subject_id = desk.randomized()
        dispense(
            desk.service, Act(SYSTEM_ACTOR), STUDY, DispenseRequest(subject_id=subject_id, visit_code="V2")
        )
        look_and_send()
    here = sorted(
        one.kit_number for one in desk.rows(kit) if (one.place, one.status) == ("S01", "site_available")
    )
    quarantine_kits(desk.service, ALARM, STUDY, KitScopeRequest(kit_numbers=tuple(here[:2])))
    quarantine_kits(desk.service, ALARM, STUDY, KitScopeRequest(lot_id="ZZLOT3"))
    recall_lot(desk.service, ALARM, STUDY, RecallLotRequest(lot_id="ZZLOT1"))
    with pytest.raises(DomainRefusal):
        desk.screened("S02")
    orders = desk_module.run_resupply(
        desk.service, Act(SYSTEM_ACTOR), STUDY, desk_module.RunResupplyRequest()
    )
    for one in orders["orders"]:
        request = desk_module.DispatchRequest(shipment_id=one["shipment_id"])
        desk_module.dispatch_shipment(desk.service, Act(SYSTEM_ACTOR), STUDY, request)
    for days in (4, 1, 185):
        desk.move(days=days)
        look_and_send()


def played(url: str, labels: Mapping[str, str], shown: Certificates, monkeypatch) -> tuple[Inbox, set[str]]:
    """What was sent in a trial under these labels, and which events happened."""
    inbox = Inbox()
    with monkeypatch.context() as patch:
        patch.setattr(desk_module, "AS_IS", labels)
        with mail_server(inbox, shown) as settings, desk_at(url) as desk:
            play(desk, settings)
            with desk.database.read() as connection:
                events = set(connection.execute(select(notice.c.event)).scalars())
    return inbox, events


@pytest.mark.slow
def test_permuting_the_arms_changes_no_byte_of_a_blinded_mail(
    tmp_path: Path, shown: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, events = played(f"sqlite:///{tmp_path / 'one.db'}", AS_IS, shown, monkeypatch)
    second, others = played(f"sqlite:///{tmp_path / 'two.db'}", PERMUTED, shown, monkeypatch)
    assert events == others
    assert events >= {
        "order",
        "dispatch",
        "receipt",
        "quarantine",
        "recall",
        "recall_numbers",
        "cap_reached",
        "late",
        "low_stock",
        "run_out",
        "expiry",
        "digest",
    }
    blinded = {address(name) for name in BLINDED}
    sent = [one for one in first.taken if one[0] in blinded]
    assert sent == [one for one in second.taken if one[0] in blinded]
    assert len(sent) > 60
    assert not [one for one in sent if b"ZZ" in one[1]]
    # The test can fail: the mail of the unblinded differs.
    open_mail = [[one for one in inbox.taken if one[0] not in blinded] for inbox in (first, second)]
    assert open_mail[0] != open_mail[1]
