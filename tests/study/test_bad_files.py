"""A study file that is wrong as YAML or in its shape: every problem names line, column, path, value and fix, all at once."""

from pathlib import Path

import pytest

from allocation.study.errors import Problem, ProtocolError
from allocation.study.yaml_files import load_protocol, parse_protocol
from tests.conftest import REPOSITORY
from tests.study.small_protocol import REMOVE, with_changes, yaml_text

DEMO = (REPOSITORY / "studies" / "demo.yaml").read_text(encoding="utf-8")


def problems_of(text: str) -> list[Problem]:
    with pytest.raises(ProtocolError) as refused:
        parse_protocol(text, "study.yaml")
    return list(refused.value.problems)


def changed(old: str, new: str) -> tuple[str, int]:
    """The demo with one text replaced at its first place, and the line of that place."""
    assert old in DEMO
    return DEMO.replace(old, new, 1), DEMO[: DEMO.index(old)].count("\n") + 1


@pytest.mark.parametrize(
    ("old", "new", "path", "value", "message", "fix"),
    [
        ("ratio: 2", "ratio: two", "arms[0].ratio", "two", "is not a whole number", "write it like 3"),
        ("ratio: 2", 'ratio: "2"', "arms[0].ratio", '"2"', "is not a whole number", "without quotes"),
        ("ratio: 2", "ratio: true", "arms[0].ratio", "true", "is not a whole number", "write it like 3"),
        ("ratio: 2", "ratio: 2.5", "arms[0].ratio", "2.5", "is not a whole number", "write it like 3"),
        ("ratio: 2", "ratio: 0", "arms[0].ratio", "0", "is below 1", "use 1 or more"),
        ("ratio: 2", "ratio: 101", "arms[0].ratio", "101", "is above 100", "use 100 or less"),
        ("ratio: 2", "ratio:", "arms[0].ratio", "(empty)", "is not a whole number", "write it like 3"),
        ("code: ORT20", "code: 20", "arms[0].code", "20", "is not a text", 'write it in quotes: "20"'),
        ("code: ORT20", "code: ORT 20", "arms[0].code", "ORT 20", "is not a code", "letters, digits"),
        ("phase: III", "phase: 3", "study.phase", "3", "is not a text", 'in quotes: "3"'),
        (
            "blinding: double_blind",
            "blinding: dubble_blind",
            "study.blinding",
            "dubble_blind",
            "is not a value",
            "did you mean double_blind?",
        ),
        (
            "planned_start: 2025-01-06",
            "planned_start: 06.01.2025",
            "study.planned_start",
            "06.01.2025",
            "is not a date",
            "2026-03-31",
        ),
        ("currency: EUR", "currency: euro", "study.currency", "euro", "three-letter code", "three capitals"),
        (
            "duration: P4W",
            "duration: 4 weeks",
            "elements[0].duration",
            "4 weeks",
            "is not a duration",
            "P14D",
        ),
        (
            "require_eligibility: true",
            "require_eligibility: 'yes'",
            "screening.require_eligibility",
            '"yes"',
            "neither true nor false",
            "write true or false",
        ),
        (
            "block_sizes: [5, 10]",
            "block_sizes: 5",
            "randomization[0].block_sizes",
            "5",
            "is not a list",
            "begins with -",
        ),
        (
            "units_per_kit: 35",
            "units_per_kit: many",
            "kit_types[0].units_per_kit",
            "many",
            "is not a number",
            "2.5",
        ),
        (
            "units_per_kit: 35",
            "units_per_kit: 0",
            "kit_types[0].units_per_kit",
            "0",
            "is not above 0",
            "more than 0",
        ),
        (
            "timezone: Europe/Berlin",
            "timezone: Europe/Berln",
            "depots[0].timezone",
            "Europe/Berln",
            "is not an IANA time zone",
            "Europe/Berlin",
        ),
        (
            "dns_days: 140",
            "dns_days: 14",
            "kit_types[0].expiry",
            "(a mapping)",
            "dns_days 14",
            "DNS >= DNC >= DND",
        ),
        (
            "storage: {min_celsius: 2, max_celsius: 25}",
            "storage: cold",
            "kit_types[0].storage",
            "cold",
            "is not a mapping",
            "key: value",
        ),
        ("name: WEEK 2,", f"name: {'W' * 41},", "visits[2].name", "W" * 41, "is too long", "at most 40"),
        ("number: 3,", "number: 3.001,", "visits[2].number", "3.001", "decimal places", "at most 2"),
        (
            "method: permuted_block",
            "method: blocks",
            "randomization[0].method",
            "blocks",
            "is not a value",
            "permuted_block",
        ),
    ],
)
def test_a_wrong_value_is_named_with_its_line_path_and_fix(
    old: str, new: str, path: str, value: str, message: str, fix: str
) -> None:
    text, line = changed(old, new)
    problem = next(one for one in problems_of(text) if one.path == path)
    assert problem.line == line
    assert (
        text.splitlines()[line - 1][problem.column - 1 :].startswith((value, "'", "{", "{dns"))
        or value == "(empty)"
    )
    assert problem.value == value
    assert message in problem.message
    assert fix in problem.fix


