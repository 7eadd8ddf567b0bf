"""What the EDC is told: written with its entry, delivered at least once and in order, given up visibly, sent again on demand."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from allocation.access.actors import SYSTEM_ACTOR
from allocation.commands.dispensing import DispenseRequest, dispense
from allocation.commands.randomizing import RandomizeRequest, randomize
from allocation.delivery import LEASE, LONGEST_PAUSE, TRIES, Delivery, pause_after, revive_dead
from allocation.edc.schema import edc_outbox
from allocation.edc.sending import send_waiting
from allocation.errors import DomainRefusal
from allocation.study.protocol import Protocol
from allocation.views.blinded.edc import edc_log
from tests.api.trial import STUDY
from tests.commands.desk import ACT, Desk, desk_at
from tests.edc.http_stand_ins import EdcInbox, serving
from tests.edc.unified import unified_protocol


@pytest.fixture
def desk(database_url: str):
    """A standalone study that tells an EDC what happens."""
    with desk_at(database_url) as empty:
        yield empty.set_up(document=Protocol.model_validate(unified_protocol(mode="standalone")))


def waiting(desk: Desk) -> list[Any]:
    with desk.database.read() as connection:
        return list(connection.execute(select(edc_outbox).order_by(edc_outbox.c.entry_id)))


def send(desk: Desk, url: str) -> Delivery:
    return send_waiting(desk.database, STUDY, url, "a-token", lambda: desk.now)


def test_each_fact_is_sent_once_in_order_and_nothing_when_all_is_sent(desk: Desk):
    subject_id = desk.randomized()
    dispense(desk.service, ACT, STUDY, DispenseRequest(subject_id=subject_id, visit_code="V2"))
    inbox = EdcInbox()
    with serving(inbox) as url:
        assert send(desk, url) == Delivery(sent=3, failed=0, dead=0, waiting=0)
        assert send(desk, url) == Delivery(sent=0, failed=0, dead=0, waiting=0)
    rows = waiting(desk)
    assert [row.kind for row in rows] == ["visit", "randomization", "dispensing"]
    assert [(row.message_id, row.media_type, row.body.encode()) for row in rows] == inbox.taken
    assert {row.state for row in rows} == {"sent"}
    assert inbox.authorization == {"Bearer a-token"}


def test_a_refused_command_leaves_no_message(desk: Desk):
    subject_id = desk.screened()
    before = waiting(desk)
    with pytest.raises(DomainRefusal):
        randomize(desk.service, ACT, STUDY, RandomizeRequest(subject_id=subject_id))
    assert waiting(desk) == before


def test_a_failure_is_tried_again_after_growing_pauses_with_the_same_bytes_and_holds_back_that_subject_only(
    desk: Desk,
):
    first = desk.randomized()
    other = desk.screened("S02")
    inbox = EdcInbox(plan=[503])
    with serving(inbox) as url:
        # The first subject's first message fails: its second waits behind it, the other subject's goes.
        assert send(desk, url) == Delivery(sent=1, failed=1, dead=0, waiting=2)
        assert [row.subject_id for row in waiting(desk) if row.state == "sent"] == [other]
        assert send(desk, url) == Delivery(sent=0, failed=0, dead=0, waiting=2)
        desk.now += pause_after(1)
        assert send(desk, url) == Delivery(sent=2, failed=0, dead=0, waiting=0)
    of_first = [
        one
        for one in inbox.taken
        if one[0] in {row.message_id for row in waiting(desk) if row.subject_id == first}
    ]
    assert of_first[0] == of_first[1], "the same message, the same bytes, so that the EDC knows it again"
    assert len(of_first) == 3


def test_pauses_double_up_to_six_hours():
    pauses = [pause_after(attempts) for attempts in range(1, TRIES)]
    assert pauses[:3] == [timedelta(seconds=30), timedelta(minutes=1), timedelta(minutes=2)]
    assert pauses[-1] == LONGEST_PAUSE
    assert pauses == sorted(pauses)


@pytest.mark.parametrize(("status", "tries"), [(422, 1), (500, TRIES), (409, TRIES)])
def test_a_message_is_given_up_when_refused_or_after_the_last_try_and_stays_visible_until_sent_again(
    desk: Desk, status: int, tries: int
):
    desk.screened()
    inbox = EdcInbox(plan=[status] * tries)
    with serving(inbox) as url:
        for _ in range(tries):
            delivery = send(desk, url)
            desk.now += LONGEST_PAUSE
        assert delivery == Delivery(sent=0, failed=0, dead=1, waiting=0)
        assert len(inbox.taken) == tries
        log = edc_log(desk.database, SYSTEM_ACTOR, STUDY, now=desk.now)
        assert log.dead == 1
        assert (log.deliveries[0].state, log.deliveries[0].last_error) == ("dead", f"answered {status}")
        assert send(desk, url) == Delivery(sent=0, failed=0, dead=0, waiting=0)
        assert revive_dead(desk.database, edc_outbox, STUDY, desk.now) == 1
        assert send(desk, url) == Delivery(sent=1, failed=0, dead=0, waiting=0)


def test_an_edc_that_is_not_there_costs_a_try_and_no_message(desk: Desk):
    desk.screened()
    with serving(EdcInbox()) as url:
        pass
    assert send(desk, url) == Delivery(sent=0, failed=1, dead=0, waiting=1)
    assert waiting(desk)[0].last_error == "no answer: ConnectError"


def test_a_sender_that_dies_gives_its_message_back_and_two_senders_never_take_one_at_a_time(desk: Desk):
    desk.screened()
    met: list[Delivery] = []

    class Inbox(EdcInbox):
        def __call__(self, handler: Any, body: bytes) -> tuple[int, bytes]:
            if len(self.taken) == 0:  # while the first sender waits for this answer, a second one comes
                self.taken.append(("", "", b""))
                met.append(send(desk, url))
                raise ConnectionAbortedError("the first sender's answer is lost")
            return super().__call__(handler, body)

    inbox = Inbox()
    with serving(inbox) as url:
        assert send(desk, url).failed == 1
        assert met == [Delivery(sent=0, failed=0, dead=0, waiting=1)]
        desk.now += LEASE
        assert send(desk, url) == Delivery(sent=1, failed=0, dead=0, waiting=0)


def test_two_senders_at_once_send_each_message_once_and_each_subjects_in_order(desk: Desk):
    for site in ("S01", "S01", "S02"):
        desk.randomized(site)
    inbox = EdcInbox()
    with serving(inbox) as url, ThreadPoolExecutor(2) as senders:
        while waiting_count(desk):
            for done in [senders.submit(send, desk, url) for _ in range(2)]:
                assert done.result().dead == done.result().failed == 0
    rows = waiting(desk)
    assert len(rows) == 6
    assert sorted(name for name, *_ in inbox.taken) == sorted(row.message_id for row in rows)
    for who in {row.subject_id for row in rows}:
        own = [row.message_id for row in rows if row.subject_id == who]
        assert [name for name, *_ in inbox.taken if name in own] == own


def waiting_count(desk: Desk) -> int:
    return sum(row.state == "waiting" for row in waiting(desk))


def test_an_answer_however_long_is_not_read(desk: Desk):
    desk.screened()

    class Endless(httpx.SyncByteStream):
        def __iter__(self) -> Any:
            raise AssertionError("the body of the answer was read")

    transport = httpx.MockTransport(lambda _request: httpx.Response(200, stream=Endless()))
    done = send_waiting(desk.database, STUDY, "http://edc", None, lambda: desk.now, transport=transport)
    assert done == Delivery(sent=1, failed=0, dead=0, waiting=0)
