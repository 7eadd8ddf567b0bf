"""The inspection of a device over HTTP: signed at its site, and without a word of what is in it."""

from pathlib import Path

from tests.api.conftest import trial_at
from tests.api.trial import PASSWORD, STUDY, protocol

PATH = f"/studies/{STUDY}"


def test_a_site_inspects_its_own_devices_under_signature(tmp_path: Path) -> None:
    document = protocol()
    for kind in document["kit_types"]:
        kind["reusable"] = True
    with trial_at(f"sqlite:///{tmp_path / 'rtsm.db'}", document=document) as trial:
        site = trial.clients["coordinator"]
        screened = {"site_id": "S01", "sex": "F", "age": 40, "factors": {"SEVERITY": "MILD"}}
        who = site.done(f"{PATH}/subjects", screened)["subject_id"]
        investigator = trial.clients["investigator"]
        investigator.done(f"{PATH}/eligibility", {"subject_id": who, "eligible": True})
        investigator.done(f"{PATH}/randomizations", {"subject_id": who})
        given = site.done(f"{PATH}/dispensings", {"subject_id": who, "visit_code": "V2"})
        (number,) = given["kit_numbers"]
        back = {"kit_number": number, "returned_units": "35"}
        site.done(f"{PATH}/subject-returns", {"subject_id": who, "kits": [back]})
        before = trial.state()
        body = {"kit_number": number, "outcome": "fit", "reason": "wiped"}
        signed = {**body, "signature": {"password": PASSWORD, "meaning": "device inspected"}}
        for name, asked, status, code in (
            ("coordinator", body, 403, "signature-refused"),
            ("coordinator", {**signed, "outcome": "so-so"}, 422, "invalid-request"),
            ("other.site", signed, 404, "not-found"),
            ("supply", signed, 403, "not-permitted"),
        ):
            answer = trial.clients[name].post(f"{PATH}/device-inspections", asked)
            assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
        assert trial.state() == before
        done = site.done(f"{PATH}/device-inspections", signed)
        assert done == {"kit_number": number, "site_id": "S01", "status": "site_available", "uses": 1}
