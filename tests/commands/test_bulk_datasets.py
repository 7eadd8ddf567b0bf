"""Bulk supply in the derived datasets: lots and quantities, and nowhere the number of a unit."""

from typing import Any

import polars as pl
import pytest

from allocation.access.actors import SYSTEM_ACTOR
from allocation.commands.dispensing import DispenseRequest, dispense
from allocation.commands.kit_counts import ReturnFromSubjectRequest, return_from_subject
from allocation.commands.service import Act
from data_contracts import check
from pipelines.datasets import Product, derive
from pipelines.events.reading import read_events
from pipelines.supply.conservation import conservation_breaks
from tests.api.trial import STUDY
from tests.commands.bulk_trial import with_syringes
from tests.commands.desk import ACT, Desk
from tests.commands.test_kit_acts import intact

WITH_REASON = Act(SYSTEM_ACTOR, reason="counted again")


def of_syringes(desk: Desk) -> str:
    """A subject who was given 4 of SY-B at V2, then 4 more of SY-B at V3, and brought 3 and then 2 of the 8 back."""
    who = desk.randomized()
    dispense(desk.service, ACT, STUDY, DispenseRequest(subject_id=who, visit_code="V2"))
    desk.move(days=14)
    dispense(desk.service, ACT, STUDY, DispenseRequest(subject_id=who, visit_code="V3"))
    for quantity, returned, lost in ((3, "2", "1"), (2, "0", "0")):
        counted = {"lot": "SY-B", "quantity": quantity, "returned_units": returned, "lost_units": lost}
        request = ReturnFromSubjectRequest.model_validate({"subject_id": who, "bulk": [counted]})
        return_from_subject(desk.service, ACT, STUDY, request)
        desk.move(days=1)
    return who


def contract_failures(name: str, built: dict[str, pl.DataFrame]) -> list[str]:
    """The critical rules that a dataset breaks, beside all others."""
    others = {one.rpartition("/")[2]: frame for one, frame in built.items()}
    frames = others | {one.upper(): frame for one, frame in others.items() if len(one) == 2}
    result = check(name, frames[name], others=frames)
    return [one.rule for one in result.failures if one.severity == "critical"]


@pytest.mark.parametrize("product", ["unblinded", "blinded"])
def test_no_dataset_names_a_unit_and_accountability_stands_by_dispensing_lot_and_test(
    sqlite_desk: Desk, product: Product
) -> None:
    desk = with_syringes(sqlite_desk)
    of_syringes(desk)
    intact(desk)
    events = read_events(desk.database, STUDY)
    built = derive(events, product)
    for name, frame in built.items():
        assert "~" not in frame.write_json(), name
    syringes = pl.col("DAORRESU") == "SYRINGE"
    found = built["sdtm/da"].filter(syringes).select("DAREFID", "DATESTCD", "DASTRESN", "VISITNUM")
    lots: list[Any] = [
        ("SY-B", "DISPAMT", 4.0, 2.0),
        ("SY-B", "DISPAMT", 4.0, 3.0),
        ("SY-B", "RETAMT", 2.0, 3.0),
        ("SY-B", "LOSTAMT", 1.0, 3.0),
        ("SY-B", "RETAMT", 0.0, 3.0),
        ("SY-B", "RETAMT", 0.0, 3.0),
    ]
    assert sorted(found.rows()) == sorted(lots)
    moves = built["supply/kit_movements"]
    assert conservation_breaks(moves, events["kit_movements"]).is_empty()
    given = moves.filter(pl.col("kit_number").is_null() & (pl.col("act") == "dispense"))
    assert given.select("lot", "quantity", "visit_number").rows() == [("SY-B", 4, "2"), ("SY-B", 4, "3")]
    # The other lot has another name for blinded people; numbered kits have none for them.
    depot = built["supply/inventory"].filter((pl.col("place") == "D1") & (pl.col("status") != "requested"))
    words = {"SY-A"} if product == "unblinded" else {"SYR-1"}
    assert set(depot["lot_id"].drop_nulls()) >= words
    if product == "blinded":
        assert set(built["supply/inventory"]["lot_id"].drop_nulls()) == {"SY-B", "SYR-1"}
    for name in ("kits", "kit_movements") if product == "unblinded" else ():
        assert contract_failures(name, built) == []
    assert [one for one in contract_failures("DA", built) if one.startswith("DA.kit")] == []
    assert [one for one in contract_failures("DA", built) if one.startswith("DA.return")] == []


def test_the_contracts_notice_a_unit_that_is_counted_twice(sqlite_desk: Desk) -> None:
    desk = with_syringes(sqlite_desk)
    of_syringes(desk)
    built = derive(read_events(desk.database, STUDY), "unblinded")
    one_more = pl.when(pl.col("kit_number").is_null()).then(pl.col("quantity") + 1).otherwise("quantity")
    more = {**built, "supply/kits": built["supply/kits"].with_columns(one_more.alias("quantity"))}
    assert contract_failures("kits", more) == ["kits.lot-conserved"]
    moves = built["supply/kit_movements"]
    dispensed = pl.col("kit_number").is_null() & (pl.col("act") == "dispense")
    many = pl.when(dispensed).then(pl.col("quantity") + 90).otherwise("quantity")
    more = {**built, "supply/kit_movements": moves.with_columns(many.alias("quantity"))}
    assert "kit_movements.lot-conserved" in contract_failures("kit_movements", more)
