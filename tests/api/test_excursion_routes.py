"""Temperature excursions over HTTP: files by their hash, kits held at once, and a signed release within the budget."""

from datetime import timedelta

from tests.api.conftest import Trial
from tests.api.trial import PASSWORD, STUDY

PATH = f"/studies/{STUDY}"
WHY = {"reason": "logger showed an alarm"}


def test_a_site_hands_in_a_loggers_files_and_the_supply_manager_releases_what_the_budget_allows(
    trial: Trial,
) -> None:
    site, supply = trial.clients["coordinator"], trial.clients["supply"]
    start = trial.clock.now + timedelta(hours=1)
    trial.clock.move(hours=6)
    rows = (f"{start + timedelta(minutes=10 * n):%Y-%m-%d %H:%M};{5 + 5 * (n == 3)}" for n in range(8))
    content = "\n".join(["Date time (UTC);Temperature (°C)", *rows]).encode()
    kept = site.http.post(f"{PATH}/files/evidence", content=content).json()
    assert (kept["readings"], kept["media_type"]) == (8, "text/csv")
    pdf = site.http.post(f"{PATH}/files/evidence", content=b"%PDF-1.7 report").json()
    assert site.get(f"{PATH}/files/evidence/{pdf['sha256']}").content == b"%PDF-1.7 report"
    wrong = site.http.post(f"{PATH}/files/evidence", content=b"Date time;Temperature\n2026-03-04 10:00;5\n")
    assert (wrong.status_code, "names no unit" in wrong.text) == (422, True)
    body = {"site_id": "S01", "file_sha256": kept["sha256"], "attachments": [pdf["sha256"]], **WHY}
    found = site.done(f"{PATH}/excursions", body)
    assert found["quarantined"]
    assert {one["minutes_above"] for one in found["kits"]} == {8}
    assert trial.clients["other.site"].post(f"{PATH}/excursions", body).status_code == 403
    named = {"excursion_id": found["excursion_id"], "decision": "release", **WHY}
    signature = {"password": PASSWORD, "meaning": "kits released from quarantine"}
    assert supply.post(f"{PATH}/excursion-settlements", named).json()["code"] == "signature-refused"
    by_number = {"kit_numbers": found["quarantined"][:1], **WHY, "signature": signature}
    assert supply.post(f"{PATH}/kit-releases", by_number).json()["code"] == "excursion-open"
    done = supply.done(f"{PATH}/excursion-settlements", {**named, "signature": signature})
    assert done["kits"] == found["quarantined"]
    detail = site.get(f"{PATH}/excursions/{found['excursion_id']}").json()
    assert {one["outcome"] for one in detail["kits"]} == {"released"}
    curve = site.get(f"{PATH}/excursions/{found['excursion_id']}/curve").json()
    assert (len(curve["points"]), curve["limits"][0]["max_celsius"]) == (8, 8.0)
    assert trial.clients["other.site"].get(f"{PATH}/excursions").json()["excursions"] == []
