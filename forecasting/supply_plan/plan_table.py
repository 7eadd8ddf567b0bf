"""A supply plan for people: what is made when and for which depot, how safe it is, and what rules of thumb would make."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from forecasting.supply_plan.playing import SERVED
from forecasting.supply_plan.supply_plan import SupplyPlan
from simulation.replicates.table import figure, percent


def plan_tables(plan: SupplyPlan) -> RenderableType:
    """The runs, the kit types and the test, one above the other, with the notes."""
    notes = [Text(note, style="bold" if note.startswith("NO PLAN") else "") for note in plan.notes()]
    return Group(_runs(plan), _kit_types(plan), _service(plan), *notes)


def _runs(plan: SupplyPlan) -> Table:
    beginning = plan.beginning
    table = Table(
        title=f"Supply plan of {beginning.protocol.study.id} from {beginning.day0} to {beginning.until}, by {beginning.source}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    for name in ("run", "kit type", "begins", "labelled", "released", "95 % by", "shipped until", "expires"):
        table.add_column(name, no_wrap=True)
    for name in ("kits to make", "usable"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("for depots")
    table.add_column("lasts until", no_wrap=True)
    table.add_column("orders met until then", justify="right")
    for row in plan.runs():
        depots = ", ".join(f"{depot} {kits:,}" for depot, kits in row["by_depot"].items())
        table.add_row(
            row["run"],
            row["kit_type"],
            row["begins_on"],
            row["labelled_from"],
            row["released_on"],
            row["released_by_95"],
            row["last_shipped_on"],
            row["expires_on"],
            f"{row['kits_made']:,}",
            f"{row['kits_usable']:,}",
            depots,
            row["lasts_until"],
            percent(row["orders_met_until_then"]),
        )
    if not plan.found.sized.amounts:
        table.caption = "Nothing has to be made: what is there and coming is enough."
    return table


def _kit_types(plan: SupplyPlan) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("kit type", no_wrap=True)
    for name in (
        "there or coming",
        "made, usable",
        "dispensed, mean",
        "overage",
        f"asked of depots ({plan.level:.0%} quantiles)",
        "as one depot",
        "pooling saves",
    ):
        table.add_column(name, justify="right")
    for row in plan.kit_types():
        table.add_row(
            row["kit_type"],
            f"{row['there_or_coming']:,}",
            f"{row['made_usable']:,}",
            figure(row["dispensed_mean"]),
            "" if row["overage"] is None else percent(row["overage"]),
            f"{row['asked_by_depot']:,}",
            f"{row['asked_pooled']:,}",
            percent(row["pooling_saves"]),
        )
    return table


def _service(plan: SupplyPlan) -> Table:
    table = Table(
        title=f"Asked: {percent(plan.level)}. In {plan.verified.trials:,} fresh trials: {plan.verdict}.",
        title_justify="left",
        caption=f"Level: {SERVED}. Overage: kits produced / kits dispensed - 1, of what was there, too. "
        f"Rules of thumb: {plan.rules[0][1].trials:,} of the trials.",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("plan", no_wrap=True)
    for name in ("kits made", "level", "95 % interval", "overage", "expired", "doses out of stock"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("what it is")
    rows = [
        (
            "this plan",
            plan.found.sized,
            plan.verified,
            "the least that was found for the level that was asked",
        ),
        *((rule.name, rule.sized, played, rule.says) for rule, played in plan.rules),
    ]
    for name, sized, played, says in rows:
        low, high = played.interval
        table.add_row(
            name,
            f"{sum(sized.made(plan.case, kit_type) for kit_type in plan.case.kit_types):,}",
            percent(played.share),
            f"{percent(low)} to {percent(high)}",
            "" if played.overage is None else percent(played.overage),
            figure(played.mean("kits_expired_site") + played.mean("kits_expired_depot")),
            figure(played.mean("out_of_stock")),
            says,
            style="bold" if name == "this plan" else "",
        )
    return table
