"""What loaded kits, lots and depot stock give away, on plain values."""

from datetime import date
from typing import Any

import pytest

from allocation.rules.kit_list_leaks import ListedKit
from allocation.rules.kit_numbers import number_kits
from allocation.study.lint_finding import LintFinding, Severity
from allocation.study.protocol import Protocol
from allocation.study.stock_lint import LoadedLot, LoadedStock, lint_stock
from tests.study.small_protocol import with_changes

TYPES = ("K1", "K2", "KP")
SAME, OTHER = date(2027, 1, 31), date(2027, 6, 30)
SCRAMBLED = tuple(
    ListedKit(one.number, TYPES[index % 3], one.pick_sequence, SAME.isoformat())
    for index, one in enumerate(number_kits(7, 90))
)


def lot(kit_type: str, expiry: date = SAME, countries: tuple[str, ...] = ("*",), kits: int = 30) -> LoadedLot:
    return LoadedLot(f"L{TYPES.index(kit_type)}{expiry:%m}", kit_type, expiry, countries, kits)


EVEN = tuple(lot(kit_type) for kit_type in TYPES)
DEPOTS = {"D1": {"K1": 10, "K2": 10, "KP": 10}}


def linted(
    kits: tuple[ListedKit, ...] = SCRAMBLED,
    lots: tuple[LoadedLot, ...] = EVEN,
    depots: dict[str, dict[str, int]] = DEPOTS,
    changes: dict[str, Any] | None = None,
) -> list[LintFinding]:
    protocol = Protocol.model_validate(with_changes(changes or {}))
    return lint_stock(protocol, LoadedStock(kits, lots, depots))


def test_scrambled_kits_in_blinded_lots_leave_one_note() -> None:
    assert [(one.code, one.severity) for one in linted()] == [("lots-map-to-types", Severity.NOTE)]


def test_kits_numbered_by_type_and_picked_by_number_are_errors_for_their_types() -> None:
    kits = tuple(ListedKit(str(1000 + i), TYPES[i // 30], i + 1, SAME.isoformat()) for i in range(90))
    found = {one.code: one for one in linted(kits)}
    assert found["numbers-tell-type"].severity == found["picks-by-number"].severity == Severity.ERROR
    assert found["numbers-tell-type"].kit_types == TYPES
    assert "3 runs of one kit type" in found["numbers-tell-type"].message
    assert found["numbers-without-gaps"].severity == Severity.WARNING


@pytest.mark.parametrize(
    ("lots", "code", "severity", "kit_types", "said"),
    [
        # K1 and K2 are of arm A alone, KP of arm P alone
        ((lot("K1"), lot("K2"), lot("KP", OTHER)), "lot-maps-to-arm", "error", ("KP",), "the mark of arm P"),
        ((*EVEN, lot("K1", OTHER), lot("K2", OTHER)), "lot-maps-to-arm", "error", ("K1", "K2"), "the mark of arm A"),
        ((*EVEN, lot("K1", OTHER), lot("KP", OTHER)), "expiry-tells-type", "warning", ("K1", "KP"), "no arm is ruled out"),
    ],
)  # fmt: skip
def test_an_expiry_date_that_only_some_types_have_is_told_with_the_arms_that_it_leaves(
    lots: tuple[LoadedLot, ...], code: str, severity: str, kit_types: tuple[str, ...], said: str
) -> None:
    found = [one for one in linted(lots=lots) if one.value == OTHER.isoformat()]
    assert [(one.code, one.severity.value, one.kit_types) for one in found] == [(code, severity, kit_types)]
    assert said in found[0].message
    assert found[0].places == ("country DEU", "country USA")


def test_a_date_that_rules_out_one_of_three_arms_is_a_warning() -> None:
    three = {
        "arms[2]": {"code": "B", "name": "Both", "ratio": 1, "start_dose_level": "LOW"},
        "cells[4]": {"arm": "B", "epoch": "SCR", "elements": ["SCRN"]},
        "cells[5]": {"arm": "B", "epoch": "TRT", "elements": ["ACT"]},
        "dispensing[3]": {"visits": ["V2", "V3"], "arm": "B", "kits": [{"kit_type": "K1", "quantity": 1}]},
        "exposure": {},
        "randomization[0].block_sizes": [12],
    }
    lots = (*EVEN, lot("K1", OTHER), lot("K2", OTHER))
    found = [one for one in linted(lots=lots, changes=three) if one.value == OTHER.isoformat()]
    assert [(one.code, one.severity) for one in found] == [("lot-rules-out-arm", Severity.WARNING)]
    assert "not in arm P" in found[0].message


def test_a_lot_counts_where_it_is_released_and_while_kits_of_it_are_left() -> None:
    here = (lot("K1"), lot("K2"), lot("KP"), lot("KP", OTHER, ("USA",)))
    found = [one for one in linted(lots=here) if one.code == "lot-maps-to-arm"]
    assert [one.places for one in found] == [("country USA",)]
    assert [one.code for one in linted(lots=(*EVEN, lot("KP", OTHER, kits=0)))] == ["lots-map-to-types"]


def test_a_lot_number_with_the_kit_type_in_it_is_a_warning() -> None:
    named = LoadedLot("2026-kp-01", "KP", SAME, ("*",), 5)
    found = [one for one in linted(lots=(*EVEN, named)) if one.code == "lot-names-type"]
    assert [one.value for one in found] == ["lot 2026-kp-01"]


def test_a_blinded_lot_of_one_type_is_a_warning_and_one_over_all_types_none() -> None:
    def blinded(number: str, *types: str) -> tuple[LoadedLot, ...]:
        return tuple(LoadedLot(f"{number}-{code}", code, SAME, ("*",), 5, f"B-{number}") for code in types)

    lots = (*blinded("1", "K1", "K2", "KP"), *blinded("2", "KP"))
    found = [one for one in linted(lots=lots) if one.code == "blinded-lot-tells-type"]
    assert [(one.value, one.severity, one.kit_types) for one in found] == [
        ("blinded lot B-2", Severity.WARNING, ("KP",))
    ]


def test_a_date_of_one_country_is_judged_in_that_country() -> None:
    there = LoadedLot("9", "KP", SAME, ("*",), 5, None, {"USA": OTHER})
    found = [one for one in linted(lots=(*EVEN, there)) if one.code == "lot-maps-to-arm"]
    assert [(one.value, one.places) for one in found] == [(OTHER.isoformat(), ("country USA",))]


def test_a_depot_with_one_type_left_is_a_warning() -> None:
    found = linted(depots={"D1": {"K1": 4, "K2": 0}, "D2": {}})
    assert [(one.code, one.places, one.kit_types) for one in found if one.severity == Severity.WARNING] == [
        ("depot-holds-one-type", ("depot D1",), ("K1",))
    ]


def test_an_open_label_study_has_nothing_to_hide() -> None:
    kits = tuple(ListedKit(str(1000 + i), TYPES[i // 30], i + 1, "x") for i in range(90))
    assert linted(kits, changes={"study.blinding": "open_label"}) == []
