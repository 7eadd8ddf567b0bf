"""The supply ledger: double entry, conservation, stock and shipments, from the played trial."""

from datetime import date
from itertools import pairwise

import polars as pl
import pytest

from pipelines.datasets import derive
from pipelines.events.frames import EventFrames
from pipelines.supply.conservation import conservation_breaks

SUPPLY = ("sites", "kits", "kit_movements", "shipments", "stock")


@pytest.fixture(scope="module")
def supply(played_events: EventFrames) -> dict[str, pl.DataFrame]:
    derived = derive(played_events, "unblinded")
    return {name: derived[f"supply/{name}"] for name in SUPPLY}


def test_each_movement_starts_where_the_one_before_ended_and_the_first_starts_nowhere(
    supply: dict[str, pl.DataFrame],
) -> None:
    for _, moves in supply["kit_movements"].group_by("kit_number"):
        ordered = moves.sort("position").to_dicts()
        assert ordered[0]["from_place_kind"] is None
        assert ordered[0]["act"] == "load"
        for before, after in pairwise(ordered):
            for what in ("status", "place_kind", "place"):
                assert after[f"from_{what}"] == before[f"to_{what}"]


def test_a_dispensed_kit_went_from_the_depot_over_a_shipment_and_the_site_to_the_subject(
    supply: dict[str, pl.DataFrame],
) -> None:
    kit = supply["kits"].filter(pl.col("subject_id") == "1002").sort("kit_number")["kit_number"][0]
    moves = supply["kit_movements"].filter(pl.col("kit_number") == kit).sort("position")
    assert moves.select("act", "to_place_kind", "to_status").rows() == [
        ("load", "depot", "depot_available"),
        ("request", "depot", "requested"),
        ("dispatch", "transit", "in_transit"),
        ("receive", "site", "site_available"),
        ("dispense", "subject", "dispensed"),
    ]
    assert moves["to_place"].to_list()[-2:] == ["S1", "1002"]
    assert moves["visit_number"].to_list()[-1] in ("2", "3")


def test_every_kit_is_in_one_place_and_none_is_lost_sight_of(supply: dict[str, pl.DataFrame]) -> None:
    assert supply["kits"].height == 120
    assert supply["kits"]["kit_number"].is_unique().all()
    assert supply["kits"]["place"].null_count() == 0
    assert supply["stock"]["kits"].sum() == 120
    assert supply["kits"].filter(pl.col("status") == "dispensed").height == 10
    assert supply["kits"].filter(pl.col("status") == "damaged").height == 1


def test_stock_counts_what_can_be_used_and_what_soon_cannot(played_events: EventFrames) -> None:
    stock = derive(played_events, "unblinded")["supply/stock"]
    available = stock.filter(pl.col("status").is_in(["site_available", "depot_available"]))
    assert (available["usable"] == available["kits"]).all()
    assert stock.filter(~pl.col("status").is_in(["site_available", "depot_available"]))["usable"].sum() == 0
    assert available["next_last_dispense_date"].unique().to_list() == [date(2027, 6, 14)]
    assert stock.select(pl.sum("expiring_30", "expiring_60", "expiring_90")).row(0) == (0, 0, 0)
    late = {**played_events}
    soon = pl.when(pl.col("kit_type") == "KA").then(date(2026, 5, 20)).otherwise("last_dispense_date")
    late["kits"] = played_events["kits"].with_columns(soon.alias("last_dispense_date"))
    at_sites = pl.col("status") == "site_available"
    counted = derive(late, "unblinded")["supply/stock"].filter(at_sites, pl.col("kit_type") == "KA")
    assert (counted["expiring_30"] == 0).all()
    assert (counted["expiring_60"] == counted["usable"]).all()


def test_shipments_tell_how_far_they_have_come(supply: dict[str, pl.DataFrame]) -> None:
    assert supply["shipments"].select(
        "status", "requested_on", "dispatched_on", "received_on"
    ).unique().rows() == [("received", date(2026, 3, 2), date(2026, 3, 2), date(2026, 3, 2))]
    assert supply["shipments"]["to_place"].to_list() == ["S1", "S2"]
    moved = supply["kit_movements"].filter(pl.col("act") == "dispatch").height
    assert supply["shipments"]["kit_count"].sum() == moved


def test_the_played_trial_conserves_its_kits(
    supply: dict[str, pl.DataFrame], played_events: EventFrames
) -> None:
    assert conservation_breaks(supply["kit_movements"], played_events["kit_movements"]).is_empty()


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ("twice", "the state of the kit does not allow this act"),
        ("elsewhere", "the entry takes it from site:S2, it was at site:S1"),
    ],
)
def test_a_kit_that_moves_as_it_cannot_is_named(played_events: EventFrames, broken: str, why: str) -> None:
    moves = played_events["kit_movements"]
    dispensed = moves.filter(pl.col("act") == "dispense", pl.col("to_place") == "1001").head(1)
    if broken == "twice":
        again = dispensed.with_columns(pl.col("position") + 1000)
        events = pl.concat([moves, again])
    else:
        this = (pl.col("position") == dispensed["position"][0]) & (
            pl.col("kit_number") == dispensed["kit_number"][0]
        )
        changed = pl.when(this).then(pl.lit("site:S2")).otherwise("stated_from").alias("stated_from")
        events = moves.with_columns(changed)
    frames = {**played_events, "kit_movements": events}
    found = conservation_breaks(derive(frames, "unblinded")["supply/kit_movements"], events)
    assert found.select("kit_number", "act", "why").rows() == [(dispensed["kit_number"][0], "dispense", why)]
