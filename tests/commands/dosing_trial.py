"""The small blinded trial of tests/api/trial.py with what dosing can do: the protocol changed at a place, and kits as a test needs."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from sqlalchemy import select

from allocation.access.actors import SYSTEM_ACTOR
from allocation.commands.dispensing import DispenseRequest, dispense
from allocation.commands.kits import LoadKitsRequest, LoadLotsRequest, load_kits, load_lots
from allocation.commands.lists import (
    ACTIVATION,
    ActivateListRequest,
    UploadListRequest,
    activate_list,
    activation_content,
    upload_list,
)
from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.service import Act
from allocation.commands.shipments import DispatchRequest, ReceiveRequest, dispatch_shipment, receive_shipment
from allocation.commands.sites import OpenSiteRequest, open_site
from allocation.errors import DomainRefusal
from allocation.ledger.export import export_ledger
from allocation.ledger.offline_verifier import verify
from allocation.ledger.replay import rebuild_projections
from allocation.ledger.schema import kit
from allocation.ledger.verify import verify_ledger
from allocation.study.protocol import Protocol
from tests.api.trial import AS_IS, KIT_TYPE_OF_ARM, STUDY, protocol, randomization_list
from tests.commands.derivation import Derivation
from tests.commands.desk import ACT, Desk
from tests.played_once import played_once

BECAUSE = Act(SYSTEM_ACTOR, reason="the subject says so")
EXPIRY = date(2027, 6, 30)


def document(dosing: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """The small trial with these `dosing` rules and other parts replaced; a site is seeded with two kits of each type."""
    data: dict[str, Any] = protocol()
    data["caps"] = []
    data["dosing"] = dosing or {}
    data |= changes
    return data


def dispensing(quantity: int, visits: tuple[str, ...] = ("V2", "V3")) -> list[dict[str, Any]]:
    """Each arm gets so many kits of its own type."""
    return [
        {"visits": list(visits), "arm": arm, "kits": [{"kit_type": kit_type, "quantity": quantity}]}
        for arm, kit_type in KIT_TYPE_OF_ARM.items()
    ]


@dataclass(frozen=True)
class Lot:
    """So many kits of a type and expiry."""

    kit_type: str
    kits: int = 6
    expiry: date = EXPIRY


PLENTY = tuple(Lot(kit_type) for kit_type in KIT_TYPE_OF_ARM.values())


def set_up(desk: Desk, data: dict[str, Any], lots: tuple[Lot, ...] = PLENTY, seed: int = 6) -> Desk:
    """The trial with these lots, of which each site gets `seed` kits of each type (or what there is)."""
    data["supply"]["parameters"][0]["parameters"] |= {"seed_quantity": seed, "max_buffer": max(3, seed)}
    key = ("dosing", json.dumps(data, sort_keys=True, default=str), lots, desk.now)
    played_once(desk.database, key, lambda: _begin(desk, data, lots))
    return desk


def _begin(desk: Desk, data: dict[str, Any], lots: tuple[Lot, ...]) -> None:
    desk.load(Protocol.model_validate(data))
    open_site(desk.service, ACT, STUDY, OpenSiteRequest(site_id="S01"))
    rows = [
        {"lot_id": f"ZZL{index}", "kit_type": lot.kit_type, "expiry_date": lot.expiry.isoformat()}
        for index, lot in enumerate(lots)
    ]
    load_lots(desk.service, ACT, STUDY, LoadLotsRequest.model_validate({"lots": rows}))
    kits = [
        {
            "kit_number": f"K{index}{place:02d}",
            "kit_type": lot.kit_type,
            "lot_id": f"ZZL{index}",
            "pick_sequence": 100 * place + index + 1,
        }
        for index, lot in enumerate(lots)
        for place in range(lot.kits)
    ]
    load_kits(desk.service, ACT, STUDY, LoadKitsRequest.model_validate({"depot_id": "D1", "kits": kits}))
    answer = upload_list(
        desk.service, ACT, STUDY, UploadListRequest.model_validate(randomization_list(AS_IS))
    )
    act = desk.signed(ACTIVATION, activation_content("ZZMRL", answer["sha256"]))
    activate_list(desk.service, act, STUDY, ActivateListRequest(list_id="ZZMRL"))
    for order in run_resupply(desk.service, ACT, STUDY, RunResupplyRequest())["orders"]:
        named = {"shipment_id": order["shipment_id"]}
        dispatch_shipment(desk.service, ACT, STUDY, DispatchRequest(**named))
        receive_shipment(desk.service, ACT, STUDY, ReceiveRequest(**named))


def give(desk: Desk, subject_id: str, visit_code: str | None, **more: Any) -> dict[str, Any]:
    """Dispense today."""
    request = DispenseRequest(subject_id=subject_id, visit_code=visit_code, **more)
    return dispense(desk.service, ACT, STUDY, request)


def kit_states(desk: Desk, *numbers: str) -> list[tuple[Any, ...]]:
    """Status, place, holder, subject and date of dispensing of these kits."""
    with desk.database.read() as connection:
        rows = {row.kit_number: row for row in connection.execute(select(kit))}
    return [
        (
            rows[one].status,
            rows[one].place_kind,
            rows[one].place,
            rows[one].subject_id,
            rows[one].dispensed_on,
        )
        for one in numbers
    ]


def kit_type_of(desk: Desk, *numbers: str) -> list[str]:
    with desk.database.read() as connection:
        found = {row.kit_number: row.kit_type for row in connection.execute(select(kit))}
    return [found[one] for one in numbers]


@contextmanager
def refused(desk: Desk, code: str, field: str | None = None) -> Iterator[pytest.ExceptionInfo[DomainRefusal]]:
    """The trial says no with this code, tells nothing that unblinds, and everything is as it was."""
    before = desk.state()
    with pytest.raises(DomainRefusal) as refusal:
        yield refusal
    assert refusal.value.code == code
    assert field is None or refusal.value.field == field
    assert "ZZ" not in str(refusal.value)
    assert desk.state() == before


def assert_sound(desk: Desk) -> None:
    """The ledger is whole, online and offline, tells the same story again, and every decision in it can be derived from it."""
    verification = verify_ledger(desk.database, STUDY)
    assert verification.intact, verification.difference
    before = desk.state()
    rebuild_projections(desk.database, STUDY)
    assert desk.state() == before
    assert Derivation(desk.database, STUDY).run()["dispense"] > 0
    with TemporaryDirectory() as folder:
        exported = Path(folder) / "ledger.jsonl"
        export_ledger(desk.database, STUDY, exported)
        assert verify(exported.read_text(encoding="utf-8").splitlines())[0] == verification.entries
