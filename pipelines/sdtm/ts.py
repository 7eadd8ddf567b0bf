"""TS, trial summary: parameters that the protocol gives, and those that only the conduct knows (SDTMIG 3.4 section 7.4)."""

import polars as pl

from data_contracts.standard import paired_terms
from pipelines.errors import DerivationError
from pipelines.sdtm.readable_text import pieces, plain
from pipelines.sdtm.trial_design import TrialDesign, TrialParameter
from pipelines.subject_progress import ongoing

CUT_OFF_TEXT = "Data cut-off: date of the last ledger entry. Subjects still in the study end at it"


def ts(design: TrialDesign, *, progress: pl.DataFrame) -> pl.DataFrame:
    """Trial summary. From the conduct, unless the protocol states it:

    SSTDTC the earliest consent; ACTSUB the randomized subjects; DCUTDTC and DCUTDESC the cut-off. While subjects are in the study
    their dates end at the cut-off, so that DCUTDTC is then the true one whatever the protocol states.
    A value of more than 200 characters goes on in TSVAL1, TSVAL2, ... Raises DerivationError for a parameter that the terminology
    does not have.
    """
    names = paired_terms("TSPARMCD", "TSPARM")
    conduct = _conduct(design, progress)
    is_ongoing = bool(progress.select(ongoing().any()).item()) if progress.height else False
    cut = {"DCUTDTC", "DCUTDESC"} if is_ongoing else set()
    kept = [row for row in design.parameters if row.code not in cut]
    stated = {row.code for row in kept}
    parameters = kept + [row for row in conduct if row.code not in stated]
    rows, more = [], 0
    for row in sorted(parameters, key=lambda one: (one.code, one.sequence)):
        if row.code not in names:
            raise DerivationError(
                f"trial parameter {row.code} is not a term of TSPARMCD: correct the code under trial_parameters"
            )
        value = pieces(row.value) if row.value else [None]
        more = max(more, len(value) - 1)
        rows.append((row, names[row.code], value))
    text = pl.String()
    columns = {"DOMAIN": text, "TSSEQ": pl.Int64(), "TSPARMCD": text, "TSPARM": text, "TSVAL": text}
    columns |= {f"TSVAL{index}": text for index in range(1, more + 1)}
    columns |= {"TSVALNF": text, "TSVALCD": text, "TSVCDREF": text, "TSVCDVER": text}
    return design.table(
        [
            (
                "TS",
                row.sequence,
                row.code,
                name,
                *value,
                *[None] * (more + 1 - len(value)),
                row.null_flavor,
                plain(row.value_code or ""),
                row.reference,
                row.reference_version,
            )
            for row, name, value in rows
        ],
        columns,
    )


def _conduct(design: TrialDesign, progress: pl.DataFrame) -> list[TrialParameter]:
    consented = progress["consented_on"].min()
    randomized = progress.filter(pl.col("randomized_on").is_not_null()).height
    found = [
        TrialParameter("ACTSUB", 1, str(randomized)),
        TrialParameter("DCUTDTC", 1, design.cut_off.isoformat()),
        TrialParameter("DCUTDESC", 1, CUT_OFF_TEXT),
    ]
    if consented is not None:
        found.append(TrialParameter("SSTDTC", 1, str(consented)))
    return found
