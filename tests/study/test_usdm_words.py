"""Small parts of the import: durations in days, markup to text, codes from names."""

from pathlib import Path

import pytest

from allocation.study.usdm.durations import study_day, whole_days
from allocation.study.usdm.naming import CodeMaker, shortened
from tests.study.small_usdm import design_of, imported, messages, small_usdm


@pytest.mark.parametrize(
    ("text", "days", "exact"),
    [
        ("P2W", 14, True),
        ("-P2W", -14, True),
        ("+P3D", 3, True),
        ("P1W2D", 9, True),
        ("P0D", 0, True),
        ("PT0H", 0, True),
        ("PT48H", 2, True),
        ("PT4H", 0, False),
        ("-PT36H", -1, False),
        ("P1.5D", 1, False),
        ("P1M", 30, False),
        ("P1Y", 365, False),
    ],
)
def test_a_duration_is_counted_in_whole_days_towards_zero(text: str, days: int, exact: bool) -> None:
    read = whole_days(text)
    assert read is not None
    assert read.days == days
    assert (read.remark == "") is exact


@pytest.mark.parametrize(
    "value", ["", "P", "2 weeks", "14 days", "10:00:00", "P2X", "PW", None, 14, ["P2W"], "P2W3"]
)
def test_what_is_no_iso_8601_duration_is_not_guessed(value: object) -> None:
    assert whole_days(value) is None


def test_there_is_no_study_day_0() -> None:
    assert [study_day(offset) for offset in (-2, -1, 0, 1)] == [-2, -1, 1, 2]


@pytest.mark.parametrize(
    ("markup", "words"),
    [
        ("<p>One</p>\n<p>two.</p>", "One two."),
        ("<p>Any of</p><ol><li><p>one</p></li><li>two</li></ol>", "Any of 1) one 2) two"),
        ('<ol style="list-style-type: lower-alpha;"><li>x<ol><li>y</li></ol></li><li>z</li></ol>', "a) x 1) y b) z"),
        ("<ul><li>x</li><li>y</li></ul>", "- x - y"),
        ("<table><tr><td>A&#174;</td><td>2 weeks</td></tr></table>", "A\u00ae 2 weeks"),
        ("B<sub>12</sub> &gt;2 and&#160;&le;4 , done .", "B12 >2 and \u22644, done."),
        ("no markup at all", "no markup at all"),
        ("<p>unclosed <b>bold", "unclosed bold"),
        ('at least <usdm:ref klass="Quantity" id="Q2" attribute="value"></usdm:ref> years', "at least 18 years"),
        ('at least <usdm:tag name="min_age"/> years', "at least 18 years"),
    ],
)  # fmt: skip
def test_markup_becomes_one_readable_line(tmp_path: Path, markup: str, words: str) -> None:
    document = small_usdm()
    document["study"]["versions"][0]["eligibilityCriterionItems"][0]["text"] = markup
    assert imported(document, tmp_path).protocol_data["criteria"][0]["text"] == words


def test_a_tag_that_nothing_explains_stays_visible_and_is_remarked(tmp_path: Path) -> None:
    document = small_usdm()
    items = document["study"]["versions"][0]["eligibilityCriterionItems"]
    items[0]["text"] = '<p>at least <usdm:tag name="age"/> years</p>'
    items[1]["text"] = '<p>dose <usdm:ref klass="Quantity" id="Q9" attribute="value"/></p>'
    outcome = imported(document, tmp_path)
    assert [one["text"] for one in outcome.protocol_data["criteria"]] == [
        "at least [age] years",
        "dose [Quantity.Q9.value]",
    ]
    doubts = messages(outcome, "doubtful")
    assert any("no dictionary explains the tag 'age'" in doubt for doubt in doubts)
    assert any("Quantity.Q9.value leads nowhere" in doubt for doubt in doubts)


def test_a_criterion_too_long_for_sdtm_is_kept_and_remarked_and_one_without_end_is_cut(
    tmp_path: Path,
) -> None:
    document = small_usdm()
    items = document["study"]["versions"][0]["eligibilityCriterionItems"]
    items[0]["text"], items[1]["text"] = "word " * 41, "word " * 500
    outcome = imported(document, tmp_path)
    first, second = (one["text"] for one in outcome.protocol_data["criteria"])
    assert first == ("word " * 41).strip()
    assert len(second) <= 2000
    assert second.endswith("word...")
    doubts = messages(outcome, "doubtful")
    assert any("IN01: 204 characters; SDTM IETEST holds 200" in doubt for doubt in doubts)
    assert any("EX01: 2499 characters, cut to 2000" in doubt for doubt in doubts)


def test_a_criterion_of_neither_kind_is_left_out_and_remarked(tmp_path: Path) -> None:
    document = small_usdm()
    design_of(document)["eligibilityCriteria"][0]["category"]["decode"] = "Other"
    outcome = imported(document, tmp_path)
    assert [one["code"] for one in outcome.protocol_data["criteria"]] == ["EX01"]
    assert any("neither inclusion nor exclusion" in doubt for doubt in messages(outcome, "doubtful"))


def test_codes_have_allowed_characters_only_and_are_never_given_twice() -> None:
    maker = CodeMaker(8)
    assert [maker.code(name) for name in ("Week 2 / call", "Week 2, call", "week-2 call", "", "\u00e9\u00e8")] == [
        "WEEK_2_C", "WEEK_2_2", "WEEK_2_3", "X", "X_2",
    ]  # fmt: skip


def test_shortening_cuts_at_a_blank() -> None:
    assert shortened("alpha beta gamma", 16) == "alpha beta gamma"
    assert shortened("alpha beta gamma", 15) == "alpha beta..."
