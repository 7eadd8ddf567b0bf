"""`rtsm resupply import-settings`: files as parameter sets that a study takes, and every fault by line, column and fix."""

import io
import json
from datetime import date
from pathlib import Path

import openpyxl
import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner, Result

from allocation.errors import FileRefused
from allocation.resupply_cli import app
from allocation.study.foreign_settings import Vocabulary
from allocation.study.parameters import effective_parameters
from allocation.study.protocol import Protocol
from allocation.study.settings_file import columns, read_settings
from allocation.study.yaml_files import parse_protocol
from tests.study.small_protocol import SMALL, with_changes, yaml_text

WEEKS = """level,key,kit_type,trigger_weeks,resupply_weeks,min_b,max_b,initial_quantity,valid_from,trigger
,,,2,4,2,5,4,,
country,USA,K1,3,6,2,5,,,At Value
site,G1,,,,1,3,2,2026-09-01,
"""


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["import-settings", *(str(argument) for argument in arguments)])


def text_of(vocabulary: Vocabulary, *lines: str) -> bytes:
    needed, optional = columns(vocabulary)
    return "\n".join([",".join((*needed, *optional)), *lines]).encode()


@pytest.fixture
def weeks(tmp_path: Path) -> Path:
    file = tmp_path / "weeks.csv"
    file.write_text(WEEKS, encoding="utf-8")
    return file


@pytest.fixture
def study(tmp_path: Path) -> Path:
    file = tmp_path / "small.yaml"
    file.write_text(yaml_text(SMALL), encoding="utf-8")
    return file


def test_the_printed_yaml_pasted_into_a_study_gives_the_settings_at_each_place(
    weeks: Path, study: Path
) -> None:
    result = run(weeks, "--vocabulary", "trigger_weeks", "--study", study)
    assert result.exit_code == 0
    pasted = YAML(typ="safe").load(result.stdout)["supply"]["parameters"]
    document = with_changes({"supply.parameters": json.loads(json.dumps(pasted, default=str))})
    protocol = parse_protocol(yaml_text(document))
    at_usa = effective_parameters(protocol, "K1", date(2026, 3, 1), country="USA")
    assert (at_usa.short_window, at_usa.long_window, at_usa.trigger, at_usa.seed_quantity) == (
        21,
        42,
        "at",
        4,
    )
    before = effective_parameters(protocol, "K2", date(2026, 8, 31), site="G1")
    after = effective_parameters(protocol, "K2", date(2026, 9, 1), site="G1")
    assert (before.short_window, before.max_buffer, before.trigger) == (14, 5, "below")
    assert (after.short_window, after.max_buffer, after.trigger) == (0, 3, "at")


def test_what_should_be_compared_with_the_source_goes_to_standard_error_by_line(weeks: Path) -> None:
    result = run(weeks, "--vocabulary", "trigger_weeks")
    assert "to compare: line 2: trigger: a line with weeks was taken to order only below" in result.stderr
    assert (
        "to compare: line 4: trigger: a line by buffers alone was taken to order at or below" in result.stderr
    )
    assert "line 3" not in result.stderr
    assert "to compare" not in result.stdout


def test_json_has_sets_and_doubts_and_out_writes_the_yaml(weeks: Path, tmp_path: Path) -> None:
    out = tmp_path / "supply.yaml"
    answer = json.loads(run(weeks, "--vocabulary", "trigger_weeks", "--json", "--out", out).stdout)
    assert [one["level"] for one in answer["parameters"]] == ["study", "country", "site"]
    assert [one["lines"] for one in answer["doubts"]] == [[2], [4]]
    assert len(YAML(typ="safe").load(out.read_text())["supply"]["parameters"]) == 3
    told = run(weeks, "--vocabulary", "trigger_weeks", "--out", out, "--force").stdout
    assert told == f"{out}: 3 parameter sets\n"


def test_a_place_that_cannot_be_written_to_is_wrong_usage(weeks: Path, tmp_path: Path) -> None:
    refused = run(weeks, "--vocabulary", "trigger_weeks", "--out", tmp_path / "none" / "supply.yaml")
    assert refused.exit_code == 2
    assert "cannot be written" in refused.stderr


def test_a_file_that_is_there_is_replaced_only_by_force(weeks: Path, study: Path) -> None:
    before = study.read_text()
    assert run(weeks, "--vocabulary", "trigger_weeks", "--out", study).exit_code == 2
    assert study.read_text() == before
    assert run(weeks, "--vocabulary", "trigger_weeks", "--out", study, "--force").exit_code == 0
    assert study.read_text() != before


def test_a_workbook_reads_as_the_csv_does() -> None:
    book = openpyxl.Workbook()
    for line in WEEKS.splitlines():
        cells = line.split(",")
        book.active.append([int(cell) if cell.isdecimal() else cell or None for cell in cells])
    content = io.BytesIO()
    book.save(content)
    of_book = read_settings(content.getvalue(), Vocabulary.TRIGGER_WEEKS)
    assert of_book == read_settings(WEEKS.encode(), Vocabulary.TRIGGER_WEEKS)


