"""Proposed supply parameters: who may sign learns that one waits, who may file how it was decided, and no mail says what is proposed."""

from tests.api.trial import STUDY
from tests.commands.desk import Desk
from tests.commands.proposal_people import SCENARIO, STATISTICIAN, SUPPLY, do, filed, report_on, signed
from tests.notify.people import mail, told

DECIDED = {"open.supply": "blinded", "statistician": "blinded"}


def test_who_may_sign_is_told_that_a_proposal_waits_and_of_the_one_that_it_replaces(desk: Desk) -> None:
    filed(desk)
    assert told(desk, "proposal") == {"open.supply": "blinded"}
    (first,) = mail(desk, "proposal")
    assert first.subject == f"[{STUDY}] Supply parameters wait for a signature: P1"
    assert "`rtsm resupply proposal compare P1`" in first.body
    report = report_on(desk, seed=8)
    do(
        desk,
        STATISTICIAN,
        "file_supply_proposal",
        report=report,
        scenario=SCENARIO,
        supersedes="P1",
    )
    assert "in the place of P1" in mail(desk, "proposal")[-1].body


def test_who_may_file_is_told_of_a_signature_with_the_version_that_it_makes(desk: Desk) -> None:
    version = signed(desk, filed(desk))["version"]
    assert told(desk, "proposal_decision") == DECIDED
    for row in mail(desk, "proposal_decision"):
        assert row.subject == f"[{STUDY}] Proposed supply parameters signed: P1"
        assert f"those of protocol version {version}." in row.body


def test_who_may_file_is_told_of_a_rejection_that_changes_nothing(desk: Desk) -> None:
    named = {"proposal_id": filed(desk)["proposal_id"]}
    do(desk, SUPPLY, "reject_supply_proposal", **named, reason="ZZKITA is short")
    assert told(desk, "proposal_decision") == DECIDED
    (row, _) = mail(desk, "proposal_decision")
    assert row.subject == f"[{STUDY}] Proposed supply parameters rejected: P1"
    assert "Nothing changes." in row.body


def test_no_mail_of_a_proposal_says_what_is_proposed_or_why(desk: Desk) -> None:
    signed(desk, filed(desk), reason="ZZKITA runs out")
    rows = [*mail(desk, "proposal"), *mail(desk, "proposal_decision")]
    assert len(rows) == 3
    assert not [row for row in rows if "ZZ" in row.subject + row.body or "max_buffer" in row.body]
