"""Which arm a subject was in when: a subject who passes several randomization events may change its arm.

The planned arm of DM is that of the first event; exposure and elements follow the arm of the time. In the blinded product every
arm is the masked one, since the events that it is built from are masked.
"""

import polars as pl


def arm_at_entry(rows: pl.DataFrame, randomizations: pl.DataFrame) -> pl.DataFrame:
    """Add `arm_then` to rows with `subject_id` and `position`: the subject's arm when the entry was made, null before the first.

    What was handed out follows from the arm at that entry, whatever dates it states.
    """
    given = randomizations.select("subject_id", "position", pl.col("arm").alias("arm_then"))
    return rows.sort("position").join_asof(
        given.sort("position"), on="position", by="subject_id", strategy="backward", check_sortedness=False
    )


def stays(randomizations: pl.DataFrame) -> pl.DataFrame:
    """One row for each randomization: `subject_id`, `arm`, `stay` (from 1), and the days `since` (with) and `until` (without).

    The first stay has no `since`: the time before randomization is planned by the arm that followed. The last has no `until`.
    """
    ordered = randomizations.sort("subject_id", "position")
    number = pl.int_range(1, pl.len() + 1).over("subject_id")
    return ordered.select(
        "subject_id",
        "arm",
        number.alias("stay"),
        pl.when(number > 1).then("randomized_on").alias("since"),
        pl.col("randomized_on").shift(-1).over("subject_id").alias("until"),
    )
