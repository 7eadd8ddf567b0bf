"""What must come back: for each dataset the variables compared, what identifies a row, and which rows take part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ComparedDataset:
    """One dataset of the comparison.

    `key` identifies a row; rows that share a key are numbered by `within`, so that a visit on two dates is two rows and a
    doubled row of the export is one row too many. `upper_case` are compared in capitals (the source writes Xan_Hi).
    `derived` follow from other variables: compared where the original states them, since
    many a source leaves them out. `optional`: compared only if the source has the dataset.
    """

    name: str
    key: tuple[str, ...]
    variables: tuple[str, ...]
    within: tuple[str, ...] = ()
    upper_case: tuple[str, ...] = ()
    derived: tuple[str, ...] = ()
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
                "RFICDTC",
                "RFPENDTC",
                "DTHDTC",
                "DTHFL",
                "DMDTC",
                "DMDY",
            ),
            upper_case=("ARMCD", "ACTARMCD"),
            derived=("DMDY",),
        ),
        ComparedDataset(
            "DS",
            ("USUBJID", "DSDECOD"),
            (
                "DSTERM",
                "DSCAT",
                "VISITNUM",
                "VISIT",
                "EPOCH",
                "DSDTC",
                "DSSTDTC",
                "DSDY",
                "DSSTDY",
            ),
            within=("DSSTDTC",),
            upper_case=("EPOCH",),
            derived=("VISITNUM", "VISIT", "EPOCH", "DSDTC", "DSDY", "DSSTDY"),
        ),
        ComparedDataset(
            "SV",
            ("USUBJID", "VISITNUM"),
            ("VISIT", "VISITDY", "SVSTDTC", "SVENDTC", "SVSTDY", "SVENDY", "SVUPDES"),
            within=("SVSTDTC",),
            derived=("SVSTDY", "SVENDY"),
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
                "VISIT",
                "VISITDY",
                "EPOCH",
                "EXSTDTC",
                "EXENDTC",
                "EXSTDY",
                "EXENDY",
            ),
            within=("EXSTDTC",),
            upper_case=("EPOCH",),
            derived=("VISIT", "VISITDY", "EPOCH", "EXSTDY", "EXENDY"),
        ),
        ComparedDataset(
            "SE",
            ("USUBJID", "ETCD"),
            ("ELEMENT", "EPOCH", "SESTDTC", "SEENDTC"),
            within=("SESTDTC",),
            optional=True,
        ),
        ComparedDataset(
            "TA",
            ("ARMCD", "TAETORD"),
            ("ARM", "ETCD", "ELEMENT", "EPOCH"),
            upper_case=("ARMCD",),
        ),
        ComparedDataset("TV", ("VISITNUM",), ("VISIT", "VISITDY"), within=("ARMCD",)),
    )
}

_NAMED_ELSEWHERE = (
    "stands in every row alike; that all datasets are of one study is checked when they are read"
)
_STUDY_DAY = "a study day: follows from its date and the reference date, and those are compared"
_NUMBERS_ROWS = "numbers the rows of a dataset; the export has other rows besides and numbers its own"
_OF_THE_PROTOCOL = "describes the protocol, which is the study file's to word, and nothing that happened"
_UNREAD = "no part of what the replay tells the service"

NOT_COMPARED: Mapping[str, Mapping[str, str]] = {
    "DS": {
        "DSSEQ": _NUMBERS_ROWS,
        "DSSPID": "the source's own number of a record",
    },
    "SV": {"EPOCH": "SDTMIG 3.4 has no EPOCH in SV (CORE-000550)"},
    "SE": {
        "SESEQ": _NUMBERS_ROWS,
        "SESTDY": _STUDY_DAY,
        "SEENDY": _STUDY_DAY,
        "SEUPDES": "describes an unplanned element, and the export has none",
    },
    "TA": {"TABRANCH": _OF_THE_PROTOCOL, "TATRANS": _OF_THE_PROTOCOL},
    "TV": {"TVSTRL": _OF_THE_PROTOCOL, "TVENRL": _OF_THE_PROTOCOL},
}
"""Variables of a compared dataset that are not compared -> why, in words. See `why_not_compared`."""


def why_not_compared(dataset: str, variable: str) -> str:
    """Why a variable of the original is not compared. One that nothing is known of is no part of what is told to the service."""
    if dataset not in COMPARED:
        return _OF_THE_PROTOCOL
    if variable in ("STUDYID", "DOMAIN"):
        return _NAMED_ELSEWHERE
    return NOT_COMPARED.get(dataset, {}).get(variable, _UNREAD)
