"""Where a protocol does not say what a subject is due, the refusal says nothing of arm or dose level; not even in a traceback."""

import traceback
from typing import Any

import pytest

from allocation.commands.dispensing import DispenseRequest, dispense
from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.errors import DomainRefusal
from allocation.study.protocol import Protocol
from tests.api.trial import STUDY
from tests.commands.desk import ACT, Desk


def break_protocol(desk: Desk, **changed: Any) -> None:
    """Put a protocol into force that validation would have refused, as a damaged database or a defect of a check might."""
    sound = desk.service.protocols[STUDY, 1]
    fields = {name: getattr(sound, name) for name in Protocol.model_fields}
    desk.service.protocols[STUDY, 1] = Protocol.model_construct(**{**fields, **changed})


def refused_without_a_word(desk: Desk, call: Any) -> None:
    before = desk.state()
    with pytest.raises(DomainRefusal) as caught:
        call()
    assert caught.value.code == "protocol-hole"
    assert caught.value.__context__ is None
    assert "ZZ" not in str(caught.value)
    assert "ZZ" not in "".join(traceback.format_exception(caught.value))
    assert desk.state() == before


def test_a_level_without_a_row_is_refused_without_naming_arm_or_level(desk: Desk) -> None:
    who = desk.randomized()
    rows = tuple(
        row.model_copy(update={"dose_level": "ZZD2"}) for row in desk.service.protocols[STUDY, 1].dispensing
    )
    break_protocol(desk, dispensing=rows)
    request = DispenseRequest(subject_id=who, visit_code="V2")
    refused_without_a_word(desk, lambda: dispense(desk.service, ACT, STUDY, request))


def test_a_level_that_the_protocol_lacks_is_refused_without_naming_it(desk: Desk) -> None:
    who = desk.randomized()
    desk.move(days=14)
    levels = tuple(one for one in desk.service.protocols[STUDY, 1].dose_levels if one.code != "ZZD1")
    break_protocol(desk, dose_levels=levels)
    request = DispenseRequest(subject_id=who, visit_code="V3", titration="up")
    refused_without_a_word(desk, lambda: dispense(desk.service, ACT, STUDY, request))


def test_a_resupply_run_that_meets_a_hole_names_neither_arm_nor_level(desk: Desk) -> None:
    desk.randomized()
    rows = tuple(
        row.model_copy(update={"dose_level": "ZZD2"}) for row in desk.service.protocols[STUDY, 1].dispensing
    )
    break_protocol(desk, dispensing=rows)
    refused_without_a_word(desk, lambda: run_resupply(desk.service, ACT, STUDY, RunResupplyRequest()))
