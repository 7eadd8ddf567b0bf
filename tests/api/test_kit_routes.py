"""Acts on kits over HTTP: a site quarantines its own, release is signed, a recall unblinds nobody at a site."""

from tests.api.conftest import Trial
from tests.api.trial import PASSWORD, STUDY

PATH = f"/studies/{STUDY}"
WHY = {"reason": "refrigerator alarm"}


def test_a_site_quarantines_and_a_supply_manager_releases_under_signature(trial: Trial) -> None:
    site, supply = trial.clients["coordinator"], trial.clients["supply"]
    done = site.done(f"{PATH}/quarantines", {"site_id": "S01", **WHY})
    assert set(done) == {"kits", "not_possible", "bulk", "other_studies"}
    signature = {"password": PASSWORD, "meaning": "kits released from quarantine"}
    body = {"kit_numbers": done["kits"][:2], **WHY}
    before = trial.state()
    for who, asked, code in (
        ("supply", body, "signature-refused"),
        ("supply", {**body, "signature": {**signature, "meaning": "read"}}, "signature-refused"),
        ("coordinator", {**body, "signature": signature}, "not-permitted"),
    ):
        refused = trial.clients[who].post(f"{PATH}/kit-releases", asked)
        assert (refused.status_code, refused.json()["code"]) == (403, code)
    assert trial.state() == before
    assert (
        supply.done(f"{PATH}/kit-releases", {**body, "signature": signature})["kits"] == body["kit_numbers"]
    )
    last = trial.clients["auditor"].get(f"{PATH}/unblinded/ledger", limit=1000).json()["entries"]
    assert site.get(f"{PATH}/sites/S01/stock").json()["kits"]
    assert all(entry["command"] != "release_kits" or entry["signature"] for entry in last)


def test_a_recall_is_answered_in_full_to_the_unblinded_and_to_a_site_only_with_its_own_kits(
    trial: Trial,
) -> None:
    body = {"lot_id": "ZZLOT2"}
    for who in ("supply", "coordinator", "depot", "statistician"):
        assert trial.clients[who].post(f"{PATH}/recalls", body).status_code == 403
    answer = trial.clients["open.supply"].done(f"{PATH}/recalls", body)
    assert answer["quarantined"] > 0
    again = trial.clients["open.supply"].done(f"{PATH}/recalls", body)
    assert (again["recalled_before"], again["quarantined"]) == (True, 0)
    site_of = {"coordinator": "S01", "other.site": "S02"}
    for who, site_id in site_of.items():
        page = trial.clients[who].get(f"{PATH}/recalled-kits")
        assert page.status_code == 200
        assert "ZZ" not in page.text
        found = {one["kit_number"] for one in page.json()["kits"]}
        assert found == {one["kit_number"] for one in answer["kits"] if one["place"] == site_id}
    for who in ("sponsor", "supply", "depot", "monitor"):
        assert trial.clients[who].get(f"{PATH}/recalled-kits").status_code == 403
    late = {"kit_numbers": [answer["kits"][0]["kit_number"]], **WHY}
    signature = {"password": PASSWORD, "meaning": "kits released from quarantine"}
    refused = trial.clients["supply"].post(f"{PATH}/kit-releases", {**late, "signature": signature})
    assert (refused.status_code, refused.json()["code"]) == (409, "kit-recalled")


def test_a_packagers_list_is_for_the_unblinded(trial: Trial) -> None:
    body = {"lots": [{"lot_id": "ZZLOT1", "count": 3}]}
    assert trial.clients["supply"].post(f"{PATH}/kit-lists", body).status_code == 403
    answer = trial.clients["open.supply"].done(f"{PATH}/kit-lists", body)
    assert [one["lot_id"] for one in answer["kits"]] == ["ZZLOT1"] * 3
    short = trial.clients["open.supply"].post(f"{PATH}/kit-lists", {**body, "digits": 9})
    assert (short.status_code, short.json()["code"]) == (409, "digits-fixed")
