"""Bulk supply counted again, and its chain of custody: by lot and quantity, as people name it."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from allocation.access.actors import SYSTEM_ACTOR, Actor
from allocation.commands.count_corrections import CorrectKitCountRequest, correct_kit_count
from allocation.commands.dispensing import DispenseRequest, dispense
from allocation.commands.kit_acts import report_kits_lost
from allocation.commands.kit_counts import ReturnFromSubjectRequest, return_from_subject
from allocation.commands.service import Act
from allocation.errors import NotFound
from allocation.views.blinded.lot_history import lot_history
from allocation.views.blinded.subject_accountability import subject_accountability
from pipelines.datasets import derive
from pipelines.events.reading import read_events
from tests.api.trial import STUDY
from tests.commands.bulk_trial import with_syringes
from tests.commands.desk import ACT, Desk
from tests.commands.return_people import DEPOT, SITE
from tests.commands.test_bulk import WITH_REASON, of_lot, refusal
from tests.commands.test_kit_acts import WHY, do, intact


def test_a_count_of_bulk_supply_is_corrected_for_all_units_of_its_lot_and_day(sqlite_desk: Desk) -> None:
    desk = with_syringes(sqlite_desk)
    who = desk.randomized()
    dispense(desk.service, ACT, STUDY, DispenseRequest(subject_id=who, visit_code="V2"))
    back = ReturnFromSubjectRequest.model_validate(
        {"subject_id": who, "bulk": [of_lot("SY-B", 3, returned_units="1", lost_units="0")]}
    )
    return_from_subject(desk.service, ACT, STUDY, back)

    def correct(act: Act = WITH_REASON, **lot: Any) -> dict[str, Any]:
        counts = {"returned_units": "2", "lost_units": "1", **lot}
        request = {"subject_id": who, "bulk": [of_lot("SY-B", **{"quantity": 3, **counts})]}
        return correct_kit_count(desk.service, act, STUDY, CorrectKitCountRequest.model_validate(request))

    assert refusal(desk, correct, ACT).code == "reason-missing"
    assert refusal(desk, lambda: correct(quantity=2)).code == "units-left-out"
    assert refusal(desk, lambda: correct(returned_units="3")).code == "count-impossible"
    assert isinstance(refusal(desk, lambda: correct(returned_on="2026-01-01")), NotFound)
    assert isinstance(refusal(desk, lambda: correct(came_back=False, returned_units="0")), NotFound)
    answer = correct()
    assert "~" not in json.dumps(answer)
    assert sum(one["quantity"] for one in answer["bulk"]["kits"]) == 3
    (line,) = [
        one
        for one in subject_accountability(desk.database, SYSTEM_ACTOR, STUDY, who).kits
        if one.lot == "SY-B" and one.status == "returned"
    ]
    assert (line.quantity, line.returned_units, line.lost_units, line.corrections) == (3, "2", "1", 1)
    desk.move(days=1)
    one_more = {"subject_id": who, "bulk": [of_lot("SY-B", 1, returned_units="1")]}
    request = ReturnFromSubjectRequest.model_validate(one_more)
    return_from_subject(desk.service, ACT, STUDY, request)
    assert refusal(desk, lambda: correct(quantity=4)).code == "count-ambiguous"
    day = desk.now.date().isoformat()
    correct(quantity=1, returned_on=day, returned_units="0")
    intact(desk)
    built = derive(read_events(desk.database, STUDY), "unblinded")["sdtm/da"]
    assert built.filter(DAREFID="SY-B").select("DATESTCD", "DASTRESN").rows() == [
        ("DISPAMT", 4.0),
        ("RETAMT", 2.0),
        ("LOSTAMT", 1.0),
        ("RETAMT", 0.0),
        ("LOSTAMT", 1.0),
    ]


@pytest.mark.parametrize(
    "fields", [{}, {"kit_number": "9", "returned_units": "1", "bulk": [1]}, {"kit_number": "9"}]
)
def test_a_correction_is_of_a_kit_with_its_count_or_of_lots(fields: dict[str, Any]) -> None:
    lots = {"bulk": [of_lot("SY-B", 1, returned_units="1")]} if "bulk" in fields else {}
    with pytest.raises(ValidationError):
        CorrectKitCountRequest.model_validate({"subject_id": "S", **fields, **lots})


def test_the_history_of_a_lot_is_quantities_between_places_and_each_reader_sees_its_own(
    sqlite_desk: Desk,
) -> None:
    desk = with_syringes(sqlite_desk)
    who = desk.randomized()
    dispense(desk.service, ACT, STUDY, DispenseRequest(subject_id=who, visit_code="V2"))
    do(desk, report_kits_lost, site_id="S01", bulk=[of_lot("SY-B", 2)])

    def moves(reader: Actor, lot: str = "SY-B") -> list[tuple[str, int, str, str]]:
        history = lot_history(desk.database, reader, STUDY, lot)
        assert "~" not in history.model_dump_json()
        return [(one.act, one.quantity, one.from_place, one.to_place) for one in history.moves]

    assert moves(SYSTEM_ACTOR) == [
        ("load_bulk", 10, "", "depot D1"),
        ("dispatch_shipment", 10, "depot D1", "shipment S01-S001"),
        ("receive_shipment", 10, "shipment S01-S001", "site S01"),
        ("dispense", 4, "site S01", f"subject {who}"),
        ("report_kits_lost", 2, "site S01", "lost"),
    ]
    history = lot_history(desk.database, SYSTEM_ACTOR, STUDY, "SY-B")
    assert history.places == {"lost": 2, "site S01": 4, f"subject {who}": 4}
    (lost,) = [one for one in history.moves if one.act == "report_kits_lost"]
    assert (lost.actor, lost.reason, lost.recorded_at) == ("system", WHY, desk.now)
    assert [one[0] for one in moves(SITE)] == [
        "dispatch_shipment",
        "receive_shipment",
        "dispense",
        "report_kits_lost",
    ]
    assert moves(DEPOT)[:2] == moves(SYSTEM_ACTOR)[:2]
    # Blinded people read the blinded lot alone, and a lot with numbered kits is none of these.
    assert moves(SITE, "SYR-1")
    for reader, lot in ((SITE, "SY-A"), (SYSTEM_ACTOR, "ZZLOT1"), (SYSTEM_ACTOR, "NONE")):
        with pytest.raises(NotFound):
            moves(reader, lot)
