"""The pilot study's datasets as a faithful service exports them, and how one value or row of them is changed and counted."""

import polars as pl

from simulation.replay.comparison_result import Comparison
from simulation.replay.sdtm_reader import SdtmDatasets

Frames = dict[str, pl.DataFrame]


def as_the_service_exports(originals: SdtmDatasets) -> Frames:
    """The originals rewritten by the conventions of SDTMIG 3.4 and the decisions of the replay."""
    dm, ds, ex, se = (originals[name] for name in ("DM", "DS", "EX", "SE"))
    failed = pl.col("RFSTDTC").is_null()
    last = ex.sort("EXSEQ").group_by("USUBJID").last().select("USUBJID", "EXSTDTC", "EXENDTC")
    unknown = pl.col("EXENDTC").is_null() & pl.col("EXSTDTC").is_not_null()
    exported_dm = (
        dm.join(last, on="USUBJID", how="left", maintain_order="left")
        .with_columns(
            *(pl.when(failed).then(None).otherwise(pl.col(n)).alias(n) for n in ("ARM", "ACTARM")),
            *(
                pl.when(failed).then(None).otherwise(pl.col(n).str.to_uppercase()).alias(n)
                for n in ("ARMCD", "ACTARMCD")
            ),
            pl.when(failed).then(pl.lit("SCREEN FAILURE")).alias("ARMNRS"),
            pl.col("RFPENDTC").str.slice(0, 10),
            pl.when(unknown).then("EXSTDTC").otherwise("RFXENDTC").alias("RFXENDTC"),
            pl.coalesce("RFICDTC", "DMDTC").alias("RFICDTC"),
        )
        .drop("EXSTDTC", "EXENDTC")
    )
    milestones = pl.concat(
        [
            dm.filter(~failed).select(
                "STUDYID",
                "USUBJID",
                pl.lit("RANDOMIZED").alias("DSDECOD"),
                pl.col("RFSTDTC").alias("DSSTDTC"),
            ),
            dm.select(
                "STUDYID",
                "USUBJID",
                pl.lit("INFORMED CONSENT OBTAINED").alias("DSDECOD"),
                pl.col("DMDTC").alias("DSSTDTC"),
            ),
        ]
    ).with_columns(pl.lit("PROTOCOL MILESTONE").alias("DSCAT"), pl.lit(99).cast(pl.Int64).alias("DSSEQ"))
    last_contact = pl.col("RFPENDTC").str.slice(0, 10)
    written_down_later = failed & (last_contact > pl.col("DSDTC").str.slice(0, 10))
    dispositions = (
        ds.filter(pl.col("DSCAT") == "DISPOSITION EVENT")
        .join(dm.select("USUBJID", "RFSTDTC", "RFPENDTC"), on="USUBJID", how="left", maintain_order="left")
        .with_columns(
            pl.col("EPOCH").replace("FOLLOW-UP", "TREATMENT"),
            pl.when(written_down_later).then(last_contact).otherwise("DSDTC").alias("DSDTC"),
        )
        .drop("RFSTDTC", "RFPENDTC")
    )
    exported_ds = pl.concat([dispositions, milestones], how="diagonal_relaxed")
    exported_sv = originals["SV"].with_columns(
        pl.when(pl.col("SVUPDES").is_not_null()).then("VISIT").alias("SVUPDES")
    )
    exported_se = se.filter(~pl.struct("USUBJID", "ETCD").is_in(CONTRADICTIONS)).with_columns(
        pl.when(pl.struct("USUBJID", "ETCD") == {"USUBJID": "01-708-1213", "ETCD": "HIS"})
        .then(pl.lit("2013-02-26"))
        .when(pl.struct("USUBJID", "ETCD") == {"USUBJID": "01-716-1305", "ETCD": "SCRN"})
        .then(pl.lit("2013-08-28"))
        .otherwise("SEENDTC")
        .alias("SEENDTC"),
        pl.when(pl.struct("USUBJID", "ETCD") == {"USUBJID": "01-701-1162", "ETCD": "SCRN"})
        .then(pl.lit("2013-04-18"))
        .otherwise("SESTDTC")
        .alias("SESTDTC"),
    )
    return {**originals.frames, "DM": exported_dm, "DS": exported_ds, "SE": exported_se, "SV": exported_sv}


# Elements of the original that contradict its own exposure or disposition records, found by hand.
CONTRADICTIONS = [
    {"USUBJID": "01-708-1213", "ETCD": "HIM"},
    {"USUBJID": "01-709-1424", "ETCD": "HIM"},
    {"USUBJID": "01-708-1067", "ETCD": "UNPLAN"},
    {"USUBJID": "01-710-1337", "ETCD": "UNPLAN"},
    {"USUBJID": "01-715-1134", "ETCD": "UNPLAN"},
    {"USUBJID": "01-716-1305", "ETCD": "FOLO"},
]


def row(frame: pl.DataFrame, **key: object) -> pl.Expr:
    return pl.all_horizontal(pl.col(name) == value for name, value in key.items())


def put(frame: pl.DataFrame, variable: str, value: object, **key: object) -> pl.DataFrame:
    """The frame with one value changed; exactly one row must have the key."""
    assert frame.filter(row(frame, **key)).height == 1
    return frame.with_columns(
        pl.when(row(frame, **key)).then(pl.lit(value)).otherwise(variable).alias(variable)
    )


def drop(frame: pl.DataFrame, **key: object) -> pl.DataFrame:
    assert frame.filter(row(frame, **key)).height == 1
    return frame.filter(~row(frame, **key))


def counted(result: Comparison, dataset: str, variable: str) -> tuple[int, int, int]:
    part = next(v for v in result.dataset(dataset).variables if v.name == variable)
    return part.matched, part.different, part.not_applicable
