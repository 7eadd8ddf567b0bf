"""From a tune report to its effect: filed, compared, signed by somebody else, in effect as a version, and found again from an order."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from allocation.access.actors import SYSTEM_ACTOR, Actor
from allocation.commands.resupply_explanation import explain_resupply
from allocation.commands.studies import GO_LIVE, LoadStudyVersionRequest, load_study_version, version_content
from allocation.errors import DomainRefusal, IdempotencyConflict, NotFound, NotPermitted, SignatureRefused
from allocation.ledger.canonical import canonical_json, sha256_hex
from allocation.ledger.reader import iter_sealed, protocol_at
from allocation.ledger.replay import rebuild_projections
from allocation.ledger.schema import study_version, supply_proposal
from allocation.ledger.sealing import seal_pending
from allocation.ledger.verify import verify_ledger
from allocation.resupply_tables import print_explanation
from allocation.study.parameters import effective_parameters
from allocation.study.protocol import Protocol
from allocation.views.blinded.supply_proposals import list_blinded_proposals
from allocation.views.unblinded.proposal_models import Estimate
from allocation.views.unblinded.supply_proposals import compare_proposal, filed_proposal, list_proposals
from pipelines.events.reading import translate
from tests.api.trial import STUDY, protocol
from tests.commands.derivation import Derivation
from tests.commands.desk import Desk
from tests.commands.proposal_people import (
    BLINDED_SUPPLY,
    SCENARIO,
    STATISTICIAN,
    SUPPLY,
    do,
    filed,
    report_on,
    signed,
    tune_report,
)
from tests.commands.test_versions_by_country import put


@pytest.fixture
def loaded(sqlite_desk: Desk) -> Desk:
    """The study, its sites open, no kit: what is proposed needs none."""
    sqlite_desk.set_up(stocked=False, kit_count=3)
    return sqlite_desk


def states(desk: Desk) -> dict[str, str]:
    with desk.database.read() as connection:
        rows = connection.execute(select(supply_proposal.c.proposal_id, supply_proposal.c.state))
        return {row.proposal_id: row.state for row in rows}


def refused(desk: Desk, who: Actor, command: str, **asked: Any) -> DomainRefusal:
    """The refusal of an act, which leaves all as it was and says what to do."""
    before = desk.state()
    with pytest.raises(DomainRefusal) as caught:
        do(desk, who, command, **asked)
    assert desk.state() == before
    assert caught.value.field
    assert caught.value.fix
    return caught.value


def amend(desk: Desk, document: dict[str, Any], **more: Any) -> dict[str, Any]:
    version = Protocol.model_validate(document)
    act = desk.signed(GO_LIVE, version_content(version))
    return load_study_version(desk.service, act, LoadStudyVersionRequest(protocol=version, **more))


def test_a_signed_proposal_is_in_effect_as_a_version_and_an_order_leads_back_to_its_report(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.randomized()
    report = report_on(desk)
    sha256 = sha256_hex(canonical_json(report))
    asked: dict[str, Any] = {
        "report": report,
        "scenario": SCENARIO,
        "reason": "after the census",
        "key": "k1",
    }
    proposal = do(desk, STATISTICIAN, "file_supply_proposal", **asked)
    assert proposal == {
        "proposal_id": "P1",
        "report_sha256": sha256,
        "protocol_version": 1,
        "state": "filed",
        "superseded": None,
    }
    assert do(desk, STATISTICIAN, "file_supply_proposal", **asked) == proposal
    with pytest.raises(IdempotencyConflict):
        do(desk, STATISTICIAN, "file_supply_proposal", **{**asked, "reason": "another"})
    kept = filed_proposal(desk.database, SUPPLY, STUDY, "P1")
    assert (kept.report, kept.scenario) == (report, SCENARIO)

    found = compare_proposal(desk.database, SUPPLY, STUDY, "P1")
    assert found.cannot_be_signed is None
    lines = {(one.where, one.kit_type, one.parameter): one for one in found.parameters}
    general = lines["the study", None, "min_buffer"]
    assert [(one.value, one.sites, one.source) for one in general.today] == [(1, 2, "study")]
    assert (general.proposed, general.changed, general.sites) == (2, 2, 2)
    assert lines["the study, kit type ZZKITA", "ZZKITA", "max_buffer"].proposed == 6
    cost = found.outcomes[0]
    assert cost.outcome == "cost"
    assert cost.baseline is not None
    assert cost.difference is not None
    assert (cost.baseline.mean, cost.difference.mean) == (12000.0, -3000.0)
    assert cost.baseline.high == pytest.approx(12000 + 1.959964 * 30)
    assert cost.difference.low == pytest.approx(-3000 - 1.959964 * 30 * 2**0.5)
    assert (found.risk.upper_bound, found.risk.certified) == (0.0063, True)
    assert found.fit == {"drop_out": {"ZZARMA": 0.1}}
    (finding,) = found.new_findings
    assert finding.startswith("warning seed-triggers")
    assert "~ supply.parameters[study].parameters.max_buffer: 3 -> 5" in found.protocol_changes

    answer = signed(desk, proposal)
    assert (answer["version"], answer["state"], sorted(answer["countries"])) == (2, "signed", ["DEU", "FRA"])
    now = effective_parameters(protocol_at(desk.database, STUDY), "ZZKITA", desk.now.date(), site="S01")
    assert (now.min_buffer, now.max_buffer, now.short_window) == (2, 6, 14)
    desk.move(hours=1)
    assert desk.resupply()
    assert desk.randomized()  # the list in use goes on under the new version
    explained = explain_resupply(desk.database, SYSTEM_ACTOR, STUDY, "S01")
    assert explained.derives_to_the_same
    assert explained.protocol_version == 2
    assert explained.proposal is not None
    assert (explained.proposal.proposal_id, explained.proposal.report_sha256) == ("P1", sha256)
    print_explanation(explained)
    told = f"under protocol version 2, which came of proposal P1 (report sha256 {sha256}), signed by open.supply on"
    assert told in capsys.readouterr().out

    seal_pending(desk.database)
    entries = {one.command: one for one in iter_sealed(desk.database, STUDY)}
    filing, signing, version = (
        entries[name] for name in ("file_supply_proposal", "sign_supply_proposal", "load_study_version")
    )
    assert filing.after["report"] == report
    assert (signing.role, signing.after["report_sha256"]) == ("supply_manager_unblinded", sha256)
    assert signing.signature is not None
    assert signing.signature["meaning"] == "supply parameters approved"
    assert version.after["proposal"] == {"proposal_id": "P1", "report_sha256": sha256}
    assert version.after["sha256"] == answer["sha256"]
    versions = translate(iter_sealed(desk.database, STUDY))["protocol_versions"]
    assert versions["proposal_report_sha256"].to_list() == [None, sha256]
    assert refused(desk, SUPPLY, "reject_supply_proposal", proposal_id="P1", reason="late").code == (
        "proposal-closed"
    )
    assert compare_proposal(desk.database, SUPPLY, STUDY, "P1").cannot_be_signed == "proposal P1 is signed"
    derived = Derivation(desk.database, STUDY).run()
    assert (derived["file_supply_proposal"], derived["sign_supply_proposal"]) == (1, 1)
    before = desk.state()
    rebuild_projections(desk.database, STUDY)
    assert {**desk.state(), "ledger_seal": 0} == {**before, "ledger_seal": 0}
    assert verify_ledger(desk.database, STUDY).intact


def test_one_signature_makes_the_other_proposals_stale_and_each_is_ended_once(empty_desk: Desk) -> None:
    desk = empty_desk.set_up(stocked=False, kit_count=3)
    first = filed(desk)
    second = filed(desk, [{"min_buffer": 3, "max_buffer": 6}])
    third = filed(desk, [{"country": "FRA", "seed_quantity": 4}])
    fourth = filed(desk, [{"country": "FRA", "seed_quantity": 5}])
    report = report_on(desk, [{"country": "FRA", "seed_quantity": 6}])
    again = {"report": report, "scenario": SCENARIO, "supersedes": third["proposal_id"]}
    assert do(desk, STATISTICIAN, "file_supply_proposal", **again)["superseded"] == "P3"
    assert refused(desk, STATISTICIAN, "file_supply_proposal", **again).code == "already-filed"
    rejection = {"proposal_id": "P4", "report_sha256": fourth["report_sha256"]}
    assert refused(desk, SUPPLY, "reject_supply_proposal", **rejection).code == "reason-missing"
    do(desk, SUPPLY, "reject_supply_proposal", **rejection, reason="the depot cannot")
    withdrawal = {"proposal_id": "P5", "reason": "tuned again"}
    assert refused(desk, SUPPLY, "withdraw_supply_proposal", **withdrawal).code == "not-your-proposal"
    do(desk, STATISTICIAN, "withdraw_supply_proposal", **withdrawal)
    sixth = filed(desk, [{"site": "S02", "max_buffer": 8}])
    signed(desk, first)
    assert states(desk) == {
        "P1": "signed",
        "P2": "stale",
        "P3": "superseded",
        "P4": "rejected",
        "P5": "withdrawn",
        "P6": "stale",
    }
    for one in (first, second, third, fourth, sixth):
        named = {name: one[name] for name in ("proposal_id", "report_sha256")}
        assert refused(desk, SUPPLY, "sign_supply_proposal", **named).code == "proposal-closed"
    told = {one.proposal_id: one for one in list_proposals(desk.database, SUPPLY, STUDY).proposals}
    assert list(told) == ["P6", "P5", "P4", "P3", "P2", "P1"]
    assert (told["P2"].ended_by_version, told["P3"].superseded_by) == (2, "P5")
    assert (told["P4"].ended_by, told["P4"].end_reason) == ("open.supply", "the depot cannot")
    blinded = list_blinded_proposals(desk.database, BLINDED_SUPPLY, STUDY)
    assert [one.state for one in blinded.proposals] == [one.state for one in told.values()]
    assert "ZZ" not in blinded.model_dump_json()
    assert verify_ledger(desk.database, STUDY).intact


def test_of_two_that_are_signed_at_once_one_is_in_effect_and_the_other_stale(empty_desk: Desk) -> None:
    desk = empty_desk.set_up(stocked=False, kit_count=3)
    proposals = [filed(desk, [{"max_buffer": largest}]) for largest in (8, 9, 10)]

    def sign(proposal: dict[str, Any]) -> str:
        try:
            return str(signed(desk, proposal)["state"])
        except DomainRefusal as refusal:
            return refusal.code

    with ThreadPoolExecutor(3) as pool:
        outcomes = sorted(pool.map(sign, proposals))
    assert outcomes == ["proposal-closed", "proposal-closed", "signed"]
    assert sorted(states(desk).values()) == ["signed", "stale", "stale"]
    assert protocol_at(desk.database, STUDY).study.version == 2


def test_a_proposal_is_only_good_for_the_version_that_it_was_made_for(loaded: Desk) -> None:
    desk = loaded
    first = filed(desk)
    old = report_on(desk, [{"max_buffer": 9}])
    desk.move(hours=1)
    amend(desk, protocol(2), effective_at=desk.now + timedelta(days=3))
    assert states(desk) == {"P1": "stale"}
    named = {name: first[name] for name in ("proposal_id", "report_sha256")}
    assert refused(desk, SUPPLY, "sign_supply_proposal", **named).code == "proposal-closed"
    assert compare_proposal(desk.database, SUPPLY, STUDY, "P1").cannot_be_signed == "proposal P1 is stale"

    def why(report: dict[str, Any]) -> tuple[str, str | None, str]:
        found = refused(desk, STATISTICIAN, "file_supply_proposal", report=report, scenario=SCENARIO)
        return found.code, found.field, found.message

    code, field, message = why(old)
    assert (code, field) == ("proposal-outdated", "report.protocol_version")
    assert "no longer the latest: version 2 is loaded" in message
    new = report_on(desk)
    code, field, message = why(new)
    assert (code, "not in effect anywhere yet" in message) == ("proposal-outdated", True)
    desk.move(days=4)
    code, field, _ = why({**new, "protocol_hash": "0" * 64})
    assert (code, field) == ("proposal-outdated", "report.protocol_hash")
    code, field, _ = why({**new, "protocol_version": 3})
    assert (code, field) == ("proposal-version-unknown", "report.protocol_version")
    assert signed(desk, filed(desk))["version"] == 3


def test_a_release_that_hashes_the_version_otherwise_still_knows_it(loaded: Desk) -> None:
    desk = loaded
    other = "e" * 64  # what a release with fewer keys made of the same document when it was loaded
    with desk.database.write() as connection:
        connection.execute(update(study_version).values(sha256=other))
    proposal = filed(desk)
    assert list_proposals(desk.database, SUPPLY, STUDY).proposals[0].protocol_sha256 == other
    assert compare_proposal(desk.database, SUPPLY, STUDY, "P1").cannot_be_signed is None
    assert signed(desk, proposal)["state"] == "signed"


def test_the_one_who_filed_it_does_not_sign_and_roles_are_kept_apart(loaded: Desk) -> None:
    desk = loaded
    report = report_on(desk)
    for stranger in (BLINDED_SUPPLY, Actor("nobody", "Nobody", ())):
        with pytest.raises(NotPermitted):
            do(desk, stranger, "file_supply_proposal", report=report, scenario=SCENARIO)
    own = do(desk, SUPPLY, "file_supply_proposal", report=report, scenario=SCENARIO)
    named = {name: own[name] for name in ("proposal_id", "report_sha256")}
    assert refused(desk, SUPPLY, "sign_supply_proposal", **named).code == "own-proposal"
    assert refused(desk, SUPPLY, "reject_supply_proposal", **named, reason="no").code == "own-proposal"
    for who in (STATISTICIAN, BLINDED_SUPPLY):
        with pytest.raises(NotPermitted):
            do(desk, who, "sign_supply_proposal", **named)
        with pytest.raises(NotPermitted):
            do(desk, who, "reject_supply_proposal", **named, reason="no")
    for view in (list_proposals, list_blinded_proposals):
        with pytest.raises(NotPermitted):
            view(desk.database, Actor("nobody", "Nobody", ()), STUDY)
    with pytest.raises(NotPermitted):
        compare_proposal(desk.database, BLINDED_SUPPLY, STUDY, "P1")
    other = Actor("sue", "Sue", SUPPLY.grants)
    wrong = {**named, "report_sha256": "0" * 64}
    assert refused(desk, other, "sign_supply_proposal", **wrong).code == "other-report"
    with pytest.raises(NotFound):
        do(desk, other, "sign_supply_proposal", **{**named, "proposal_id": "P9"})
    with pytest.raises(SignatureRefused):
        do(desk, SYSTEM_ACTOR, "sign_supply_proposal", **named, unsigned=True)
    assert signed(desk, own, who=other)["state"] == "signed"


def test_a_version_counts_where_its_base_is_in_force_and_from_the_moment_that_is_signed(loaded: Desk) -> None:
    desk = loaded
    desk.move(hours=1)
    amend(desk, protocol(2), countries={"DEU": desk.now})
    desk.move(hours=1)
    moment = desk.now + timedelta(days=2)
    answer = signed(desk, filed(desk), effective_at=moment)
    assert list(answer["countries"]) == ["DEU"]
    assert answer["effective_at"] == answer["countries"]["DEU"]
    before = protocol_at(desk.database, STUDY, 2)
    after = protocol_at(desk.database, STUDY, 3)
    assert after.visits == before.visits
    put(desk, after.model_dump(mode="json"), "FRA")
    late = filed_again(desk)
    assert refused(
        desk, SUPPLY, "sign_supply_proposal", **late, effective_at=desk.now - timedelta(days=1)
    ).code == ("effective-in-the-past")


def filed_again(desk: Desk) -> dict[str, Any]:
    desk.move(days=3)
    proposal = filed(desk, [{"max_buffer": 9}])
    return {name: proposal[name] for name in ("proposal_id", "report_sha256")}


def test_a_choice_that_misses_the_limit_is_signed_with_a_reason_only(loaded: Desk) -> None:
    desk = loaded
    proposal = filed(desk, feasible=False)
    found = compare_proposal(desk.database, SUPPLY, STUDY, "P1")
    assert (found.risk.feasible, found.risk.certified) == (False, False)
    named = {name: proposal[name] for name in ("proposal_id", "report_sha256")}
    refusal = refused(desk, SUPPLY, "sign_supply_proposal", **named)
    assert (refusal.code, refusal.field) == ("reason-missing", "reason")
    assert "missed_share at or below 0.01" in refusal.message
    assert signed(desk, proposal, reason="the nearest there is")["state"] == "signed"


def test_the_paired_difference_of_a_report_goes_before_one_that_is_worked_out(loaded: Desk) -> None:
    paired = {
        "replicates": 1000,
        "cost": {"difference": -2990.0, "low": -3010.0, "high": -2970.0, "share": -0.25},
    }
    filed(loaded, against_baseline=paired)
    outcomes = compare_proposal(loaded.database, SUPPLY, STUDY, "P1").outcomes
    told = {one.outcome: (one.paired, one.difference) for one in outcomes}
    assert told["cost"] == (True, Estimate(mean=-2990.0, low=-3010.0, high=-2970.0))
    assert told["shipments"][0] is False


def test_bad_reports_are_refused_with_the_field_and_the_fix(loaded: Desk) -> None:
    desk = loaded
    good = tune_report(1, protocol_at_sha256(desk))

    def why(scenario: dict[str, Any] = SCENARIO, **changed: Any) -> tuple[str, str | None]:
        asked = {"report": {**good, **changed}, "scenario": scenario}
        found = refused(desk, STATISTICIAN, "file_supply_proposal", **asked)
        return found.code, found.field

    def choice(**values: Any) -> dict[str, Any]:
        return {"choice": {**good["choice"], "parameters": [values]}}

    assert why(study="OTHER") == ("other-study", "report.study")
    assert why(ledger_position=10**6) == ("position-ahead", "report.ledger_position")
    assert why(scenario_hash="0" * 64) == ("scenario-differs", "scenario")
    assert why(scenario={"a": "x" * 4_000_001}) == ("document-too-large", "scenario")
    assert why(extra=["x" * 4_000_001]) == ("document-too-large", "report")
    in_choice = "report.choice.parameters"
    assert why(**choice(min_buffer=7)) == ("proposal-invalid", in_choice)
    assert why(**choice(site="S77", min_buffer=1)) == ("proposal-invalid", f"{in_choice}[0].site")
    assert why(**choice(min_buffer=1)) == ("proposal-without-effect", in_choice)
    assert why(**choice(confidence=0.9)) == ("proposal-without-effect", f"{in_choice}[0].confidence")
    missing = {"supersedes": "P7", "report": good, "scenario": SCENARIO}
    assert refused(desk, STATISTICIAN, "file_supply_proposal", **missing).field == "supersedes"


def protocol_at_sha256(desk: Desk) -> str:
    digest: str = report_on(desk)["protocol_hash"]
    return digest
