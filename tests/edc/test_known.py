"""What the EDC's values mean: sizes in kilograms and centimetres, levels by the map, dates, and answers to criteria."""

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from allocation.edc.known import (
    criteria_answers,
    factor_levels,
    gate,
    heights_cm,
    screening_word,
    visit_dates,
    weights_kg,
)
from allocation.study.edc import Edc
from allocation.study.protocol import Protocol
from tests.edc.unified import unified_protocol

START = datetime(2026, 3, 1, tzinfo=UTC)


def fact(
    item: str, value: str | None, hours: int = 0, kind: str = "item", form: str = "", event: str = ""
) -> Any:
    return SimpleNamespace(
        kind=kind, item=item, value=value, form=form, event=event, event_repeat="", item_group="", source_at=START + timedelta(hours=hours)
    )  # fmt: skip


@pytest.mark.parametrize(
    ("unit", "value", "kilograms"),
    [("kg", "71.5", "71.5"), ("g", "71500", "71.5"), ("lb", "100", "45.359237"), ("kg", "0", None), ("kg", "-1", None),
     ("kg", "heavy", None), ("kg", "NaN", None), ("kg", "1E400000", None)],
)  # fmt: skip
def test_a_weight_is_kilograms_and_nonsense_is_none(unit, value, kilograms):
    edc = Edc.model_validate({"weight": {"item": "W", "unit": unit}})
    found = weights_kg(edc, [fact("W", value)])
    assert [str(one.value.normalize()) for one in found] == ([] if kilograms is None else [kilograms])


def test_a_height_is_centimetres_and_the_newest_counts():
    edc = Edc.model_validate({"height": {"item": "H", "unit": "m"}})
    found = heights_cm(edc, [fact("H", None, 2), fact("H", "1.80", 1), fact("H", "1.70")])
    assert [(one.value, one.at) for one in found] == [(180, START + timedelta(hours=1))]
    assert heights_cm(Edc(), [fact("H", "1.8")]) == ()


def test_measurements_with_days_of_their_own_count_each_for_its_day_in_its_event():
    edc = Edc.model_validate({"weight": {"item": "W", "measured_on": {"item": "D"}}})
    facts = [
        fact("W", "71", 9, event="E1"),  # corrected last, and measured first
        fact("W", "73", 5, event="E3"),
        fact("W", "72", 4, event="E2"),
        fact("D", "2026-03-01", event="E1"),
        fact("D", "2026-03-15", event="E2"),
        fact("D", "in March", event="E3"),
    ]
    assert [(one.value, one.on) for one in weights_kg(edc, facts)] == [
        (71, date(2026, 3, 1)),
        (72, date(2026, 3, 15)),
    ]


FAILED = {
    "item": {"item": "DSDECOD"},
    "values": ["SCREEN FAILURE"],
    "form": "DS",
    "date": {"item": "DSSTDAT"},
}


@pytest.mark.parametrize(
    ("facts", "word"),
    [
        ([], (False, False, None)),
        ([fact("DSDECOD", "SCREEN FAILURE"), fact("DSSTDAT", "2026-03-04")], (True, True, date(2026, 3, 4))),
        ([fact("DSDECOD", "SCREEN FAILURE"), fact("DSSTDAT", "in March")], (True, True, None)),
        ([fact("DSDECOD", "COMPLETED")], (True, False, None)),
        ([fact("DSDECOD", None)], (True, False, None)),
        ([fact("", "complete", kind="form", form="DS")], (False, False, None)),
        ([fact("", "open", kind="form", form="DS"), fact("IT.IN01", "N", form="IE")], (False, False, None)),
        ([fact("", "validated", kind="form", form="DS"), fact("IT.IN01", "N", form="IE")], (True, True, None)),
        ([fact("", "complete", kind="form", form="OTHER"), fact("IT.IN01", "N", form="IE")], (False, False, None)),
    ],
    ids=["nothing", "said", "no date", "otherwise", "emptied", "form, all met", "form open", "form and unmet", "other form"],
)  # fmt: skip
def test_a_screen_failure_is_what_the_map_names_for_it_and_no_unmet_criterion_alone(facts, word):
    protocol = Protocol.model_validate(unified_protocol(screen_failure=FAILED))
    found = screening_word(protocol, facts)
    assert (found.told, found.failed, found.on) == word


def test_levels_and_dates_that_the_map_does_not_know_are_unknown():
    protocol = Protocol.model_validate(unified_protocol())
    assert factor_levels(protocol, [fact("IT.SEV", "2")]) == {"SEVERITY": "SEVERE"}
    assert factor_levels(protocol, [fact("IT.SEV", "3")]) == {"SEVERITY": None}
    assert visit_dates(protocol.edc, [fact("IT.VISDAT", "2026-04-02T10:30", event="SE.V4")]) == {
        "V4": date(2026, 4, 2)
    }
    assert visit_dates(protocol.edc, [fact("IT.VISDAT", "2026-04", event="SE.V4")]) == {}
    assert visit_dates(protocol.edc, [fact("IT.VISDAT", "2026-04-02", event="SE.V5")]) == {}


def test_an_item_for_all_criteria_answers_each_and_every_answer_counts():
    protocol = Protocol.model_validate(unified_protocol(criteria=[{"item": "IEYN"}]))
    assert criteria_answers(protocol, [fact("IEYN", "Y"), fact("IEYN", "N")]) == {
        "IN01": (True, False),
        "EX01": (True, False),
    }
    assert gate(protocol, [fact("IEYN", "Y"), fact("IEYN", "N")], None).criteria_not_met == ("IN01", "EX01")


def test_at_a_dispensing_criteria_count_only_where_the_protocol_says_so():
    no = [fact("IT.IN01", "N", form="IE"), fact("", "complete", kind="form", form="VS", event="SE.V3")]
    strict = Protocol.model_validate(unified_protocol())
    assert gate(strict, no, "V3").criteria_not_met == ("IN01",)
    assert gate(strict, no, "V3").criteria_unknown == ("EX01",)
    lenient = Protocol.model_validate(unified_protocol(criteria_at_dispensing=False))
    assert gate(lenient, no, "V3").is_open
    assert gate(lenient, [], "V3").forms_absent == ("VS at SE.V3",)
    assert gate(lenient, [], "V2").is_open
