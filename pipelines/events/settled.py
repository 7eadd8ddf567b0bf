"""Visits whose dispensing was confirmed after them: their row says then that kits were handed out, as for a plain dispensing."""

import polars as pl

from pipelines.events.frames import EventFrames

_VISIT = ["subject_id", "visit_number", "occurrence"]


def settled_events(events: EventFrames) -> EventFrames:
    """The events with `dispensed` and `dose_level` of each confirmed visit as the confirmation left them; the others as they are."""
    hand_outs = events["hand_outs"]
    if hand_outs.is_empty():
        return events
    confirmed = hand_outs.filter("handed_out").select(*_VISIT, "handed_out", confirmed_level="dose_level")
    visits = (
        events["visits"]
        .join(confirmed, on=_VISIT, how="left", maintain_order="left")
        .with_columns(
            pl.col("dispensed") | pl.col("handed_out").fill_null(False),
            pl.coalesce("dose_level", "confirmed_level").alias("dose_level"),
        )
        .drop("handed_out", "confirmed_level")
    )
    return {**events, "visits": visits}
