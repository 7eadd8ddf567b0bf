"""The vault of addresses over HTTP."""

from typing import Any

import pytest
from cryptography.fernet import Fernet

from tests.api.trial import STUDY

HOME: dict[str, Any] = {
    "recipient": "Zsuzsanna Quxley",
    "lines": ["17 Vexilla Mews"],
    "city": "Thornaby",
    "country": "GBR",
}


def test_an_address_goes_in_and_out_for_its_site_and_no_refusal_repeats_it(
    trial: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = trial.clients["coordinator"]
    screened = {"site_id": "S01", "sex": "F", "age": 40, "factors": {"SEVERITY": "MILD"}}
    who = site.post(f"/studies/{STUDY}/subjects", screened).json()["subject_id"]
    asked, page = {"subject_id": who, "address": HOME}, f"/studies/{STUDY}/subjects/{who}/address"
    monkeypatch.delenv("RTSM_VAULT_KEY", raising=False)
    keyless = site.post(f"/studies/{STUDY}/patient-addresses", asked)
    assert (keyless.status_code, keyless.json()["code"]) == (409, "vault-key-missing")
    monkeypatch.setenv("RTSM_VAULT_KEY", Fernet.generate_key().decode())
    wrong = site.post(
        f"/studies/{STUDY}/patient-addresses", {**asked, "address": {**HOME, "country": "Quxland"}}
    )
    assert (wrong.status_code, wrong.json()["field"]) == (422, "address.country")
    kept = site.post(f"/studies/{STUDY}/patient-addresses", asked)
    assert (kept.status_code, kept.json()) == (200, {"subject_id": who, "replaced": False})
    read = site.get(page)
    assert (read.json()["lines"], read.headers["cache-control"]) == (HOME["lines"], "no-store")
    for name in ("other.site", "sponsor", "depot", "monitor", "auditor", "administrator", "statistician"):
        assert trial.clients[name].get(page).status_code == 403, name
    gone = site.post(
        f"/studies/{STUDY}/forgotten-patient-addresses", {"subject_id": who, "reason": "asked for"}
    )
    assert gone.json() == {"subject_id": who, "forgotten": True}
    assert site.get(page).status_code == 404
    accesses = trial.clients["auditor"].get(f"{page}-accesses")
    assert [one["act"] for one in accesses.json()] == ["forget", "read", "write"]
    said = keyless.text + wrong.text + kept.text + gone.text + accesses.text
    assert not [word for word in ("Quxl", "Vexilla", "Thornaby") if word in said]
