"""What must come back: for each dataset the variables compared, what identifies a row, and which rows take part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ComparedDataset:
    """One dataset of the comparison.

    `key` identifies a row; rows that share a key are numbered by `within`, so that a visit on two dates is two rows and a
    doubled row of the export is one row too many. `upper_case` are compared in capitals (the source writes Xan_Hi).
    `optional`: compared only if the source has the dataset.
    """

    name: str
    key: tuple[str, ...]
    variables: tuple[str, ...]
    within: tuple[str, ...] = ()
    upper_case: tuple[str, ...] = ()
    optional: bool = False


COMPARED: Mapping[str, ComparedDataset] = {
    compared.name: compared
    for compared in (
        ComparedDataset(
            "DM",
            ("USUBJID",),
            (
                "STUDYID",
                "SUBJID",
                "SITEID",
                "SEX",
                "AGE",
                "AGEU",
                "RACE",
                "ETHNIC",
                "COUNTRY",
                "ARMCD",
                "ARM",
                "ACTARMCD",
                "ACTARM",
                "RFSTDTC",
                "RFENDTC",
                "RFXSTDTC",
                "RFXENDTC",
                "RFPENDTC",
                "DTHDTC",
                "DTHFL",
                "DMDTC",
            ),
            upper_case=("ARMCD", "ACTARMCD"),
        ),
        ComparedDataset("DS", ("USUBJID", "DSDECOD"), ("DSTERM", "DSCAT", "DSSTDTC"), within=("DSSTDTC",)),
        ComparedDataset(
            "SV",
            ("USUBJID", "VISITNUM"),
            ("VISIT", "VISITDY", "SVSTDTC", "SVENDTC"),
            within=("SVSTDTC",),
        ),
        ComparedDataset(
            "EX",
            ("USUBJID", "EXSEQ"),
            (
                "EXTRT",
                "EXDOSE",
                "EXDOSU",
                "EXDOSFRM",
                "EXDOSFRQ",
                "EXROUTE",
                "VISITNUM",
                "EXSTDTC",
                "EXENDTC",
            ),
            within=("EXSTDTC",),
        ),
        ComparedDataset(
            "SE",
            ("USUBJID", "ETCD"),
            ("ELEMENT", "EPOCH", "SESTDTC", "SEENDTC"),
            within=("SESTDTC",),
            optional=True,
        ),
        ComparedDataset(
            "TA", ("ARMCD", "TAETORD"), ("ARM", "ETCD", "ELEMENT", "EPOCH"), upper_case=("ARMCD",)
        ),
        ComparedDataset("TV", ("VISITNUM",), ("VISIT", "VISITDY"), within=("ARMCD",)),
    )
}
