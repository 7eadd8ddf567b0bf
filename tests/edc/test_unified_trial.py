"""A unified trial over HTTP: the EDC opens the gate, fills in what the site would enter, and is told what happened."""

from allocation.ledger.replay import rebuild_projections
from allocation.ledger.verify import verify_ledger
from tests.api.trial import STUDY
from tests.edc.conftest import UnifiedTrial
from tests.edc.unified import PATH, Item, cleared


def screened(unified: UnifiedTrial) -> str:
    body = {"site_id": "S01", "sex": "F", "age": 40}
    subject_id: str = unified.trial.clients["coordinator"].done(f"{PATH}/subjects", body)["subject_id"]
    return subject_id


def randomization(unified: UnifiedTrial, subject_id: str, **more: object) -> tuple[int, dict[str, object]]:
    answer = unified.trial.clients["investigator"].post(
        f"{PATH}/randomizations", {"subject_id": subject_id, **more}
    )
    return answer.status_code, answer.json()


def test_the_gate_names_all_that_is_missing_and_opens_when_the_edc_has_said_it(unified):
    subject_id = screened(unified)
    status, refused = randomization(unified, subject_id)
    assert (status, refused["code"]) == (409, "edc-not-ready")
    assert refused["detail"] == (
        f"the EDC has not cleared subject {subject_id}: criterion IN01 is not answered, criterion EX01 is not answered, "
        "form IE is not there, factor SEVERITY is not known"
    )
    unified.edc.tell({subject_id: [Item("IT.IN01", "Y", status="entered")]}, f"F.{subject_id}.1")
    _, refused = randomization(unified, subject_id)
    assert "criterion EX01 is not answered, form IE is not validated, factor" in refused["detail"]
    unified.edc.tell({subject_id: cleared()}, f"F.{subject_id}.2", created="2026-03-05T08:05:00Z")
    readiness = unified.trial.clients["coordinator"].get(f"{PATH}/edc/subjects/{subject_id}").json()
    assert readiness == {"subject_id": subject_id, "asked": True, "ready": True, "missing": []}
    status, answer = randomization(unified, subject_id)
    assert (status, answer["status"]) == (200, "randomized"), answer


def test_a_criterion_that_is_not_met_keeps_the_gate_shut_whatever_the_site_says(unified):
    subject_id = screened(unified)
    told = [Item("IT.IN01", "Y", status="verified"), Item("IT.EX01", "Y"), Item("IT.SEV", "2", form="DM")]
    unified.edc.tell({subject_id: told}, f"F.{subject_id}.1")
    unified.trial.clients["investigator"].done(
        f"{PATH}/eligibility", {"subject_id": subject_id, "eligible": True}
    )
    status, refused = randomization(unified, subject_id)
    assert (status, refused["code"]) == (409, "edc-not-ready")
    assert "criterion EX01 is not met" in refused["detail"]


def test_facts_that_came_before_screening_count_once_the_subject_is_screened(unified):
    coordinator = unified.trial.clients["coordinator"]
    answer = unified.edc.tell({"S01-9001": cleared("2")}, "F.early")
    assert answer["unknown_subjects"] == ["S01-9001"]
    coordinator.done(f"{PATH}/subjects", {"site_id": "S01", "subject_id": "S01-9001", "sex": "M", "age": 50})
    seen = coordinator.get(f"{PATH}/subjects/S01-9001").json()
    assert seen["subject"]["status"] == "eligible"
    status, _ = randomization(unified, "S01-9001")
    assert status == 200
    people = unified.trial.clients["statistician"].get(f"{PATH}/unblinded/subjects").json()["subjects"]
    assert [one["stratum"] for one in people if one["subject_id"] == "S01-9001"] == ["SEVERITY=SEVERE"]


def test_the_site_cannot_give_another_level_than_the_edc(unified):
    subject_id = screened(unified)
    unified.edc.tell({subject_id: cleared("1")}, f"F.{subject_id}.1")
    status, refused = randomization(unified, subject_id, factors={"SEVERITY": "SEVERE"})
    assert (status, refused["code"], refused["field"]) == (422, "factor-from-edc", "factors.SEVERITY")