@pytest.mark.parametrize(
    ("vocabulary", "line", "trigger", "starts"),
    [
        (Vocabulary.WINDOWS, "study,,,14,28,1,3,,,,", "below", "end_of_short_window"),
        (Vocabulary.WINDOWS, "study,,,14,28,1,3,,At floor,today,", "at", "today"),
        (Vocabulary.CHECK_RANGE, "study,,,14,28,1,3,,,,", "at", "today"),
    ],
)
def test_each_vocabulary_has_its_own_conventions_unless_the_line_states_others(
    vocabulary: Vocabulary, line: str, trigger: str, starts: str
) -> None:
    parameters = read_settings(text_of(vocabulary, line), vocabulary).parameters[0].parameters
    assert (parameters.trigger, parameters.long_window_from) == (trigger, starts)
    assert (parameters.short_window, parameters.long_window) == (14, 28)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("land,USA,,2,4,1,3,,,,", "level: 'land' is no level (use one of study, country_group"),
        ("study,USA,,2,4,1,3,,,,", "key: 'USA' would be ignored at level study (leave it empty)"),
        ("site,,,2,4,1,3,,,,", "key: '' is no code of a site (name the place)"),
        ("country,US,,2,4,1,3,,,,", "key: 'US' is no country of the study (did you mean USA?"),
        ("site,G7,,2,4,1,3,,,,", "key: 'G7' is no site of the study (use one of G1, U1, U2)"),
        ("country_group,EU,,2,4,1,3,,,,", "key: 'EU' is no country group of the study (did you mean EUR?"),
        ("profile,BIGG,,2,4,1,3,,,,", "key: 'BIGG' is no profile of the study (did you mean BIG?"),
        ("study,,K9,2,4,1,3,,,,", "kit_type: 'K9' is no kit type of the study"),
        ("study,,a b,2,4,1,3,,,,", "kit_type: 'a b' is no code (use letters"),
        ("study,,,two,4,1,3,,,,", "trigger_weeks: 'two' is no whole number from 0 (write it like 4)"),
        ("study,,,2,4.5,1,3,,,,", "resupply_weeks: '4.5' is no whole number from 0"),
        ("study,,,2,4,-1,3,,,,", "min_b: '-1' is no whole number from 0"),
        ("study,,,2,200,1,3,,,,", "resupply_weeks: 200 is more than 104 (check the unit)"),
        ("study,,,2,4,1,30000000,,,,", "max_b: 30000000 is more than 1000000"),
        ("study,,,2,4,1,3,x,,,", "initial_quantity: 'x' is no whole number"),
        ("study,,,4,2,1,3,,,,", "resupply_weeks: 2 is less than trigger_weeks 4 (make it at least trigger_weeks)"),
        ("study,,,2,4,1,3,,under,,", "trigger: 'under' is not known (use one of at, at floor"),
        ("study,,,2,4,1,3,,,tomorrow,", "long_window_from: 'tomorrow' is not known (use one of today"),
        ("study,,,2,4,1,3,,,,1.3.2026", "valid_from: '1.3.2026' is no date (write it like 2026-03-01)"),
        ("study,,,2,4,1", "has fewer than 11 columns"),
    ],
)  # fmt: skip
def test_a_fault_is_refused_with_its_line_column_and_fix_and_nothing_is_read(line: str, problem: str) -> None:
    content = text_of(Vocabulary.TRIGGER_WEEKS, "country,DEU,,2,4,1,3,,,,", line)
    with pytest.raises(FileRefused) as refused:
        read_settings(content, Vocabulary.TRIGGER_WEEKS, protocol=Protocol.model_validate(SMALL))
    assert len(refused.value.problems) == 1
    assert refused.value.problems[0].startswith(f"line 3: {problem}")


def test_all_faults_of_a_file_are_told_at_once_in_its_order() -> None:
    content = text_of(
        Vocabulary.WINDOWS, "site,G1,,x,y,1,3,,,,", "site,G1,,7,14,1,3,,,,", "site,G1,,7,14,1,4,,,,"
    )
    with pytest.raises(FileRefused) as refused:
        read_settings(content, Vocabulary.WINDOWS)
    assert [problem[:20] for problem in refused.value.problems] == [
        "line 2: short_window",
        "line 2: long_window:",
        "line 4: key: line 3 ",
    ]


def test_a_file_in_the_words_of_another_vocabulary_is_refused_with_the_columns_to_use() -> None:
    with pytest.raises(FileRefused, match="use level, key, kit_type, short_window, long_window, floor"):
        read_settings(WEEKS.encode(), Vocabulary.WINDOWS)
