"""Which SDTM variables the replay reads, of which type, and what identifies a row.

Names and types are those of SDTMIG 3.4. Kinds of values, all held without time zone as SDTM has them:

* CHAR     text; trailing blanks are padding and a blank value is null
* NUM      a number (polars Float64)
* INT      a number that must be whole (polars Int64)
* DECIMAL  an exact decimal as text without trailing zeros ("9.3"). VISITNUM needs this: as a binary float 9.3 comes in two
           variants (9.3 and 9.299999999999999), which would make one visit look like another
* ISO      an ISO 8601 date or date-time as text, maybe partial ("2013-05")
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The kind of a variable's values; see the module."""

    CHAR = "text"
    NUM = "number"
    INT = "whole number"
    DECIMAL = "decimal number"
    ISO = "ISO 8601 date"


@dataclass(frozen=True, slots=True)
class DatasetLayout:
    """What a dataset must look like: required and optional variables (absent optional ones are added as null) and its key."""

    name: str
    label: str
    key: tuple[str, ...]
    required: Mapping[str, Kind]
    optional: Mapping[str, Kind]
    needed: bool = True

    @property
    def variables(self) -> dict[str, Kind]:
        """Required and optional variables in their order."""
        return {**self.required, **self.optional}


_SUBJECT = {"STUDYID": Kind.CHAR, "USUBJID": Kind.CHAR}

LAYOUTS: Mapping[str, DatasetLayout] = {
    layout.name: layout
    for layout in (
        DatasetLayout(
            "DM",
            "Demographics",
            ("USUBJID",),
            _SUBJECT
            | {
                "SUBJID": Kind.CHAR,
                "SITEID": Kind.CHAR,
                "SEX": Kind.CHAR,
                "AGE": Kind.INT,
                "AGEU": Kind.CHAR,
                "COUNTRY": Kind.CHAR,
                "ARMCD": Kind.CHAR,
                "ARM": Kind.CHAR,
                "RFSTDTC": Kind.ISO,
                "RFENDTC": Kind.ISO,
                "RFXSTDTC": Kind.ISO,
                "RFXENDTC": Kind.ISO,
            },
            {
                "RFICDTC": Kind.ISO,
                "RFPENDTC": Kind.ISO,
                "DTHDTC": Kind.ISO,
                "DTHFL": Kind.CHAR,
                "RACE": Kind.CHAR,
                "ETHNIC": Kind.CHAR,
                "ACTARMCD": Kind.CHAR,
                "ACTARM": Kind.CHAR,
                "ARMNRS": Kind.CHAR,
                "DMDTC": Kind.ISO,
                "DMDY": Kind.NUM,
            },
        ),
        DatasetLayout(
            "DS",
            "Disposition",
            ("USUBJID", "DSSEQ"),
            _SUBJECT
            | {
                "DSSEQ": Kind.INT,
                "DSTERM": Kind.CHAR,
                "DSDECOD": Kind.CHAR,
                "DSCAT": Kind.CHAR,
                "DSSTDTC": Kind.ISO,
            },
            {
                "DSDTC": Kind.ISO,
                "DSDY": Kind.NUM,
                "DSSTDY": Kind.NUM,
                "VISITNUM": Kind.DECIMAL,
                "VISIT": Kind.CHAR,
                "EPOCH": Kind.CHAR,
            },
        ),
        DatasetLayout(
            "SV",
            "Subject Visits",
            ("USUBJID", "VISITNUM", "SVSTDTC"),
            _SUBJECT
            | {
                "VISITNUM": Kind.DECIMAL,
                "VISIT": Kind.CHAR,
                "SVSTDTC": Kind.ISO,
                "SVENDTC": Kind.ISO,
            },
            {
                "VISITDY": Kind.NUM,
                "SVSTDY": Kind.NUM,
                "SVENDY": Kind.NUM,
                "SVUPDES": Kind.CHAR,
                "SVPRESP": Kind.CHAR,
                "SVOCCUR": Kind.CHAR,
            },
        ),
        DatasetLayout(
            "EX",
            "Exposure",
            ("USUBJID", "EXSEQ"),
            _SUBJECT
            | {
                "EXSEQ": Kind.INT,
                "EXTRT": Kind.CHAR,
                "EXDOSE": Kind.NUM,
                "EXDOSU": Kind.CHAR,
                "EXSTDTC": Kind.ISO,
                "EXENDTC": Kind.ISO,
            },
            {
                "EXDOSFRM": Kind.CHAR,
                "EXDOSFRQ": Kind.CHAR,
                "EXROUTE": Kind.CHAR,
                "VISITNUM": Kind.DECIMAL,
                "VISIT": Kind.CHAR,
                "VISITDY": Kind.NUM,
                "EPOCH": Kind.CHAR,
                "EXSTDY": Kind.NUM,
                "EXENDY": Kind.NUM,
            },
        ),
        DatasetLayout(
            "TA",
            "Trial Arms",
            ("ARMCD", "TAETORD"),
            {
                "STUDYID": Kind.CHAR,
                "ARMCD": Kind.CHAR,
                "ARM": Kind.CHAR,
                "TAETORD": Kind.INT,
                "ETCD": Kind.CHAR,
                "EPOCH": Kind.CHAR,
            },
            {"ELEMENT": Kind.CHAR, "TABRANCH": Kind.CHAR, "TATRANS": Kind.CHAR},
        ),
        DatasetLayout(
            "TV",
            "Trial Visits",
            ("VISITNUM", "ARMCD"),
            {"STUDYID": Kind.CHAR, "VISITNUM": Kind.DECIMAL, "VISIT": Kind.CHAR},
            {
                "VISITDY": Kind.NUM,
                "ARMCD": Kind.CHAR,
                "TVSTRL": Kind.CHAR,
                "TVENRL": Kind.CHAR,
            },
        ),
        DatasetLayout(
            "SE",
            "Subject Elements",
            ("USUBJID", "SESEQ"),
            _SUBJECT | {"SESEQ": Kind.INT, "ETCD": Kind.CHAR, "SESTDTC": Kind.ISO, "SEENDTC": Kind.ISO},
            {"ELEMENT": Kind.CHAR, "EPOCH": Kind.CHAR, "SEUPDES": Kind.CHAR},
            needed=False,
        ),
        DatasetLayout(
            "TE",
            "Trial Elements",
            ("ETCD",),
            {"STUDYID": Kind.CHAR, "ETCD": Kind.CHAR, "ELEMENT": Kind.CHAR},
            {"TESTRL": Kind.CHAR, "TEENRL": Kind.CHAR, "TEDUR": Kind.CHAR},
            needed=False,
        ),
        DatasetLayout(
            "TI",
            "Trial Inclusion/Exclusion Criteria",
            ("IETESTCD",),
            {"STUDYID": Kind.CHAR, "IETESTCD": Kind.CHAR, "IETEST": Kind.CHAR, "IECAT": Kind.CHAR},
            {},
            needed=False,
        ),
        DatasetLayout(
            "TS",
            "Trial Summary",
            ("TSPARMCD", "TSSEQ"),
            {"STUDYID": Kind.CHAR, "TSPARMCD": Kind.CHAR, "TSVAL": Kind.CHAR},
            {"TSSEQ": Kind.INT, "TSPARM": Kind.CHAR},
            needed=False,
        ),
    )
}
