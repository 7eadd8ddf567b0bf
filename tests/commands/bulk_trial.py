"""The small blinded trial with syringes for every arm: bulk supply, which is handled by lot and quantity."""

from typing import Any

from allocation.commands.bulk_loading import LoadBulkRequest, load_bulk
from allocation.commands.kits import LoadLotsRequest, load_lots
from allocation.study.protocol import Protocol
from tests.api.trial import KIT_TYPE_OF_ARM, STUDY, protocol
from tests.commands.desk import ACT, Desk

SYRINGES_A_VISIT = 4


def bulk_document(**more: Any) -> dict[str, Any]:
    """The trial's protocol, in which every arm is given syringes beside its bottle. `more`: fields of the syringes' kit type."""
    document = protocol()
    document["blinding_groups"].append({"code": "SYRINGE", "label": "Syringe of 1 ml"})
    document["kit_types"].append(
        {
            "code": "SYRINGES",
            "name": "Syringe",
            "blinding_group": "SYRINGE",
            "units_per_kit": 1,
            "unit": "SYRINGE",
            "serialized": False,
            "expiry": {"dns_days": 30, "dnc_days": 20, "dnd_days": 15},
            **more,
        }
    )
    document["dispensing"] = [
        {
            "visits": ["V2", "V3"],
            "arm": arm,
            "kits": [
                {"kit_type": kind, "quantity": 1},
                {"kit_type": "SYRINGES", "quantity": SYRINGES_A_VISIT},
            ],
        }
        for arm, kind in KIT_TYPE_OF_ARM.items()
    ]
    document["supply"]["parameters"].append(
        {
            "level": "study",
            "kit_type": "SYRINGES",
            "parameters": {"min_buffer": 4, "max_buffer": 20, "seed_quantity": 12},
        }
    )
    document["dosing"] = {"replacement": True, **document.get("dosing", {})}
    return document


def syringe_lots() -> list[dict[str, Any]]:
    """Two lots: SY-B expires first; SY-A has another name for blinded people."""
    return [
        {"lot_id": "SY-A", "kit_type": "SYRINGES", "expiry_date": "2027-06-30", "blinded_lot": "SYR-1"},
        {"lot_id": "SY-B", "kit_type": "SYRINGES", "expiry_date": "2026-12-31"},
    ]


def with_syringes(desk: Desk, *, stocked: bool = True, document: dict[str, Any] | None = None) -> Desk:
    """The desk with the trial set up, 30 syringes of SY-A and 10 of SY-B at the depot, and if asked its sites stocked."""
    desk.set_up(stocked=False, document=Protocol.model_validate(document or bulk_document()))
    load_lots(desk.service, ACT, STUDY, LoadLotsRequest.model_validate({"lots": syringe_lots()}))
    load_syringes(desk, ("SY-A", 30), ("SY-B", 10))
    if stocked:
        desk.resupply()
    return desk


def load_syringes(
    desk: Desk, *rows: tuple[str, Any], depot_id: str = "D1", kit_type: str = "SYRINGES"
) -> Any:
    named = [{"kit_type": kit_type, "lot_id": lot, "quantity": quantity} for lot, quantity in rows]
    request = LoadBulkRequest.model_validate({"depot_id": depot_id, "rows": named})
    return load_bulk(desk.service, ACT, STUDY, request)
