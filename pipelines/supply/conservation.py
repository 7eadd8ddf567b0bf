"""Whether kits are conserved: each movement is one that the table of kit states allows, from where the entry says that the kit was.

Where a movement starts is derived from the kit's movement before it, so a break shows here: an entry that takes a kit from a place
where the ledger did not have it, or an act that the kit's state does not allow.
"""

import polars as pl

from allocation.rules.kit_status import TRANSITIONS
from pipelines.events.frames import event_frame
from pipelines.supply.bulk_lots import is_unit
from pipelines.supply.movements import double_entry


def conservation_breaks(movements: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """The movements that break conservation, with `why`; empty when all kits are conserved.

    `movements` is the dataset kit_movements, `events` the event frame of that name (for `stated_from`, and for units of bulk supply,
    which the dataset names by lot: they are followed one by one, and `kit_number` of a break is null for them).
    """
    text = pl.String()
    allowed = pl.DataFrame(
        [(row.from_status, row.from_place, row.act, row.to_status, row.to_place) for row in TRANSITIONS],
        schema=dict.fromkeys(("from_status", "from_place_kind", "act", "to_status", "to_place_kind"), text),
        orient="row",
    )
    columns = [name for name in movements.columns if name not in ("study_id", "lot", "quantity")]
    nothing_given = event_frame("dispensings")
    units = double_entry(events.filter(is_unit()), nothing_given)
    numbered = movements.filter(pl.col("kit_number").is_not_null()).select(columns)
    judged = (
        pl.concat([numbered, units.select(columns)], how="vertical_relaxed")
        .join(
            allowed.with_columns(allowed=True),
            on=["from_status", "from_place_kind", "act", "to_status", "to_place_kind"],
            how="left",
            nulls_equal=True,
        )
        .join(
            events.select("position", "kit_number", "stated_from"), on=["position", "kit_number"], how="left"
        )
    )
    derived = pl.concat_str("from_place_kind", pl.lit(":"), "from_place")
    why = (
        pl.when(pl.col("allowed").is_null())
        .then(pl.lit("the state of the kit does not allow this act"))
        .when((pl.col("stated_from") != derived).fill_null(False))
        .then(pl.format("the entry takes it from {}, it was at {}", "stated_from", derived))
    )
    return (
        judged.with_columns(why.alias("why"))
        .filter(pl.col("why").is_not_null())
        .select("position", pl.when(~is_unit()).then("kit_number").alias("kit_number"), "act", "why")
    )