def test_an_unknown_key_is_named_at_the_key_with_the_nearest_known_one() -> None:
    text, line = changed("window_before: 3", "windows_before: 3")
    (problem,) = problems_of(text)
    assert (problem.line, problem.path, problem.value) == (line, "visits[2].windows_before", "windows_before")
    assert text.splitlines()[line - 1][problem.column - 1 :].startswith("windows_before")
    assert problem.fix.startswith("did you mean window_before?")


def test_a_comma_in_an_unquoted_text_is_explained_as_what_it_is() -> None:
    text, _ = changed(
        '"Active or latent tuberculosis, hepatitis B or C, or HIV infection."', "Hepatitis, or HIV"
    )
    (problem,) = problems_of(text)
    assert problem.fix == "put a text with a comma or colon into quotes"


def test_a_missing_key_says_what_kind_of_value_it_takes() -> None:
    text, _ = changed("    ratio: 2\n", "")
    (problem,) = problems_of(text)
    assert (problem.path, problem.message, problem.fix) == (
        "arms[0].ratio",
        "is missing",
        "add ratio: (a whole number)",
    )
    assert text.splitlines()[problem.line - 1].strip() == "- code: ORT20"


def test_all_problems_are_told_at_once_in_the_order_of_the_file() -> None:
    text = (
        DEMO.replace("ratio: 2", "ratio: two", 1)
        .replace("phase: III", "phase: 3")
        .replace("mode: test ", "modus: test ")
    )
    found = problems_of(text)
    assert [one.path for one in found] == ["study.phase", "study.modus", "arms[0].ratio"]


def test_contradictions_are_told_beside_an_unknown_key_but_not_those_it_may_have_caused() -> None:
    text = DEMO.replace("block_sizes: [5, 10]", "blok_sizes: [5, 10]").replace(
        "arm: PLACEBO, epoch: FUP", "arm: PLACEBE, epoch: FUP"
    )
    paths = [one.path for one in problems_of(text)]
    assert "randomization[0].blok_sizes" in paths
    assert "cells[11].arm" in paths
    assert "randomization[0].block_sizes" not in paths


def test_a_key_that_stands_twice_is_refused_with_both_lines() -> None:
    text, line = changed("  sponsor:", "  phase: II\n  sponsor:")
    (problem,) = problems_of(text)
    assert (problem.path, problem.line) == ("study.phase", line)
    assert f"line {line - 1} has too" in problem.message


def test_every_doubled_key_is_told_at_once() -> None:
    text = DEMO.replace("  sponsor:", "  phase: II\n  sponsor:", 1).replace(
        "    ratio: 1\n", "    ratio: 1\n    ratio: 2\n", 1
    )
    assert [one.path for one in problems_of(text)] == ["study.phase", "arms[2].ratio"]


def test_what_a_draft_left_open_is_told_as_still_to_be_decided() -> None:
    text, line = changed("  sponsor: Open Trials Collaborative", "  sponsor: TO FILL IN")
    (problem,) = problems_of(text)
    assert (problem.path, problem.line, problem.message) == ("study.sponsor", line, "is still to be decided")


