"""The contracts on a real study, the CDISC pilot as published: what they find is known, row by row, and nothing else is found.

The pilot was written for an older version of SDTM, so that a few rules of 3.4 fail by design (no ARMNRS, no SVPRESP, EPOCH in SV).
"""

from pathlib import Path

import polars as pl
import pyreadstat
import pytest

from data_contracts import ContractResult, check

# Rule -> failing rows. Columns and orders count columns.
KNOWN = {
    "DM": {
        "DM.ARMNRS.present": 1,
        "DM.ACTARMUD.present": 1,
        "DM.arm-is-an-arm": 52,  # "Screen Failure" as an arm
        "DM.RFXENDTC.last-dose": 6,  # blank EXENDTC
        "DM.arm-means-randomized": 306,  # the pilot's DS has no RANDOMIZED; "Screen Failure" counts as an arm
    },
    "DS": {"DS.DSDECOD.in-codelist": 290},  # FINAL LAB VISIT 254, FINAL RETRIEVAL VISIT 36
    "SV": {"SV.columns": 1, "SV.SVPRESP.present": 1, "SV.SVOCCUR.present": 1},
    "EX": {"EX.EXENDTC.filled": 6},
    "SE": {"SE.columns": 6, "SE.element-of-arm": 53},  # 52 screen failures under Scrnfail, and one more
    "TA": {},
    "TE": {},
    "TV": {},
    "TI": {},
    "TS": {
        "TS.TSPARMCD.in-codelist": 2,
        "TS.TSPARM.in-codelist": 4,
        "TS.TSVAL.pattern": 2,  # curly apostrophes
        "TS.TSVCDREF.in-codelist": 10,
        "TS.TSPARM.name-of-TSPARMCD": 2,
        "TS.code-with-terminology": 1,
    },
    "SUPPDM": {},
}


@pytest.fixture(scope="module")
def pilot(shared_data: Path) -> dict[str, pl.DataFrame]:
    folder = shared_data / "cdiscpilot" / "sdtm"
    return {
        path.stem.upper(): pyreadstat.read_xport(path, encoding="WINDOWS-1252", output_format="polars")[0]
        for path in sorted(folder.glob("*.xpt"))
    }


@pytest.mark.parametrize("dataset", KNOWN)
def test_the_pilot_breaks_exactly_the_rules_that_are_known(
    dataset: str, pilot: dict[str, pl.DataFrame]
) -> None:
    result = check(dataset, pilot[dataset], pilot)
    assert {failure.rule: failure.count for failure in result.failures} == KNOWN[dataset]


def test_a_failing_row_of_the_pilot_is_named_by_its_key(pilot: dict[str, pl.DataFrame]) -> None:
    result: ContractResult = check("EX", pilot["EX"], pilot)
    (failure,) = result.failures
    assert {key["USUBJID"] for key in failure.keys} == set(
        pilot["EX"].filter(pl.col("EXENDTC") == "")["USUBJID"]
    )
    assert result.passed  # a warning: the subject's last dose is not known
