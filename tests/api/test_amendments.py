"""An amendment through the API: previewed by who may load it, signed by country, and a country added when its approval comes."""

from typing import Any

import pytest

from allocation.api.answers import LoadStudyVersionAnswer
from allocation.commands.studies import GO_LIVE
from allocation.commands.version_effects import IN_EFFECT
from tests.api.conftest import Trial
from tests.api.trial import PASSWORD, STUDY
from tests.commands.test_versions_by_country import next_version

PATH = f"/studies/{STUDY}"
PREVIEW = f"{PATH}/unblinded/amendment-previews"


def on_treatment(trial: Trial, site: str = "S01", who: str = "coordinator") -> str:
    body = {"site_id": site, "sex": "F", "age": 40, "factors": {"SEVERITY": "MILD"}}
    subject_id: str = trial.clients[who].done(f"{PATH}/subjects", body)["subject_id"]
    named = {"subject_id": subject_id}
    trial.clients[who].done(f"{PATH}/eligibility", {**named, "eligible": True})
    trial.clients[who].done(f"{PATH}/randomizations", named)
    trial.clients[who].done(f"{PATH}/dispensings", {**named, "visit_code": "V2"})
    return subject_id


def preview(trial: Trial, body: dict[str, Any], who: str = "statistician") -> dict[str, Any]:
    answer = trial.clients[who].post(PREVIEW, body)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_a_preview_tells_subjects_visits_kits_and_demand_and_changes_nothing(trial: Trial) -> None:
    german = on_treatment(trial)
    french = on_treatment(trial, "S02", "other.site")
    before = trial.state()
    told = preview(trial, {"protocol": next_version(), "countries": {"DEU": trial.clock.now.isoformat()}})
    assert trial.state() == before
    assert (told["from_version"], told["to_version"], told["obstacles"]) == (1, 2, [])
    assert told["countries"]["FRA"] is None
    assert (told["subjects_on_study"], told["subjects_waiting"], told["subjects_staying"]) == (2, 1, 0)
    (subject,) = told["subjects"]
    assert (subject["subject_id"], subject["version"]) == (german, 1)
    assert [(one["visit_code"], one["change"]) for one in subject["visits"]] == [("V3A", "added")]
    (kits,) = subject["kits"]
    assert (kits["visit_code"], kits["old"][0]["quantity"], kits["new"][0]["quantity"]) == ("V3", 1, 2)
    (demand,) = told["demand"]
    assert (demand["country"], demand["before"], demand["after"]) == ("DEU", 1, 2)
    assert {one["country"]: (one["before"], one["after"]) for one in told["demand_totals"]} == {
        "DEU": (1, 2),
        "FRA": (1, 1),
    }
    assert "visits[V3A]" in [one["path"] for one in told["changes"]]
    assert french not in str(told["subjects"])


def test_a_preview_names_what_stands_in_the_way_and_what_randomization_needs(trial: Trial) -> None:
    document = next_version(3)
    document["arms"][0]["ratio"] = 2
    document["kit_types"][0]["expiry"] = {"dns_days": 0, "dnc_days": 0, "dnd_days": 0}
    told = preview(trial, {"protocol": document, "countries": {"DEU": trial.clock.now.isoformat()}})
    assert [one.split(":")[0] for one in told["obstacles"]] == ["study.version", "kit_types[0].expiry"]
    (event,) = told["randomization"]
    assert (event["differs"], event["needs"]) == (["ratio"], "list")


@pytest.mark.parametrize("who", ["supply", "project.manager", "investigator", "auditor", "open.supply"])
def test_only_who_may_load_a_version_may_preview_it(trial: Trial, who: str) -> None:
    answer = trial.clients[who].post(PREVIEW, {"protocol": next_version()})
    assert (answer.status_code, answer.json()["code"]) == (403, "not-permitted")


def test_an_approval_is_signed_by_the_project_manager_and_read_back_in_blinded_words(trial: Trial) -> None:
    signed = {"password": PASSWORD, "meaning": GO_LIVE}
    moment = trial.clock.now.isoformat()
    loaded = trial.clients["statistician"].done(
        f"{PATH}/versions", {"protocol": next_version(), "countries": {"DEU": moment}, "signature": signed}
    )
    assert set(LoadStudyVersionAnswer.model_validate(loaded).countries) == {"DEU"}
    approval = {"version": 2, "country": "FRA", "signature": {"password": PASSWORD, "meaning": IN_EFFECT}}
    before = trial.state()
    for who in ("supply", "coordinator", "sponsor"):
        assert trial.clients[who].post(f"{PATH}/version-effects", approval).status_code == 403
    wrong = {**approval, "signature": {"password": PASSWORD, "meaning": GO_LIVE}}
    assert trial.clients["project.manager"].post(f"{PATH}/version-effects", wrong).status_code == 403
    assert trial.state() == before
    done = trial.clients["project.manager"].done(f"{PATH}/version-effects", approval)
    assert (done["version"], done["country"]) == (2, "FRA")
    again = trial.clients["project.manager"].post(f"{PATH}/version-effects", approval)
    assert (again.status_code, again.json()["code"]) == (409, "version-in-effect")
    events = trial.clients["sponsor"].get(f"{PATH}/overview").json()["events"]
    assert events[0]["text"] == "A protocol version was put into effect in a country"
