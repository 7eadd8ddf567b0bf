"""`rtsm shipment` on a database, as people type it."""

import json

import pytest

from allocation.commands.kits import LoadKitsRequest, LoadLotsRequest, load_kits, load_lots
from allocation.commands.sites import OpenSiteRequest, open_site
from tests.api.trial import AS_IS, STUDY, kits, lots
from tests.commands.desk import ACT, desk_at
from tests.project.test_kit_commands import answer, run


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A trial whose depot holds kits that do not expire whatever the date is."""
    address = f"sqlite:///{tmp_path_factory.mktemp('shipments') / 'rtsm.db'}"
    lasting = [{**one, "expiry_date": "2150-06-30"} for one in lots(AS_IS)["lots"]]
    with desk_at(address) as desk:
        desk.load()
        open_site(desk.service, ACT, STUDY, OpenSiteRequest(site_id="S01"))
        load_lots(desk.service, ACT, STUDY, LoadLotsRequest.model_validate({"lots": lasting}))
        load_kits(desk.service, ACT, STUDY, LoadKitsRequest.model_validate(kits(AS_IS)))
    return address


def test_a_shipment_lives_on_the_command_line(url: str) -> None:
    ordered = answer(run(url, "shipment", "order", "S01", "BOTTLE=2", "--json"))
    name = ordered["shipment_id"]
    assert (ordered["status"], ordered["kits"]) == ("requested", 6)
    listed = json.loads(run(url, "shipment", "list", "--status", "requested", "--json").stdout)
    assert name in [one["shipment_id"] for one in listed["shipments"]]
    shown = json.loads(run(url, "shipment", "show", name, "--json").stdout)
    numbers = [one["kit_number"] for one in shown["contents"]]
    wrong = run(url, "shipment", "pack", name, "9999999")
    assert (wrong.exit_code, "9999999" in wrong.output) == (1, True)
    assert answer(run(url, "shipment", "pack", name, *numbers[:2], "--json"))["packed"] == numbers[:2]
    new = answer(run(url, "shipment", "exchange", name, numbers[2], "--reason", "torn", "--json"))
    assert new["replacement"] not in numbers
    sent = answer(run(url, "shipment", "dispatch", name, "--split", "--carrier", "C", "--json"))
    assert (sent["kits"], sent["split_off"]) == (numbers[:2], f"{name}B")
    assert run(url, "shipment", "correct", name, "--tracking", "T1", "--reason", "later").exit_code == 0
    gone = run(url, "shipment", "cancel", f"{name}B", "--reason", "no need")
    assert (gone.exit_code, "cancelled (4 kits)" in gone.output) == (0, True)
    said = run(url, "shipment", "receive", name, "--found", f"{numbers[0]}=damaged", "--unlisted", numbers[3])
    assert (said.exit_code, "1 available, 1 damaged" in said.output, numbers[3] in said.output) == (
        0,
        True,
        True,
    )
    again = run(url, "shipment", "receive", name)
    assert (again.exit_code, "is received" in again.output) == (1, True)
    assert run(url, "shipment", "order", "S01").exit_code == 1
    assert run(url, "shipment", "order", "S01", "BOTTLE").exit_code == 1
    assert run(url, "shipment", "show", name).exit_code == 0
