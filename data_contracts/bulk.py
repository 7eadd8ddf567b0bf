"""What holds of bulk supply in the tables of kits and of their movements: rows without a kit number, of a lot and a quantity."""

import polars as pl

from data_contracts.joins import found_in
from data_contracts.rule import Frames, Rule, between, holds

STATE = ("status", "place_kind", "place")


def one_row_each(name: str, columns: list[str], key: list[str]) -> Rule:
    """One row for each `key` of a numbered kit; of bulk supply one for all that is alike in everything but its quantity."""

    def once(frames: Frames) -> pl.Series:
        numbered = pl.struct(key).is_duplicated()
        alike = pl.struct(pl.exclude("quantity")).is_duplicated()
        twice = pl.when(pl.col("kit_number").is_not_null()).then(numbered).otherwise(alike)
        return frames.own.select(columns).select(~twice).to_series()

    return holds(
        name,
        "unique-key",
        columns,
        f"one row for each {', '.join(key)}, and of bulk supply one for all that is alike",
        once,
    )


def named_or_of_lot(name: str, lot: str) -> list[Rule]:
    """A row has the number of one kit, or is of so many units of a lot."""
    number, quantity = pl.col("kit_number"), pl.col("quantity")
    return [
        between(name, "quantity", 1, None),
        holds(
            name,
            "named",
            ["kit_number", lot, "quantity"],
            "a row has the number of one kit, no unit's own, or the lot of some bulk supply",
            pl.when(number.is_not_null())
            .then((quantity == 1) & (number != "") & ~number.str.starts_with("~"))
            .otherwise(pl.col(lot).is_not_null()),
        ),
    ]


def lot_where_it_was_left() -> Rule:
    """Of the table of kits: as many units of a lot are in a state and place as movements brought there and did not take away."""
    key = ["study_id", "lot", *STATE]

    def as_moved(frames: Frames) -> pl.Series:
        moves = frames.others["kit_movements"].filter(pl.col("kit_number").is_null())
        ends = pl.concat([_end(moves, "to", 1), _end(moves, "from", -1)])
        left = ends.group_by(key).agg(pl.col("change").sum().alias("left"))
        rows = frames.own.select(pl.col("lot_id").alias("lot"), pl.exclude("lot_id"))
        held = (
            rows.with_columns(pl.col("lot", *STATE).cast(pl.String))
            .with_columns(
                pl.col("quantity").filter(pl.col("kit_number").is_null()).sum().over(key).alias("held")
            )
            .join(left, on=key, how="left", nulls_equal=True, maintain_order="left")
        )
        of_lot = pl.col("held") == pl.col("left").fill_null(0)
        return held.select(pl.when(pl.col("kit_number").is_null()).then(of_lot)).to_series()

    return holds(
        "kits",
        "lot-conserved",
        ["quantity", "lot_id", "kit_number", *STATE, "study_id"],
        "as many units of a lot are in a place as movements left there",
        as_moved,
        needs={
            "kit_movements": [
                "study_id",
                "kit_number",
                "lot",
                "quantity",
                *(f"{end}_{name}" for end in ("from", "to") for name in STATE),
            ]
        },
    )


def never_more_than_there() -> Rule:
    """Of the table of movements: no more of a lot leaves a state and place than had come there by then."""
    key = ["study_id", "lot", *STATE]

    def covered(frames: Frames) -> pl.Series:
        rows = frames.own.with_row_index("row")
        units = rows.filter(pl.col("kit_number").is_null())
        # Within an entry all comes from where it was before the entry.
        ends = pl.concat([_end(units, "from", -1), _end(units, "to", 1)]).sort("position", "change")
        balance = ends.with_columns(pl.col("change").cum_sum().over(key).alias("left"))
        short = balance.filter((pl.col("change") < 0) & (pl.col("left") < 0))["row"]
        return rows.select(
            pl.when(pl.col("kit_number").is_null()).then(~pl.col("row").is_in(short.implode()))
        ).to_series()

    return holds(
        "kit_movements",
        "lot-conserved",
        [
            "quantity",
            "lot",
            "kit_number",
            "position",
            *(f"{end}_{name}" for end in ("from", "to") for name in STATE),
            "study_id",
        ],
        "no more of a lot leaves a place than came there",
        covered,
    )


def known_kit_or_lot() -> Rule:
    """Of the table of movements: what moves is in the table of kits."""
    kit, of_lot = ["study_id", "kit_number"], ["study_id", "lot"]

    def known(frames: Frames) -> pl.Series:
        own, kits = frames.own, frames.others["kits"]
        numbered = own["kit_number"].is_null() | found_in(own, kit, kits)
        return numbered & (own["lot"].is_null() | found_in(own, of_lot, kits, ["study_id", "lot_id"]))

    return holds(
        "kit_movements",
        "known-kit",
        ["kit_number", "lot", "study_id"],
        "a moved kit, or lot of bulk supply, is in the kits table",
        known,
        needs={"kits": [*kit, "lot_id"]},
    )


def _end(moves: pl.DataFrame, end: str, sign: int) -> pl.DataFrame:
    """What movements do to the states and places at one end: `change`. Nothing is taken from where there was nothing (a load)."""
    row = ["row"] if "row" in moves.columns else []
    position = ["position"] if row else []
    return moves.filter(pl.col(f"{end}_status").is_not_null()).select(
        *row,
        *position,
        "study_id",
        pl.col("lot").cast(pl.String),
        *(pl.col(f"{end}_{name}").cast(pl.String).alias(name) for name in STATE),
        (pl.col("quantity").cast(pl.Int64) * sign).alias("change"),
    )