@pytest.mark.parametrize(
    ("text", "line", "message", "fix"),
    [
        ("study:\n  id: X\n title: Y\n", 3, "is not valid YAML", "mend the indentation"),
        ("study: {id: X\narms: [", 2, "is not valid YAML", "bracket"),
        ("study:\n\tid: X\n", 2, "cannot start any token", "indent with spaces"),
        (
            "study:\n  title: A: B\n",
            2,
            "mapping values are not allowed",
            "put a text that holds ': ' into quotes",
        ),
        ('study: "open\n', 2, "is not valid YAML", "quote"),
        ("a: 1\n---\nb: 2\n", 2, "another document", "a file of its own"),
        ("study: *x\n", 1, "undefined alias", "write the value out"),
        ("", 1, "is empty", "schema_version: 1"),
        ("# only a comment\n", 1, "is empty", "schema_version: 1"),
        ("study: \x07\n", 1, "YAML does not allow", "remove it"),
        ("[" * 60, 1, "maximum depth", "at most 40"),
    ],
)
def test_what_is_no_yaml_is_told_with_its_line_and_what_to_mend(
    text: str, line: int, message: str, fix: str
) -> None:
    problem = problems_of(text)[0]
    assert problem.line == line
    assert message in f"{problem.value} {problem.message}"
    assert fix in problem.fix


@pytest.mark.parametrize(
    ("text", "message"),
    [("- 1\n", "is not a mapping"), ("just words\n", "is not a mapping"), ("null\n", "is not a mapping")],
)
def test_a_document_that_is_no_mapping_is_told(text: str, message: str) -> None:
    assert message in problems_of(text)[0].message


def test_an_alias_is_refused_so_that_a_small_file_cannot_grow_without_end() -> None:
    text = "a: &a [1, 2]\nb: [*a, *a]\n"
    assert [one.message for one in problems_of(text) if "alias" in one.value] == [
        "is not allowed in a study document"
    ] * 2


def test_a_yaml_tag_is_refused() -> None:
    assert any(one.value == "!python/object" for one in problems_of("study: !python/object x\n"))


def test_a_code_of_digits_with_leading_zeros_keeps_them() -> None:
    data = with_changes({"sites[0].code": "0101"})
    text = yaml_text(data).replace('"0101"', "0101")
    assert parse_protocol(text).sites[0].code == "0101"


@pytest.mark.parametrize("word", ["no", "off", "on", "yes"])
def test_words_that_old_yaml_took_for_truth_values_stay_words(word: str) -> None:
    text = yaml_text(with_changes({"study.sponsor": "SPONSOR"})).replace('"SPONSOR"', word)
    assert parse_protocol(text).study.sponsor == word


def test_a_truncated_file_is_refused_wherever_it_is_cut() -> None:
    for cut in range(200, len(DEMO) - 8000, 1999):
        with pytest.raises(ProtocolError):
            parse_protocol(DEMO[:cut])


def test_a_file_that_is_not_there_or_not_utf8_is_a_protocol_error(tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match="cannot be read"):
        load_protocol(tmp_path / "none.yaml")
    with pytest.raises(ProtocolError, match="cannot be read"):
        load_protocol(tmp_path)
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("study: Köln".encode("latin-1"))
    with pytest.raises(ProtocolError, match="is not UTF-8 text"):
        load_protocol(latin)


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    file = tmp_path / "windows.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + DEMO.replace("\n", "\r\n").encode())
    assert load_protocol(file) == parse_protocol(DEMO)


def test_a_missing_section_is_named() -> None:
    found = problems_of(yaml_text(with_changes({"visits": REMOVE})))
    assert [(one.path, one.fix) for one in found] == [("visits", "add visits: (a list)")]


def test_a_document_of_another_kind_is_told_in_one_line() -> None:
    scenario = (REPOSITORY / "studies" / "demo-scenario.yaml").read_text(encoding="utf-8")
    (problem,) = problems_of(scenario)
    assert problem.message == "is no protocol"
    assert "study, arms, randomization" in problem.fix
