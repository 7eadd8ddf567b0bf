"""What of units and compliance may be told to blinded people: only what is the same for all kits of a look, in every arm."""

from decimal import Decimal
from typing import Any

from allocation.study.counted_units import content_by_look, units_per_day_by_look
from allocation.study.protocol import Protocol
from tests.api.trial import protocol


def told(rates: tuple[Any, ...] = (1, 1, 1), units: tuple[int, ...] = (35, 35, 35), **more: Any) -> Protocol:
    document = protocol()
    for entry, rate in zip(document["dispensing"], rates, strict=True):
        entry["kits"][0] |= {"units_per_day": rate, **more}
    for kind, content in zip(document["kit_types"], units, strict=True):
        kind["units_per_kit"] = content
    return Protocol.model_validate(document)


def test_units_are_told_where_all_kits_of_a_look_hold_the_same() -> None:
    contents = content_by_look(told())
    assert {(one.units, one.most, one.unit) for one in contents.values()} == {(35, 35, "TABLET")}


def test_where_kits_of_a_look_differ_only_the_most_that_one_holds_is_known_of_each() -> None:
    contents = content_by_look(told(units=(35, 70, 35)))
    assert {(one.units, one.most) for one in contents.values()} == {(None, Decimal(70))}
    assert units_per_day_by_look(told(units=(35, 70, 35)), "V2") == {}


def test_a_daily_number_is_told_where_every_arm_takes_the_same() -> None:
    assert units_per_day_by_look(told(rates=(2, 2, 2)), "V2") == {"BOTTLE": 2}
    assert units_per_day_by_look(told(rates=(2, 2, 1)), "V2") == {}
    assert units_per_day_by_look(told(rates=(2, 2, None)), "V2") == {}
    assert units_per_day_by_look(told(), "V1") == {}
    assert units_per_day_by_look(told(), None) == {}


def test_kits_of_one_look_that_are_handed_out_together_are_taken_together() -> None:
    document = protocol()
    for entry in document["dispensing"]:
        kit = {**entry["kits"][0], "units_per_day": 1}
        other = {**kit, "kit_type": "ZZKITA" if kit["kit_type"] != "ZZKITA" else "ZZKITB"}
        entry["kits"] = [kit, other]
    assert units_per_day_by_look(Protocol.model_validate(document), "V3") == {"BOTTLE": 2}


def test_an_arm_that_is_handed_out_none_of_the_look_keeps_the_others_untold() -> None:
    document = protocol()
    document["blinding_groups"].append({"code": "BOX", "label": "Box"})
    document["kit_types"][2]["blinding_group"] = "BOX"
    for entry in document["dispensing"]:
        entry["kits"][0]["units_per_day"] = 1
    assert units_per_day_by_look(Protocol.model_validate(document), "V2") == {}
