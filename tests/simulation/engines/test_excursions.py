"""Temperature excursions: quarantine, reviews, and what they do to supply."""

from __future__ import annotations

from typing import Any

from simulation.engines.trace import as_frame
from tests.simulation.engines.supply_trial import documents, outcomes_of, played


def of_excursions(**excursions: Any) -> tuple[dict[str, float], Any]:
    protocol, scenario = documents()
    scenario["excursions"] = excursions
    scenario["costs"] = {"destruction_per_kit": 1}
    replicate = played(protocol, scenario)
    return outcomes_of(replicate), as_frame(replicate.trace)  # type: ignore[arg-type]


def test_every_exposed_shipment_is_reviewed_and_rejected_or_released_as_is_assumed() -> None:
    usual, _ = of_excursions()
    rejected, trace = of_excursions(shipment_probability=1.0, review_days={"min_days": 3})
    held = trace.filter(kind="quarantined")
    assert set(held["phase"]) == {"receipts"}
    assert rejected["kits_quarantined"] == held["quantity"].sum() > 0
    assert trace.filter(kind="received").is_empty()
    decided = trace.filter(kind="rejected")
    assert rejected["kits_excursion_rejected"] == decided["quantity"].sum()
    assert set(decided["day"]) <= {day + 3 for day in held["day"]}
    assert rejected["missed_dispensings"] > usual["missed_dispensings"]
    assert rejected["kits_shipped"] > usual["kits_shipped"]
    assert (
        rejected["cost_destruction"] == rejected["kits_excursion_rejected"] + rejected["kits_returned_unused"]
    )
    released, _ = of_excursions(
        shipment_probability=1.0, review_days={"min_days": 3}, released_probability=1.0
    )
    assert released["kits_excursion_rejected"] == 0
    assert released["kits_quarantined"] > 0
    assert usual["missed_dispensings"] <= released["missed_dispensings"] < rejected["missed_dispensings"]


def test_an_excursion_in_storage_takes_all_stock_of_the_kit_types_that_it_concerns() -> None:
    one_type, trace = of_excursions(per_site_month=3.0, kit_types=["KB"])
    assert one_type["kits_quarantined"] > 0
    assert set(trace.filter(kind="quarantined")["kit_type"]) == {1}
    assert set(trace.filter(kind="quarantined")["phase"]) == {"excursions"}
    both, _ = of_excursions(per_site_month=3.0)
    assert both["kits_quarantined"] > one_type["kits_quarantined"]


def test_quarantine_is_not_counted_by_resupply_so_that_the_site_is_resupplied_at_once() -> None:
    _, trace = of_excursions(per_site_month=3.0, review_days={"min_days": 60})
    exposed = trace.filter((trace["kind"] == "quarantined") & (trace["quantity"] >= 3))
    ordered = set(trace.filter(kind="ordered").select("day", "site", "kit_type").rows())
    last = trace["day"].max()
    assert exposed.height > 10
    assert all(
        (row["day"], row["site"], row["kit_type"]) in ordered or row["day"] == last
        for row in exposed.filter(exposed["phase"] == "excursions").iter_rows(named=True)
        if not _coming(trace, row)
    )


def _coming(trace: Any, at: dict[str, Any]) -> bool:
    """Whether kits of the type were on their way to the site then: what is coming counts, and may be enough."""
    here = trace.filter((trace["site"] == at["site"]) & (trace["kit_type"] == at["kit_type"]))
    here = here.filter(here["day"] <= at["day"])
    arrived = here.filter(here["kind"] == "received")["quantity"].sum()
    before = here.filter((here["kind"] == "ordered") & (here["day"] < at["day"]))["quantity"].sum()
    return bool(before > arrived)