def test_a_stratum_entered_wrong_stays_as_randomized_with_the_truth_beside_it(unified):
    subject_id = screened(unified)
    unified.edc.tell({subject_id: cleared("1")}, f"F.{subject_id}.1")
    assert randomization(unified, subject_id)[0] == 200
    before = unified.trial.clients["statistician"].get(f"{PATH}/unblinded/subjects").json()
    unified.edc.tell(
        {subject_id: [Item("IT.SEV", "2", form="DM")]}, f"F.{subject_id}.2", created="2026-03-05T08:30:00Z"
    )
    assert unified.trial.clients["statistician"].get(f"{PATH}/unblinded/subjects").json() == before
    log = unified.trial.clients["monitor"].get(f"{PATH}/edc/log").json()
    (found,) = [one for one in log["contradictions"] if one["subject_id"] == subject_id]
    assert (found["kind"], found["about"], found["here"], found["in_edc"]) == (
        "mis-stratification",
        "factor SEVERITY",
        "MILD",
        "SEVERE",
    )
    # Corrected in the EDC, the contradiction is gone.
    unified.edc.tell(
        {subject_id: [Item("IT.SEV", "1", form="DM")]}, f"F.{subject_id}.3", created="2026-03-05T08:31:00Z"
    )
    log = unified.trial.clients["monitor"].get(f"{PATH}/edc/log").json()
    assert not [one for one in log["contradictions"] if one["subject_id"] == subject_id]


def test_dispensing_waits_for_the_visits_form_and_a_visit_is_recorded_by_its_date(unified):
    trial = unified.trial
    subject_id = screened(unified)
    unified.edc.tell({subject_id: cleared()}, f"F.{subject_id}.1")
    assert randomization(unified, subject_id)[0] == 200
    pharmacist = trial.clients["pharmacist"]
    pharmacist.done(f"{PATH}/dispensings", {"subject_id": subject_id, "visit_code": "V2"})
    trial.clock.move(days=14)
    asked = {"subject_id": subject_id, "visit_code": "V3", "titration": "maintain"}
    refused = pharmacist.post(f"{PATH}/dispensings", asked).json()
    assert refused["code"] == "edc-not-ready"
    assert refused["detail"].endswith(": form VS at SE.V3 is not there")
    # The form of another event does not count.
    item = Item("IT.WEIGHT", "70000", form="VS", event="SE.V2", status="locked")
    unified.edc.tell({subject_id: [item]}, f"F.{subject_id}.2", created="2026-03-18T08:00:00Z")
    assert pharmacist.post(f"{PATH}/dispensings", asked).status_code == 409
    item = Item("IT.WEIGHT", "70000", form="VS", event="SE.V3", status="entered")
    unified.edc.tell({subject_id: [item]}, f"F.{subject_id}.3", created="2026-03-18T08:01:00Z")
    pharmacist.done(f"{PATH}/dispensings", asked)
    trial.clock.move(days=15)
    told = [Item("IT.VISDAT", "2026-04-02", form="SV", event="SE.V4")]
    unified.edc.tell({subject_id: told}, f"F.{subject_id}.4", created="2026-04-03T08:00:00Z")
    visits = trial.clients["coordinator"].get(f"{PATH}/subjects/{subject_id}").json()["visits"]
    assert [(one["visit_code"], one["visit_date"]) for one in visits][-1] == ("V4", "2026-04-02")
    told = [Item("IT.VISDAT", "2026-04-01", form="SV", event="SE.V4")]
    unified.edc.tell({subject_id: told}, f"F.{subject_id}.5", created="2026-04-03T08:01:00Z")
    log = trial.clients["coordinator"].get(f"{PATH}/edc/log").json()
    (found,) = [one for one in log["contradictions"] if one["subject_id"] == subject_id]
    assert (found["kind"], found["here"], found["in_edc"]) == ("visit date", "2026-04-02", "2026-04-01")
    kinds = [one["kind"] for one in log["deliveries"] if one["subject_id"] == subject_id]
    assert kinds == ["dispensing", "dispensing", "randomization", "visit"], (
        "what the EDC said is not said back"
    )


def test_a_site_sees_its_own_contradictions_and_messages_only(unified):
    log = unified.trial.clients["coordinator"].get(f"{PATH}/edc/log").json()
    assert log["deliveries"]
    assert log["contradictions"]
    others = unified.trial.clients["other.site"].get(f"{PATH}/edc/log").json()
    assert (others["deliveries"], others["contradictions"], others["waiting"]) == ([], [], 0)
    assert unified.trial.clients["stranger"].get(f"{PATH}/edc/log").status_code == 403
    assert unified.trial.clients["other.site"].get(f"{PATH}/edc/subjects/S01-0001").status_code == 404


def test_the_ledger_verifies_and_its_replay_gives_the_same_state(unified):
    database = unified.trial.database
    assert verify_ledger(database, STUDY).difference is None
    before = unified.trial.state()
    rebuild_projections(database, STUDY)
    assert unified.trial.state() == before
