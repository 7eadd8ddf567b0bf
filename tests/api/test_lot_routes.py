"""Decisions on lots over HTTP: signed, for the unblinded, and without a word of the lot to a site."""

from tests.api.conftest import Trial
from tests.api.trial import PASSWORD, STUDY

PATH = f"/studies/{STUDY}"
WHY = {"reason": "stability data to 36 months"}


def signature(meaning: str) -> dict[str, dict[str, str]]:
    return {"signature": {"password": PASSWORD, "meaning": meaning}}


def test_a_lot_is_extended_and_withdrawn_under_signature_by_the_unblinded_alone(trial: Trial) -> None:
    extended = {"lot_id": "ZZLOT1", "expiry_date": "2027-10-15", "countries": ["DEU"], **WHY}
    extended |= signature("expiry date changed")
    withdrawn = {
        "lot_id": "ZZLOT2",
        "withdraw": ["DEU"],
        **WHY,
        **signature("lot release by country changed"),
    }
    before = trial.state()
    for path, body in (("lot-expiries", extended), ("lot-releases", withdrawn)):
        for who in ("supply", "coordinator", "depot", "statistician"):
            assert trial.clients[who].post(f"{PATH}/{path}", body).status_code == 403
        unsigned = {name: value for name, value in body.items() if name != "signature"}
        refused = trial.clients["open.supply"].post(f"{PATH}/{path}", unsigned)
        assert (refused.status_code, refused.json()["code"]) == (403, "signature-refused")
    assert trial.state() == before
    owner = trial.clients["open.supply"]
    assert owner.done(f"{PATH}/lot-expiries", extended)["by_country"] == {"DEU": "2027-10-15"}
    assert owner.done(f"{PATH}/lot-releases", withdrawn)["released_for"] == ["FRA"]
    judged = {"lot_id": "ZZLOT3", "decision": "restrict", **WHY, **signature("lot restricted")}
    assert owner.done(f"{PATH}/lot-decisions", judged)["status"] == "restricted"
    found = owner.get(f"{PATH}/unblinded/lots").json()["lots"]
    assert [(one["status"], one["released_for"]) for one in found] == [
        ("released", ["*"]),
        ("released", ["FRA"]),
        ("restricted", ["*"]),
    ]
    site = trial.clients["coordinator"].get(f"{PATH}/sites/S01/stock")
    assert {one["blinded_lot"] for one in site.json()["kits"]} == {"B2026"}
    assert "ZZ" not in site.text
