"""A trial runs end to end over HTTP: screened, randomized, dispensed, seen by those who may see it."""

from allocation.ledger.sealing import seal_pending
from tests.api.trial import STUDY

PATH = f"/studies/{STUDY}"
FILES = {"/kit-labels": "image/svg+xml", "/files/evidence/{sha256}": "text/csv"}
"""Routes that answer with a file."""


def test_a_subject_goes_from_screening_to_completion(trial):
    desk = trial.clients["coordinator"]
    screened = desk.done(
        f"{PATH}/subjects", {"site_id": "S01", "sex": "F", "age": 40, "factors": {"SEVERITY": "MILD"}}
    )
    subject = {"subject_id": screened["subject_id"]}
    assert screened == {**subject, "status": "screening", "screened_on": "2026-03-05"}
    assert desk.done(f"{PATH}/eligibility", {**subject, "eligible": True})["status"] == "eligible"
    randomized = desk.done(f"{PATH}/randomizations", subject)
    assert randomized["randomization_number"] == "R7919"
    first = desk.done(f"{PATH}/dispensings", {**subject, "visit_code": "V2"})
    trial.clock.move(days=14)
    second = desk.done(f"{PATH}/dispensings", {**subject, "visit_code": "V3", "titration": "up"})
    assert second["window"] == "in_window"
    trial.clock.move(days=14)
    desk.done(f"{PATH}/visits", {**subject, "visit_code": "V4"})
    desk.done(f"{PATH}/completions", subject)

    seen = desk.get(f"{PATH}/subjects/{subject['subject_id']}").json()
    assert seen["subject"]["status"] == "completed"
    assert seen["subject"]["dose_label"] == "Dose level 2"
    assert [visit["visit_code"] for visit in seen["visits"]] == ["V1", "V2", "V3", "V4"]
    handed_out = first["kit_numbers"] + second["kit_numbers"]
    assert [kit["kit_number"] for kit in seen["kits"]] == handed_out
    assert {kit["kit_group"] for kit in seen["kits"]} == {"Bottle of 35 tablets"}

    unblinded = trial.clients["statistician"].get(f"{PATH}/unblinded/subjects").json()["subjects"][0]
    assert (unblinded["arm"], unblinded["sequence"], unblinded["block"]) == ("ZZARMA", 1, 1)
    lists = trial.clients["statistician"].get(f"{PATH}/unblinded/lists").json()["lists"]
    assert lists[0]["allocated"] == {"ZZARMA": 1, "ZZARMB": 0, "ZZARMC": 0}
    assert [(run["stratum"], run["used"], run["next_sequence"]) for run in lists[0]["runs"]] == [
        ("SEVERITY=MILD", 1, 2),
        ("SEVERITY=SEVERE", 0, 1),
    ]

    overview = trial.clients["sponsor"].get(f"{PATH}/overview").json()
    assert overview["enrolment"]["total"] == {
        "screened": 1,
        "in_screening": 0,
        "screen_failed": 0,
        "randomized": 1,
        "on_study": 0,
        "discontinued": 0,
        "completed": 1,
    }
    assert overview["events"][0]["text"] == f"Subject {subject['subject_id']} completed the study"
    at_subjects = [one["kits"] for one in overview["stock"] if one["status"] == "dispensed"]
    assert sum(at_subjects) == len(handed_out) == 2
    assert sum(one["kits"] for one in overview["stock"]) == 60, "every kit is somewhere"


def test_a_retry_returns_the_first_answer_and_changes_nothing(trial):
    desk = trial.clients["coordinator"]
    body = {"site_id": "S01", "sex": "M", "age": 50, "factors": {"SEVERITY": "SEVERE"}}
    first = desk.post(f"{PATH}/subjects", body, key="screen-once")
    before = trial.state()
    again = desk.post(f"{PATH}/subjects", body, key="screen-once")
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert trial.state() == before
    other = desk.post(f"{PATH}/subjects", {**body, "age": 51}, key="screen-once")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency-conflict")
    assert trial.state() == before
    by_another = trial.clients["investigator"].post(f"{PATH}/subjects", body, key="screen-once")
    assert by_another.json()["subject_id"] != first.json()["subject_id"], "a key is its owner's"


def test_an_answer_matches_the_published_description_of_its_route(trial):
    described = trial.anonymous.get("/openapi.json").json()
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            assert operation.get("tags") or path == "/health", (method, path)
            assert operation["summary"], (method, path)
            if (method, path) == ("delete", "/studies/{study_id}/subjects/{subject_id}"):
                assert "200" not in operation["responses"], "no subject is ever removed"
            else:
                kind = FILES.get(path.removeprefix("/studies/{study_id}"), "application/json")
                assert kind in operation["responses"]["200"]["content"], (method, path)
            refusals = {status for status in operation["responses"] if status != "200"}
            assert all(
                list(operation["responses"][status]["content"]) == ["application/problem+json"]
                for status in refusals
            ), (method, path)
            body = operation.get("requestBody")
            if body is None or operation["operationId"] in (
                "load_study_version",
                "preview_amendment",
                "receive_edc_facts",
            ):
                continue
            sent = body["content"].get("application/json")
            if "text/csv" in body["content"]:
                assert body["content"]["text/csv"]["example"], (method, path)
            elif sent is not None and path.startswith("/studies"):
                name = sent["schema"]["$ref"].rsplit("/", 1)[1]
                assert described["components"]["schemas"][name]["examples"], name


def test_the_ledger_names_who_acted_under_which_role_and_why(trial):
    trial.clients["investigator"].done(
        f"{PATH}/subjects",
        {"site_id": "S01", "sex": "F", "age": 33, "factors": {"SEVERITY": "MILD"}, "reason": "walk-in"},
    )
    seal_pending(trial.database)
    page = trial.clients["auditor"].get(f"{PATH}/unblinded/ledger", limit=1000).json()
    last = page["entries"][-1]
    assert (last["actor"], last["role"], last["command"], last["reason"]) == (
        "investigator",
        "investigator",
        "screen",
        "walk-in",
    )
    assert [entry["position"] for entry in page["entries"]] == list(range(1, len(page["entries"]) + 1))
    signed = next(entry for entry in page["entries"] if entry["command"] == "activate_list")
    assert signed["signature"]["printed_name"] == "Name of statistician"
    assert signed["signature"]["meaning"] == "randomization list activated"
