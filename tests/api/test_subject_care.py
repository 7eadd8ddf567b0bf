"""Correcting a stratum, and asking for a subject's removal, over HTTP."""

from tests.api.trial import STUDY

PATH = f"/studies/{STUDY}"


def test_a_stratum_is_corrected_and_a_subject_is_never_removed(trial):
    coordinator = trial.clients["coordinator"]
    body = {"site_id": "S01", "sex": "F", "age": 40, "factors": {"SEVERITY": "MILD"}}
    subject_id = coordinator.done(f"{PATH}/subjects", body)["subject_id"]
    correction = {"subject_id": subject_id, "factors": {"SEVERITY": "SEVERE"}}
    unexplained = coordinator.post(f"{PATH}/stratum-corrections", correction)
    assert (unexplained.status_code, unexplained.json()["code"]) == (422, "reason-missing")
    answer = coordinator.done(f"{PATH}/stratum-corrections", {**correction, "reason": "Typing error"})
    assert answer == {
        "subject_id": subject_id,
        "randomized": False,
        "factors": {"SEVERITY": "SEVERE"},
        "true_factors": {},
    }
    before = trial.state()
    removal = coordinator.http.delete(f"{PATH}/subjects/{subject_id}")
    assert (removal.status_code, removal.json()["code"]) == (409, "subject-never-removed")
    assert "discontinuation" in removal.json()["fix"]
    assert trial.clients["other.site"].http.delete(f"{PATH}/subjects/{subject_id}").status_code == 403
    assert trial.anonymous.http.delete(f"{PATH}/subjects/{subject_id}").status_code == 401
    assert trial.state() == before


def test_a_protocol_without_cohorts_shows_none_and_opens_none(trial):
    manager = trial.clients["project.manager"]
    assert manager.get(f"{PATH}/cohorts").json() == {"study_id": STUDY, "cohorts": []}
    refused = manager.post(f"{PATH}/cohorts", {"cohort": "C1", "open": True, "reason": "x"})
    assert refused.status_code == 404
    assert (
        trial.clients["coordinator"].post(f"{PATH}/cohorts", {"cohort": "C1", "open": True}).status_code
        == 403
    )
