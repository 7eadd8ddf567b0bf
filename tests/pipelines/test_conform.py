"""A built frame becomes a dataset of the standard, or an error that names dataset, variable and row."""

from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.errors import ConformError
from pipelines.sdtm import metadata
from pipelines.sdtm.conform import conform


def trial_criteria(**columns: object) -> pl.DataFrame:
    rows = {"STUDYID": ["S", "S"], "DOMAIN": ["TI", "TI"], "IETESTCD": ["IN02", "IN01"], "IETEST": ["Adult", "Consent"],
            "IECAT": ["INCLUSION", "INCLUSION"]}  # fmt: skip
    return pl.DataFrame({**rows, **columns})


def demographics(**columns: object) -> pl.DataFrame:
    row = {
        "STUDYID": "S",
        "DOMAIN": "DM",
        "USUBJID": "S-1",
        "SUBJID": "1",
        "SITEID": "10",
        "SEX": "F",
        "COUNTRY": "DEU",
    }
    return pl.DataFrame([{**row, **columns}])


def test_columns_stand_in_the_order_of_the_guide_and_rows_in_the_order_of_the_keys() -> None:
    made = conform("TI", trial_criteria().select("IECAT", "IETEST", "IETESTCD", "DOMAIN", "STUDYID"))
    assert made.frame.columns == ["STUDYID", "DOMAIN", "IETESTCD", "IETEST", "IECAT"]
    assert made.frame["IETESTCD"].to_list() == ["IN01", "IN02"]
    assert made.keys == ("STUDYID", "IETESTCD")
    assert (made.label, made.labels["IECAT"]) == (
        "Trial Inclusion/Exclusion Criteria",
        "Inclusion/Exclusion Category",
    )


def test_every_expected_variable_is_there_and_no_empty_permissible_one() -> None:
    made = conform("DM", demographics(ETHNIC=None, INVNAM="", DMDTC="2026-01-05"))
    wanted = {variable.name for variable in metadata.variables("DM") if variable.core != "Perm"}
    assert set(made.frame.columns) == wanted | {"DMDTC"}
    assert made.frame["RFSTDTC"].to_list() == [None]
    assert made.frame.schema["RFSTDTC"] == pl.String


def test_numbers_have_one_type_for_a_variable_whatever_they_came_as() -> None:
    made = conform("DM", demographics(AGE=Decimal("61"), DMDY=3.0))
    assert (made.frame.schema["AGE"], made.frame["AGE"].item()) == (pl.Int64, 61)
    assert (made.frame.schema["DMDY"], made.frame["DMDY"].item()) == (pl.Int64, 3)
    visits = pl.DataFrame(
        {"STUDYID": ["S"], "DOMAIN": ["TV"], "VISITNUM": [Decimal("3.5")], "VISIT": ["V"], "TVSTRL": ["Day"]}
    )
    assert conform("TV", visits).frame["VISITNUM"].to_list() == [3.5]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"IETEST": ["Adult", "Ä" * 101]}, r"TI\.IETEST is longer than 200 bytes.*S/IN01"),
        ({"IETEST": ["Adult", "Consent \u2265 1"]}, r"TI\.IETEST has the character '≥' \(U\+2265\).*S/IN01"),
        ({"IETEST": ["Adult", "Consent\nsigned"]}, r"TI\.IETEST has the character '\\n'"),
        ({"IECAT": ["INCLUSION", ""]}, r"TI\.IECAT is required and has no value, in the rows S/IN01"),
        ({"IECAT": [1, 2]}, r"TI\.IECAT is text, the frame holds Int64"),
        ({"ARMCD": ["A", "A"]}, r"TI\.ARMCD is not a variable of TI.*SUPPTI"),
    ],
)
def test_what_does_not_fit_is_refused_with_dataset_variable_and_row(
    columns: dict[str, object], message: str
) -> None:
    with pytest.raises(ConformError, match=message):
        conform("TI", trial_criteria(**columns))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"AGE": "61"}, r"DM\.AGE is a number, the frame holds String"),
        ({"AGE": 61.5}, r"DM\.AGE is not a whole number, in the rows S/S-1"),
        ({"AGE": float("nan")}, r"DM\.AGE is not a number that a dataset can hold"),
    ],
)
def test_a_number_that_does_not_fit_is_refused(columns: dict[str, object], message: str) -> None:
    with pytest.raises(ConformError, match=message):
        conform("DM", demographics(**columns))


def test_a_required_column_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConformError, match=r"TI\.IECAT is required"):
        conform("TI", trial_criteria().drop("IECAT"))


def test_text_beyond_ascii_is_kept_where_no_transport_file_is_asked_for() -> None:
    kept = conform("TI", trial_criteria(IETEST=["Adult", "Consent \u2265 1"]), ascii_only=False)
    assert kept.frame["IETEST"].to_list() == ["Consent \u2265 1", "Adult"]


@given(
    st.lists(
        st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200),
        min_size=1,
        max_size=5,
        unique=True,
    )
)
def test_any_printable_ascii_comes_through_unchanged(texts: list[str]) -> None:
    rows = len(texts)
    frame = pl.DataFrame(
        {
            "STUDYID": ["S"] * rows, "DOMAIN": ["TI"] * rows, "IETESTCD": [f"C{position}" for position in range(rows)],
            "IETEST": ["x"] * rows, "IECAT": ["INCLUSION"] * rows, "TIRL": texts,
        }
    )  # fmt: skip
    made = conform("TI", frame).frame
    kept = made["TIRL"].to_list() if "TIRL" in made.columns else [None] * rows
    assert kept == [text if text.strip() else None for text in texts]
