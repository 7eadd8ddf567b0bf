"""DA, TA, TE, TV, TI and TS: what was handed out, and the design as the protocol states it."""

from decimal import Decimal
from typing import Any

import pytest

from data_contracts import check
from pipelines.datasets import derive
from pipelines.errors import DerivationError
from pipelines.sdtm.readable_text import pieces, plain, shortened
from pipelines.sdtm.trial_design import planned_days
from tests.pipelines.small_trial import protocol, protocol_document
from tests.pipelines.story import Story, only


def _started(arm: str = "B") -> Story:
    story = Story().screened("1001", "03-03").randomized("1001", "03-10", arm)
    return story.visited("1001", "V2", "03-10", "L1")


def test_each_kit_is_an_amount_dispensed_in_its_own_unit_numbered_by_kit_number() -> None:
    rows = _started().visited("1001", "V3", "03-24", "L2").dataset("sdtm/da")
    names = (
        "DASEQ",
        "DATESTCD",
        "DATEST",
        "DAORRES",
        "DASTRESN",
        "DASTRESU",
        "DASCAT",
        "VISITNUM",
        "DADTC",
        "DADY",
    )
    assert only(rows, *names)[::2] == [
        (1, "DISPAMT", "Dispensed Amount", "17.5", 17.5, "mL", "KB", 2.0, "2026-03-10", 1),
        (3, "DISPAMT", "Dispensed Amount", "17.5", 17.5, "mL", "KB", 3.0, "2026-03-24", 15),
    ]
    numbers = [row["DAREFID"] for row in rows]
    assert numbers[:2] == sorted(numbers[:2])
    assert len(set(numbers)) == 4


def test_masked_kits_go_by_their_group_and_keep_the_amount_that_all_its_types_share() -> None:
    rows = _started().dataset("sdtm/da", "blinded")
    assert only(rows, "DASCAT", "DAORRES", "DAORRESU") == [("Bottle", "17.5", "mL")] * 2


def test_masked_kits_are_counted_where_the_types_of_a_group_differ_in_content() -> None:
    document = protocol_document()
    document["kit_types"][0]["units_per_kit"] = 20
    story = Story(document=document).screened("1001", "03-03").randomized("1001", "03-10", "B")
    rows = story.visited("1001", "V2", "03-10", "L1").dataset("sdtm/da", "blinded")
    assert only(rows, "DAORRES", "DASTRESN", "DAORRESU") == [("1", 1.0, "KIT")] * 2


def _with_count(document: dict[str, Any] | None = None) -> tuple[Story, str]:
    """A subject who brings a kit of V2 back at V3, counted twice."""
    story = Story(document=document).screened("1001", "03-03").randomized("1001", "03-10", "B")
    story.visited("1001", "V2", "03-10", "L1").visited("1001", "V3", "03-24", "L2")
    kit = story.rows["dispensings"][0][9]
    story.rows["kits"].append((1, 0, kit, "KB", "LOT", None, None, None, None))
    return story.counted(kit, "03-24", "5").counted(kit, "03-24", "4.5", "1"), kit


def test_what_comes_back_and_is_lost_stands_with_the_latest_count_at_the_visit_of_its_day() -> None:
    story, kit = _with_count()
    rows = [row for row in story.dataset("sdtm/da") if row["DAREFID"] == kit]
    assert only(rows, "DATESTCD", "DATEST", "DASTRESN", "DAORRESU", "VISITNUM", "DADTC", "DADY") == [
        ("DISPAMT", "Dispensed Amount", 17.5, "mL", 2.0, "2026-03-10", 1),
        ("RETAMT", "Returned Amount", 4.5, "mL", 3.0, "2026-03-24", 15),
        ("LOSTAMT", "Lost Amount", 1.0, "mL", 3.0, "2026-03-24", 15),
    ]
    numbers = [row["DASEQ"] for row in story.dataset("sdtm/da")]
    assert numbers == list(range(1, 7))


