"""The supply ledger: double entry, conservation, stock and shipments, from the played trial."""

from datetime import date
from itertools import pairwise

import polars as pl
import pytest

from pipelines.datasets import derive
from pipelines.events.frames import EventFrames
from pipelines.supply.conservation import conservation_breaks

SUPPLY = ("sites", "kits", "kit_movements", "shipments", "stock", "inventory", "stock_over_time")


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


def test_inventory_counts_every_kit_once_in_the_country_of_its_place(supply: dict[str, pl.DataFrame]) -> None:
    found = supply["inventory"]
    assert found["kits"].sum() == 120
    by_lot = supply["kits"].group_by("kit_type", "lot_id", "expiry_date").agg(pl.len().alias("kits"))
    assert found.group_by("kit_type", "lot_id", "expiry_date").agg(pl.sum("kits")).sort("lot_id").rows() == (
        by_lot.select("kit_type", "lot_id", "expiry_date", pl.col("kits").cast(pl.Int64))
        .sort("lot_id")
        .rows()
    )
    countries = dict(supply["sites"].select("site_id", "country").rows())
    for place, country in found.filter(pl.col("place_kind") == "site").select("place", "country").rows():
        assert country == countries[place]
    assert found.filter(pl.col("place_kind") == "depot")["country"].null_count() == 0


def test_stock_over_time_is_on_each_day_what_was_there_as_of_its_last_entry(
    supply: dict[str, pl.DataFrame], played_events: EventFrames
) -> None:
    over_time, alike = supply["stock_over_time"], ("place_kind", "place", "kit_type", "status")
    days = over_time["on_date"].unique().sort().to_list()
    for on_date in (days[0], days[len(days) // 2], days[-1]):
        moves = supply["kit_movements"].filter(pl.col("moved_at").dt.date() <= on_date)
        there = (
            moves.sort("position")
            .group_by("kit_number")
            .agg(pl.col("to_status", "to_place_kind", "to_place").last())
            .join(supply["kits"].select("kit_number", "kit_type"), on="kit_number")
            .with_columns(
                pl.when(pl.col("to_place_kind").is_in(["depot", "site"])).then("to_place").alias("place")
            )
            .group_by(
                pl.col("to_place_kind").alias("place_kind"),
                "place",
                "kit_type",
                pl.col("to_status").alias("status"),
            )
            .agg(pl.len().cast(pl.Int64).alias("kits"))
        )
        carried = (
            over_time.filter(pl.col("on_date") <= on_date)
            .group_by(alike)
            .agg(pl.col("kits").sort_by("on_date").last())
            .filter(pl.col("kits") > 0)
        )
        assert carried.sort(alike).rows() == there.select(*alike, "kits").sort(alike).rows()


def test_the_blinded_central_view_has_looks_and_no_lot(played_events: EventFrames) -> None:
    blinded = derive(played_events, "blinded")
    types = set(played_events["kits"]["kit_type"].unique())
    assert blinded["supply/inventory"]["lot_id"].null_count() == blinded["supply/inventory"].height
    for name in ("inventory", "stock_over_time"):
        assert not set(blinded[f"supply/{name}"]["kit_type"]) & types
    assert blinded["supply/inventory"]["kits"].sum() == 120
