"""Each rule of the supply tables notices the table that is broken in that one way, by its key."""

from datetime import date

import polars as pl
import pytest

from data_contracts import contract
from data_contracts.supply import COLUMNS
from tests.data_contracts.breaking import Broken, assert_only_that_rule_notices, put

DEPOT = {"place_kind": "depot", "status": "depot_available"}
K70, K57, DISPENSE = {"kit_number": "K70"}, {"kit_number": "K57"}, {"act": "dispense"}

BROKEN = [
    Broken("sites.timezone.in-codelist", {}, {"timezone": "Europe/Bonn"}),
    Broken("sites.country.pattern", {}, {"country": "Germany"}),
    Broken(
        "kits.possible-state", K70, {"status": "site_available"},
        {"kit_movements": put({**K70, **DISPENSE}, {"to_status": "site_available"})},
    ),
    Broken("kits.holder-named", K70, {"place": None}, {"kit_movements": put({**K70, **DISPENSE}, {"to_place": None})}),
    Broken("kits.windows-ordered", K57, {"last_count_date": date(2026, 6, 30)}),
    Broken("kits.dispensed-in-time", K70, {"dispensed_on": date(2026, 8, 2)}),
    Broken("kits.dispensed-to-subject", K70, {"subject_id": None}),
    Broken(
        "kits.site-known", K57, {"status": "site_available", "place_kind": "site", "place": "99"},
        {"kit_movements": put(K57, {"to_status": "site_available", "to_place_kind": "site", "to_place": "99"})},
    ),
    Broken("kits.conserved", K57, {"place": "D2"}),
    Broken("kits.study_id.filled", K57, {"study_id": None}, beside=("kits.conserved",)),
    Broken("kits.lot_id.filled", K57, {"lot_id": ""}),
    Broken(
        "kits.unique-key", K57,
        {"kit_number": "K70", "status": "dispensed", "place_kind": "subject", "place": "001", "subject_id": "001",
         "dispensed_on": date(2026, 1, 12)},
        fails=pl.col("kit_number") == "K70",
    ),
    Broken("kits.quantity.range", K57, {"quantity": 0}, beside=("kits.named",)),
    Broken("kits.named", K57, {"quantity": 2}),
    Broken("kits.lot-conserved", K57, {"kit_number": None}),
    Broken("kit_movements.quantity.range", DISPENSE, {"quantity": 0}, beside=("kit_movements.named",)),
    Broken("kit_movements.named", DISPENSE, {"quantity": 2}),
    Broken("kit_movements.lot-conserved", DISPENSE, {"kit_number": None, "lot": "L1"}),
    Broken("kit_movements.position.range", {"act": "load", **K57}, {"position": 0}),
    Broken("kit_movements.possible-state", DISPENSE, {"to_status": "returned"}),
    Broken("kit_movements.holder-named", DISPENSE, {"to_place": None}),
    Broken("kit_movements.continuous", {"act": "dispatch"}, {"from_place": "D2"}),
    Broken("kit_movements.known-kit", {"act": "load", **K57}, {"kit_number": "K99"}),
    Broken("kit_movements.dispensed-in-time", DISPENSE, {"moved_on": date(2026, 8, 2)}),
    Broken("shipments.status.in-codelist", {}, {"status": "on its way", "received_on": None}),
    Broken("shipments.kit_count.range", {}, {"kit_count": -1}),
    Broken("shipments.dispatched_on.of-status", {}, {"dispatched_on": None}),
    Broken("shipments.received_on.of-status", {}, {"received_on": None}),
    Broken("shipments.dates-ordered", {}, {"received_on": date(2026, 1, 2)}),
    Broken("shipments.site-known", {}, {"to_place": "11"}),
    Broken("shipments.from_kind.in-codelist", {}, {"from_kind": "pharmacy"}),
    Broken("shipments.to_kind.in-codelist", {}, {"to_kind": "pharmacy"}),
    Broken("inventory.kits.range", DEPOT, {"kits": 0},
           {"stock_over_time": put({**DEPOT, "on_date": date(2026, 1, 2), "change": -1}, {"kits": 0})}),
    Broken("inventory.possible-state", {"place_kind": "subject"}, {"status": "in_transit"},
           {"stock_over_time": put({"place_kind": "subject"}, {"status": "in_transit"})}),
    Broken("inventory.country-named", DEPOT, {"country": None}),
    Broken("inventory.as-over-time", DEPOT, {"kits": 2}),
    Broken("stock_over_time.kits.range", {"place_kind": "subject"}, {"kits": -1, "change": -1}),
    Broken("stock_over_time.possible-state", {"place_kind": "subject"}, {"status": "in_transit"}),
    Broken("stock_over_time.running", {"place_kind": "subject"}, {"change": 2}),
]  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.rule)
def test_a_rule_notices_the_one_break_and_names_its_key(broken: Broken) -> None:
    assert_only_that_rule_notices(broken)


@pytest.mark.parametrize("dataset", COLUMNS)
def test_every_rule_that_speaks_of_more_than_a_column_is_broken_above(dataset: str) -> None:
    shapes = ("present", "filled", "type", "columns", "unique-key")
    own = {rule.rule_id for rule in contract(dataset).rules if not rule.rule_id.endswith(shapes)}
    assert own <= {broken.rule for broken in BROKEN}
