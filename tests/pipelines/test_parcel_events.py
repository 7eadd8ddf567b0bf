"""Parcels to homes in the exported datasets: shipments from a site to a subject, without anything that tells where that is."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from allocation.ledger.database import open_database
from data_contracts import check
from pipelines.datasets import derive
from pipelines.events.frames import EventFrames
from pipelines.events.reading import read_events
from pipelines.supply.conservation import conservation_breaks
from tests.api.trial import STUDY
from tests.commands.desk import Desk
from tests.commands.test_home_parcels import HOME, confirm, send
from tests.commands.test_parcels_on_their_way import replace, under_way


@pytest.fixture
def events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EventFrames]:
    """A parcel of two kits, both lost on their way and replaced; these sent together and delivered."""
    monkeypatch.setenv("RTSM_VAULT_KEY", Fernet.generate_key().decode())
    database = open_database(f"sqlite:///{tmp_path / 'rtsm.db'}")
    try:
        desk = Desk(database)
        who, numbers = under_way(desk)
        desk.move(days=2)
        new = [replace(desk, who, number) for number in numbers]
        send(desk, who)
        desk.move(days=1)
        confirm(desk, who, new)
        yield read_events(database, STUDY)
    finally:
        database.dispose()


@pytest.mark.parametrize("product", ["blinded", "unblinded"])
def test_a_parcel_is_a_shipment_to_its_subject_and_no_dataset_tells_an_address_or_a_tracking_number(
    events: EventFrames, product: str
) -> None:
    datasets = derive(events, product)  # type: ignore[arg-type]
    rows = datasets["supply/shipments"].filter(datasets["supply/shipments"]["to_kind"] == "subject")
    told = rows.sort("shipment_id").select("from_place", "status", "kit_count", "carrier", "tracking_number")
    assert told.rows() == [("S01", "lost", 2, None, None), ("S01", "received", 2, None, None)]
    (lost, came) = rows.sort("shipment_id").rows(named=True)
    assert (lost["expected_on"] - lost["dispatched_on"], lost["received_on"]) == (timedelta(days=1), None)
    assert came["received_on"] - came["dispatched_on"] == timedelta(days=1)
    assert lost["to_place"] == came["to_place"] == lost["shipment_id"].removesuffix("-P1")
    for frame in datasets.values():
        text = frame.write_csv()
        assert not any(part in text for part in ("SC-1", HOME.recipient, *HOME.lines, HOME.city))


def test_the_contracts_hold_and_a_parcel_moves_no_kit(events: EventFrames) -> None:
    datasets = derive(events, "unblinded")
    assert conservation_breaks(datasets["supply/kit_movements"], events["kit_movements"]).is_empty()
    supply = {name: datasets[f"supply/{name}"] for name in ("kits", "kit_movements", "sites", "shipments")}
    for name, frame in supply.items():
        result = check(name, frame, supply)
        assert result.passed, result
