"""Orders and shipments over HTTP, in a trial whose kits have a GTIN: labels and scans, orders by hand, approval, packing, receipt."""

from collections.abc import Iterator

import pytest

from tests.api.conftest import Trial, trial_at
from tests.api.trial import STUDY, protocol

PATH = f"/studies/{STUDY}"
GTIN = "09501101530003"


@pytest.fixture(scope="module")
def trial(module_url: str) -> Iterator[Trial]:
    """A stocked trial whose blinding group has a GTIN."""
    document = protocol()
    document["blinding_groups"][0]["gtin"] = GTIN
    with trial_at(module_url, document=document) as running:
        yield running


def kits_at(trial: Trial, site_id: str, who: str) -> list[str]:
    stock = trial.clients[who].get(f"{PATH}/sites/{site_id}/stock").json()["kits"]
    return [one["kit_number"] for one in stock if one["status"] == "site_available"]


def test_a_label_says_no_lot_to_the_blinded_and_what_it_says_is_scanned(trial: Trial) -> None:
    site = trial.clients["coordinator"]
    number = kits_at(trial, "S01", "coordinator")[0]
    sheet = site.get(f"{PATH}/kit-labels", kit=[number], expiry=True)
    assert (sheet.status_code, sheet.headers["content-type"]) == (200, "image/svg+xml")
    assert f"(01){GTIN}(17)26" in sheet.text
    assert "ZZ" not in sheet.text
    assert site.get(f"{PATH}/kit-labels", kit=[number], lot=True).status_code == 403
    named = trial.clients["open.supply"].get(f"{PATH}/kit-labels", kit=[number], lot=True, format="svg")
    assert "(10)ZZLOT" in named.text
    scan = next(text for text in named.text.split("<") if "(01)" in text).split(">")[1]
    lot = scan[scan.index("ZZLOT") : scan.index("(21)")]
    for who in ("coordinator", "open.supply"):
        found = trial.clients[who].get(f"{PATH}/scanned-kit", scan=scan).json()
        assert (found["kit_number"], found["place"]) == (number, "S01")
    other = scan.replace(lot, "ZZLOTX")
    said = {
        who: trial.clients[who].get(f"{PATH}/scanned-kit", scan=other).json()
        for who in ("coordinator", "open.supply")
    }
    assert {one["code"] for one in said.values()} == {"label-contradicts"}
    assert "ZZ" not in str(said["coordinator"])
    assert f"lot ZZLOTX, on record {lot}" in said["open.supply"]["detail"]
    assert trial.clients["other.site"].get(f"{PATH}/scanned-kit", scan=scan).status_code == 404
    bad = site.get(f"{PATH}/scanned-kit", scan="]C1" + f"01{GTIN}")
    assert (bad.status_code, bad.json()["field"]) == (422, "scan")