def test_masked_counts_are_kits_where_the_types_of_a_group_differ_in_content() -> None:
    document = protocol_document()
    document["kit_types"][0]["units_per_kit"] = 20
    story, kit = _with_count(document)
    rows = [row for row in story.dataset("sdtm/da", "blinded") if row["DAREFID"] == kit]
    assert only(rows, "DATESTCD", "DASTRESN", "DAORRESU") == [("DISPAMT", 1.0, "KIT"), ("RETAMT", 1.0, "KIT")]
    alike, same_kit = _with_count()
    rows = [row for row in alike.dataset("sdtm/da", "blinded") if row["DAREFID"] == same_kit]
    assert [row["DASTRESN"] for row in rows] == [17.5, 4.5, 1.0]


def test_da_with_returns_keeps_its_contract() -> None:
    story, _ = _with_count()
    built = derive(story.events(), "unblinded")
    result = check("DA", built["sdtm/da"], others={"SV": built["sdtm/sv"], "DM": built["sdtm/dm"]})
    assert [one.rule for one in result.failures if one.severity == "critical"] == []


def test_arms_are_told_element_by_element_with_the_branch_at_the_cell_that_has_it() -> None:
    rows = Story().screened("1001", "03-03").dataset("sdtm/ta")
    assert only(rows, "ARMCD", "TAETORD", "ETCD", "TABRANCH", "EPOCH") == [
        ("A", 1, "SCRN", "Randomized to A", "SCREENING"),
        ("A", 2, "PBO", None, "TREATMENT"),
        ("A", 3, "FU", None, "FOLLOW-UP"),
        ("B", 1, "SCRN", "Randomized to B", "SCREENING"),
        ("B", 2, "LOW", None, "TREATMENT"),
        ("B", 3, "HIGH", None, "TREATMENT"),
        ("B", 4, "FU", None, "FOLLOW-UP"),
    ]


def test_masked_there_is_one_arm_with_one_element_where_arms_differ() -> None:
    rows = Story().screened("1001", "03-03").dataset("sdtm/ta", "blinded")
    assert only(rows, "ARMCD", "ARM", "ETCD", "TABRANCH") == [
        ("BLINDED", "Blinded Treatment", "SCRN", "Randomized to blinded treatment"),
        ("BLINDED", "Blinded Treatment", "BLIND", None),
        ("BLINDED", "Blinded Treatment", "FU", None),
    ]


def test_visits_are_planned_for_every_arm_alike_with_their_study_day() -> None:
    rows = Story().screened("1001", "03-03").dataset("sdtm/tv")
    assert only(rows, "VISITNUM", "VISIT", "VISITDY", "ARMCD", "TVSTRL")[3:] == [
        (3.5, "CALL", 22, None, "Study day 22"),
        (4.0, "WEEK 4", 29, None, "Study day 29"),
        (5.0, "FOLLOW-UP", None, None, "When needed"),
    ]


def test_a_visit_counted_from_the_previous_one_is_planned_behind_it_and_one_from_screening_has_no_day() -> (
    None
):
    document = protocol_document()
    document["visits"][0] |= {"anchor": "screening", "target_day": 1}
    document["visits"][4] |= {"anchor": "previous_visit", "target_day": 7}
    days = planned_days(type(protocol()).model_validate(document).visits)
    assert days == {"V1": None, "V2": 1, "V3": 15, "V3T": 22, "V4": 29, "FU1": None}


def test_criteria_are_plain_text_of_at_most_200_characters_by_version() -> None:
    rows = Story().screened("1001", "03-03").dataset("sdtm/ti")
    assert only(rows, "IETESTCD", "IECAT", "TIVERS") == [
        ("EX01", "EXCLUSION", "1"),
        ("IN01", "INCLUSION", "1"),
    ]
    assert rows[1]["IETEST"] == "Adult >= 18 years"
    assert len(rows[0]["IETEST"]) <= 200
    assert rows[0]["IETEST"].endswith("Long....")


def test_criteria_of_an_amendment_are_listed_again_only_where_they_changed() -> None:
    document = protocol_document()
    second = {**document, "study": {**document["study"], "version": 2}}
    third = {**second, "study": {**document["study"], "version": 3}, "criteria": document["criteria"][:1]}
    story = Story(document=document).version(second).version(third).screened("1001", "03-03")
    assert story.column("sdtm/ti", "TIVERS") == ["1", "1", "3"]


