"""What happens to kits after they were chosen, as events and datasets: confirmed, put back, replaced, written off."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from allocation.commands.dose_hold import HoldDosingRequest, hold_dosing
from allocation.ledger.database import open_database
from data_contracts import check
from pipelines.datasets import derive
from pipelines.events.frames import EventFrames
from pipelines.events.reading import read_events
from pipelines.supply.conservation import conservation_breaks
from tests.api.trial import ARMS, STUDY
from tests.commands.desk import Desk
from tests.commands.dosing_trial import BECAUSE, dispensing, document, give, set_up
from tests.commands.test_handing_out import confirm, replace

EXPOSURE = {
    "periods": [{"visit": "V2"}],
    "regimens": [
        {
            "arm": arm,
            "treatment": arm,
            "dose": 1,
            "unit": "mg",
            "form": "TABLET",
            "frequency": "QD",
            "route": "ORAL",
        }
        for arm in ARMS
    ],
}


@pytest.fixture
def events(tmp_path: Path) -> EventFrames:
    """One subject with a kit handed out, one put back and one lost; another whose kits were all put back; a third on hold."""
    database = open_database(f"sqlite:///{tmp_path / 'rtsm.db'}")
    data = document({"confirmation": True}, dispensing=dispensing(2), exposure=EXPOSURE)
    desk = set_up(Desk(database), data)
    people = [desk.randomized() for _ in "ABC"]
    given = [give(desk, who, "V2", weight_kg="70.5")["kit_numbers"] for who in people]
    desk.move(days=1)
    confirm(desk, people[0], given[0][:1], given[0][1:])
    confirm(desk, people[1], [], given[1])
    swapped = replace(desk, people[2], given[2][0], "damaged")["kit_number"]
    confirm(desk, people[2], [swapped, given[2][1]])
    desk.move(days=2)
    replace(desk, people[0], given[0][0], "lost")
    hold_dosing(desk.service, BECAUSE, STUDY, HoldDosingRequest(subject_id=people[2]))
    found = read_events(database, STUDY)
    database.dispose()
    return found


def test_a_visit_counts_as_dispensed_when_handing_out_is_confirmed(events: EventFrames) -> None:
    datasets = derive(events, "unblinded")
    progress = datasets["supply/subject_progress"].sort("subject_id")
    assert progress["first_dispensed_on"].is_not_null().to_list() == [True, False, True]
    assert events["visits"]["dispensed"].any() is False
    da = datasets["sdtm/da"].group_by("USUBJID").len().sort("USUBJID")
    assert da["len"].to_list() == [2, 2]  # one and its replacement; two of the third subject
    assert datasets["sdtm/da"]["VISITNUM"].to_list() == [2.0] * 4


def test_kits_are_conserved_and_every_contract_holds(events: EventFrames) -> None:
    for product in ("blinded", "unblinded"):
        datasets = derive(events, product)  # type: ignore[arg-type]
        movements = datasets["supply/kit_movements"]
        assert conservation_breaks(movements, events["kit_movements"]).is_empty()
    supply = {name: datasets[f"supply/{name}"] for name in ("kits", "kit_movements", "sites", "shipments")}
    for name, frame in supply.items():
        result = check(name, frame, supply)
        assert result.passed, result
    states = supply["kits"].group_by("status").len()
    count = dict(states.rows())
    assert (count["dispensed"], count["lost"], count["quarantined"]) == (3, 1, 1)
    assert "assigned" not in count
    handed = supply["kits"].filter(pl.col("status") == "dispensed")
    assert handed["dispensed_on"].is_not_null().all()


def test_measurements_and_holds_are_events_of_their_own(events: EventFrames) -> None:
    measured = events["measurements"]
    assert measured["value"].unique().to_list() == [Decimal("70.5")]
    assert measured["measure"].unique().to_list() == ["weight"]
    (held,) = events["dose_holds"].rows(named=True)
    assert (held["held_on"], held["reason"]) == (date(2026, 3, 5), "the subject says so")
    for product in ("blinded", "unblinded"):
        ex = derive(events, product)["sdtm/ex"]  # type: ignore[arg-type]
        ends = dict(ex.select("USUBJID", "EXENDTC").rows())
        assert [end for who, end in ends.items() if who.endswith(held["subject_id"])] == ["2026-03-04"]
