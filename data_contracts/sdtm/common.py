"""The rules that every SDTM dataset shares: they follow from the tables of the standard, not from the dataset's meaning.

Numbers such as CORE-000334 are those of the open CDISC conformance rules whose finding the rule prevents.
"""

from collections.abc import Iterator

import polars as pl

from data_contracts import standard
from data_contracts.joins import found_in, looked_up
from data_contracts.rule import (
    Frames,
    Rule,
    filled,
    holds,
    matches,
    member,
    ordered_columns,
    present,
    typed,
    unique,
)
from data_contracts.sdtm.dates import DURATION, is_iso_moment, not_before, study_day

# Character values: printable ASCII, and 200 bytes, the width of a SAS transport column.
PRINTABLE_200 = r"^[\x20-\x7E]{1,200}$"
CONSENT = "INFORMED CONSENT OBTAINED"
NULL_FLAVORS = (
    "NI",
    "INV",
    "OTH",
    "PINF",
    "NINF",
    "UNC",
    "DER",
    "MSK",
    "NA",
    "UNK",
    "ASKU",
    "NAV",
    "NASK",
    "QS",
    "TRC",
    "NP",
)


def prepared(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """The frame as rules may rely on it: text that is empty is null, decimals are floats, absent Perm variables are null."""
    text = [column for column, kind in frame.schema.items() if kind == pl.String]
    frame = frame.with_columns(
        pl.when(pl.col(column).str.strip_chars() != "").then(pl.col(column)).alias(column) for column in text
    )
    # A frame of many small chunks would make every rule slow.
    frame = frame.rechunk()
    # Decimals become objects in pandas, which compare slowly and not with floats.
    frame = frame.with_columns(pl.selectors.decimal().cast(pl.Float64))
    if name not in standard.dataset_names():
        return frame
    return frame.with_columns(
        pl.lit(None, dtype=pl.String if variable.type == "Char" else pl.Float64).alias(variable.name)
        for variable in standard.dataset(name).variables
        if variable.core == "Perm" and variable.name not in frame.columns
    )


def standard_rules(name: str) -> list[Rule]:
    """The rules that the tables give for a dataset: columns, types, required values, terms, formats, keys, study days."""
    dataset = standard.dataset(name)
    rules = [ordered_columns(name, dataset.variable_names)]
    for variable in dataset.variables:
        rules.extend(_variable_rules(name, variable))
    rules.append(unique(name, dataset.keys))
    rules.append(_one_study(name))
    if "DOMAIN" in dataset.variable_names:
        rules.append(member(name, "DOMAIN", [name], "the dataset's own name"))
    if dataset.is_subject_level and name != "DM":
        rules.append(_known_subject(name))
    rules.extend(_timing_rules(name))
    return rules


def _variable_rules(name: str, variable: standard.Variable) -> Iterator[Rule]:
    if variable.core != "Perm":
        yield present(name, variable.name)  # CORE-000334
    if variable.core == "Req":
        yield filled(name, variable.name)
    yield typed(name, variable.name, "text" if variable.type == "Char" else "number")
    if len(variable.codelists) == 1:
        codes = standard.codelist(variable.codelists[0])
        yield member(
            name,
            variable.name,
            codes.terms,
            f"codelist {codes.name} ({codes.code})",
            "info" if codes.extensible else "critical",
        )
    if variable.format == "datetime":
        yield holds(
            name,
            f"{variable.name}.iso-8601",
            [variable.name],
            f"{variable.name} is an ISO 8601 date or date and time that the calendar has, unknown parts allowed",
            is_iso_moment(variable.name),
        )
    elif variable.format == "duration":
        yield matches(name, variable.name, DURATION, f"{variable.name} is an ISO 8601 duration")
    elif variable.format == "nullflavor":
        yield member(name, variable.name, NULL_FLAVORS, "ISO 21090 null flavors")
    elif variable.type == "Char" and not variable.codelists:
        yield matches(
            name,
            variable.name,
            PRINTABLE_200,
            f"{variable.name} is printable ASCII of at most 200 bytes, so that a SAS transport file can hold it",
            "warning",
        )
    if variable.name.endswith("SEQ"):
        column = pl.col(variable.name)
        yield holds(
            name,
            f"{variable.name}.positive-integer",
            [variable.name],
            f"{variable.name} is a whole number from 1",
            (column >= 1) & (column == column.floor()),
        )


def _one_study(name: str) -> Rule:
    def mask(frames: Frames) -> pl.Series:
        studies = frames.own["STUDYID"]
        if studies.null_count() == studies.len():
            return studies.is_null()
        return studies == studies.drop_nulls().value_counts(sort=True)["STUDYID"][0]

    return holds(name, "one-study", ["STUDYID"], "all rows belong to one study", mask)


def _known_subject(name: str) -> Rule:
    return holds(
        name,
        "subject-in-DM",
        ["USUBJID"],
        "every subject is in DM",
        lambda frames: found_in(frames.own, ["USUBJID"], frames.others["DM"]),
        needs={"DM": ["USUBJID"]},
    )


def _timing_rules(name: str) -> Iterator[Rule]:
    names = standard.dataset(name).variable_names
    for column in names:
        if not column.endswith("DTC") or name == "DM":
            continue
        day = column.removesuffix("DTC") + "DY"
        if day in names:
            yield from _study_day_rules(name, column, day)
        if column.endswith("ENDTC") and (start := column.removesuffix("ENDTC") + "STDTC") in names:
            yield ordered_dates(name, start, column)


def _study_day_rules(name: str, column: str, day: str) -> Iterator[Rule]:
    yield holds(name, f"{day}.no-day-0", [day], f"{day} is never 0", pl.col(day) != 0)  # CORE-000529

    def mask(frames: Frames) -> pl.Series:
        reference = looked_up(frames.own, ["USUBJID"], frames.others["DM"], "RFSTDTC")
        judged = frames.own.select(day, column).with_columns(reference.alias("reference"))
        expected = study_day(pl.col(column), pl.col("reference")).cast(pl.Float64)
        return judged.select(
            pl.when(pl.col(day).is_not_null() & (pl.col(day) != 0)).then(
                pl.col(day).cast(pl.Float64).eq_missing(expected)
            )
        ).to_series()

    yield holds(
        name,
        f"{day}.study-day",
        [day, column, "USUBJID"],
        f"{day} counts the days from DM.RFSTDTC to {column}, day 1 being RFSTDTC",  # CORE-000552, 000553
        mask,
        needs={"DM": ["USUBJID", "RFSTDTC"]},
    )


def ordered_dates(name: str, start: str, end: str) -> Rule:
    """The rule that `end` is not before `start` in a row, as far as both are known."""
    return holds(
        name,
        f"{end}.not-before-{start}",
        [end, start],
        f"{end} is not before {start}",
        not_before(pl.col(end), pl.col(start)),
    )


def visit_of_subject(name: str, severity: str = "critical") -> Rule:
    """The rule that a visit number is one that the subject has in SV (CORE-000168)."""

    def mask(frames: Frames) -> pl.Series:
        known = found_in(frames.own, ["USUBJID", "VISITNUM"], frames.others["SV"])
        return known | frames.own["VISITNUM"].is_null()

    return holds(
        name,
        "visit-in-SV",
        ["VISITNUM", "USUBJID"],
        "VISITNUM is a visit of the subject in SV",
        mask,
        needs={"SV": ["USUBJID", "VISITNUM"]},
        severity=severity,  # type: ignore[arg-type]
    )


def codes_with_names(name: str, code: str, text: str, pairs: dict[str, str]) -> Rule:
    """The rule that a known code stands beside its own name, such as DISPAMT beside Dispensed Amount."""
    return holds(
        name,
        f"{text}.name-of-{code}",
        [text, code],
        f"{text} is the name of {code} in the terminology",
        pl.col(text) == pl.col(code).replace_strict(pairs, default=None, return_dtype=pl.String),
    )