def test_the_summary_tells_the_design_and_the_conduct() -> None:
    story = _started()
    values = {row["TSPARMCD"]: (row["TSVAL"], row["TSVALNF"]) for row in story.dataset("sdtm/ts")}
    assert values == {
        "ACTSUB": ("1", None),
        "AGEMAX": (None, "PINF"),
        "AGEMIN": ("P18Y", None),
        "DCUTDESC": (
            "Data cut-off: date of the last ledger entry. Subjects still in the study end at it",
            None,
        ),
        "DCUTDTC": ("2026-06-30", None),
        "FCNTRY": ("DEU", None),
        "NARMS": ("2", None),
        "PLANSUB": ("8", None),
        "RANDOM": ("Y", None),
        "SSTDTC": ("2026-03-03", None),
        "TBLIND": ("DOUBLE BLIND", None),
        "TITLE": ("A small trial >= 1 subject", None),
        "TPHASE": ("PHASE II TRIAL", None),
    }
    masked = {row["TSPARMCD"]: (row["TSVAL"], row["TSVALNF"]) for row in story.dataset("sdtm/ts", "blinded")}
    assert masked == values | {"NARMS": (None, "MSK")}


def test_what_the_protocol_states_is_never_replaced_but_for_the_cut_off_of_a_running_study() -> None:
    document = protocol_document()
    document["trial_parameters"] = [
        {"code": "NARMS", "name": "Planned Number of Arms", "values": ["5"]},
        {"code": "DCUTDTC", "name": "Data Cutoff Date", "values": ["2020-01-01"]},
        {"code": "OBJPRIM", "name": "Trial Primary Objective", "values": ["One", "Two"]},
    ]
    running = Story(document=document).screened("1001", "03-03")
    ended = Story(document=document).screened("1001", "03-03").failed("1001", "03-04")
    for story, cut_off in ((running, "2026-06-30"), (ended, "2020-01-01")):
        rows = story.dataset("sdtm/ts")
        values = {(row["TSPARMCD"], row["TSSEQ"]): row["TSVAL"] for row in rows}
        assert values["NARMS", 1] == "5"
        assert values["DCUTDTC", 1] == cut_off
        assert [values["OBJPRIM", index] for index in (1, 2)] == ["One", "Two"]


def test_a_parameter_that_the_terminology_does_not_have_is_named() -> None:
    document = protocol_document()
    document["trial_parameters"] = [{"code": "NOSUCH", "name": "x", "values": ["y"]}]
    with pytest.raises(DerivationError, match="NOSUCH"):
        Story(document=document).screened("1001", "03-03").dataset("sdtm/ts")


def test_a_long_value_goes_on_in_further_variables() -> None:
    document = protocol_document()
    document["trial_parameters"] = [{"code": "OBJPRIM", "name": "x", "values": ["word " * 60]}]
    rows = Story(document=document).screened("1001", "03-03").dataset("sdtm/ts")
    row = next(row for row in rows if row["TSPARMCD"] == "OBJPRIM")
    assert f"{row['TSVAL']} {row['TSVAL1']}" == ("word " * 60).strip()
    assert max(len(row["TSVAL"]), len(row["TSVAL1"])) <= 200


def test_typographic_characters_become_ascii_and_unknown_ones_stay_for_the_export_to_name() -> None:
    assert plain("\u201cA\u201d \u2265 5 \u00b5g \u2013 x") == '"A" >= 5 ug - x'
    assert plain("  \n ") is None
    assert plain("\u03b2") == "\u03b2"


@pytest.mark.parametrize("text", ["x" * 200, "word " * 40 + "end", "y" * 350])
def test_text_is_cut_or_broken_at_200_characters(text: str) -> None:
    short = shortened(text)
    assert short is not None
    assert len(short) <= 200
    assert all(0 < len(piece) <= 200 for piece in pieces(text))
    assert "".join(pieces(text)).replace(" ", "") == text.replace(" ", "")


def test_amounts_are_exact_decimals_in_the_events() -> None:
    assert _started().events()["dispensings"]["quantity"].to_list() == [Decimal("17.5")] * 2
