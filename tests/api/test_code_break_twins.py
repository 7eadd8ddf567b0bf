"""A code break is told to everybody and its treatment to one: where only the labels are permuted, all other bytes are the same.

Pages, refusals, mail over a real SMTP server and what the pipelines read of two trials are compared; only the one who broke the code, and
the unblinded, are sent something else.
"""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from allocation.access.accounts import set_email
from allocation.access.actors import SYSTEM_ACTOR
from allocation.ledger.sealing import seal_pending
from allocation.notify.sending import send_notices
from allocation.rules.code_break import (
    BROKEN_CODE_READ,
    CODE_BREAK_APPROVED,
    CODE_BREAK_REFUSED,
    CODE_BREAK_REQUESTED,
    CODE_BROKEN,
)
from pipelines.events.reading import read_events
from tests.api.conftest import Trial, trial_at
from tests.api.transcript import Transcript, is_shown
from tests.api.trial import AS_IS, BLINDED, PASSWORD, PEOPLE, PERMUTED, STUDY, protocol
from tests.notify.mail_server import Inbox, certificates, mail_server
from tests.notify.people import address


def signature(meaning: str) -> dict[str, str]:
    return {"password": PASSWORD, "meaning": meaning}


def play(trial: Trial) -> Transcript:
    """Three subjects: an emergency, an approved and a refused request, a reading, and each act refused to somebody."""
    for name in PEOPLE:
        set_email(trial.database, SYSTEM_ACTOR, name, address(name), trial.clock)
    out, subjects = Transcript(trial), []
    because = {"category": "safety_reporting", "reason": "expedited report"}
    for index in range(3):
        body = {"site_id": "S01", "sex": "F", "age": 30 + index, "factors": {"SEVERITY": "MILD"}}
        who = {"subject_id": out.post("coordinator", "/subjects", body)["subject_id"]}
        emergency = {**who, "kind": "emergency", **because, "signature": signature(CODE_BROKEN)}
        out.post("investigator", "/code-breaks", emergency)  # refused: not randomized
        out.post("investigator", "/eligibility", {**who, "eligible": True})
        out.post("investigator", "/randomizations", who)
        asked = {**who, **because, "signature": signature(CODE_BREAK_REQUESTED)}
        planned = {**emergency, "kind": "planned"}
        out.post("investigator", "/code-breaks", planned)  # refused: not approved
        if index:
            name = out.post("investigator", "/code-break-requests", asked)["request_id"]
            act, meaning = (("approvals", CODE_BREAK_APPROVED), ("refusals", CODE_BREAK_REFUSED))[index - 1]
            decided = {"request_id": name, "reason": "seen", "signature": signature(meaning)}
            out.post("investigator", f"/code-break-{act}", decided)  # refused: not theirs to decide
            out.post("project.manager", f"/code-break-{act}", decided)
            out.post("investigator", "/code-breaks", planned)
        else:
            out.post("investigator", "/code-breaks", emergency)
        again = {**who, "reason": "hand-over", "signature": signature(BROKEN_CODE_READ)}
        for reader in ("investigator", "medical.monitor", "coordinator"):
            out.post(reader, "/broken-code-readings", again)
        subjects.append(f"/subjects/{who['subject_id']}")
        trial.clock.move(hours=1)
    for reader in BLINDED:
        for page in (
            "/code-breaks",
            "/broken-code-readings",
            "/unblinded/code-breaks",
            "/overview?events=200",
            *subjects[:2],
        ):
            out.get(reader, page)
    return out


def breaks_in_the_lake(trial: Trial) -> pl.DataFrame:
    """What the pipelines read of code breaks: the blinded product takes the frame as it is."""
    seal_pending(trial.database)
    return read_events(trial.database, STUDY)["code_breaks"]


@pytest.mark.slow
def test_a_code_break_changes_no_byte_that_anybody_else_gets(tmp_path: Path) -> None:
    document: dict[str, Any] = {
        **protocol(),
        "unblinding": {"approval_by": "project_manager", "discontinue_after_code_break": True},
    }
    sent, mails, frames = [], [], []
    shown = certificates(tmp_path)
    for number, labels in enumerate((AS_IS, PERMUTED)):
        with trial_at(
            f"sqlite:///{tmp_path / f'{number}.db'}", labels, stocked=False, document=document
        ) as trial:
            sent.append(play(trial).sent)
            inbox = Inbox()
            with mail_server(inbox, shown) as settings:
                send_notices(trial.database, STUDY, settings, trial.clock)
            mails.append(inbox.taken)
            frames.append(breaks_in_the_lake(trial))
    first, second = sent
    answers = [(mine, twins) for mine, twins in zip(first, second, strict=True) if is_shown(mine)]
    assert len(answers) == 4  # two breaks, and a reading of each
    assert all(mine[4] != twins[4] and b"ZZARM" in mine[4] for mine, twins in answers)
    for mine, twins in zip(first, second, strict=True):
        if not is_shown(mine):
            assert mine == twins
            assert b"ZZ" not in mine[4], mine
    codes = {(asked.split(" {")[0], status) for _, asked, status, _, _ in first}
    for path in (
        "code-breaks",
        "broken-code-readings",
        "code-break-requests",
        "code-break-approvals",
        "code-break-refusals",
    ):
        assert (f"POST /{path}", 200) in codes, path
    blinded = {address(name) for name in BLINDED}
    told = [[one for one in taken if one[0] in blinded] for taken in mails]
    assert told[0] == told[1]
    breaks = [body for who, body in told[0] if b"Treatment code broken" in body]
    assert len(breaks) >= 2 * 6
    assert not [one for one in told[0] if b"ZZ" in one[1]]
    assert [body for who, body in mails[0] if who == address("auditor") and b"ZZARM" in body]
    assert frames[0].equals(frames[1])
    assert frames[0].height == 2
