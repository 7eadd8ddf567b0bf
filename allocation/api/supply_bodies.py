"""Bodies of the routes of supplies: the command's own request, plus the reason that the ledger keeps."""

from __future__ import annotations

from typing import Any, Final

from allocation.api.bodies import REASON, SignatureBody
from allocation.commands.bulk_loading import LoadBulkRequest
from allocation.commands.expiry import ExpireKitsRequest
from allocation.commands.kit_acts import DestroyKitsRequest
from allocation.commands.kit_numbering import NumberKitsRequest
from allocation.commands.kit_scope import KitScopeRequest
from allocation.commands.kits import LoadKitsRequest, LoadLotsRequest
from allocation.commands.recalls import RecallLotRequest
from allocation.commands.resupply import RunResupplyRequest
from allocation.commands.service import CommandRequest
from allocation.commands.shipments import DispatchRequest


class LoadLotsBody(LoadLotsRequest):
    """Lots to load, all or none."""

    reason: str = REASON


class LoadKitsBody(LoadKitsRequest):
    """Kits that arrived at a depot, all or none."""

    reason: str = REASON


class LoadBulkBody(LoadBulkRequest):
    """Bulk supply that arrived at a depot, all or none of it."""

    reason: str = REASON


class ExpireKitsBody(ExpireKitsRequest):
    """Turn over all kits that are expired now."""

    reason: str = REASON


class NumberKitsBody(NumberKitsRequest):
    """Kits to number for the packager."""

    reason: str = REASON


class KitScopeBody(KitScopeRequest):
    """Kits by number, or all of a lot, a shipment or a site: one of the four. The reason must be given."""

    reason: str = REASON


class SignedKitScopeBody(KitScopeBody):
    """As `KitScopeBody`, signed."""

    signature: SignatureBody | None = None


class DestroyKitsBody(DestroyKitsRequest):
    """As `SignedKitScopeBody`, with the certificate of destruction."""

    reason: str = REASON
    signature: SignatureBody | None = None


class RecallLotBody(RecallLotRequest):
    """The lot to recall."""

    reason: str = REASON


class RunResupplyBody(RunResupplyRequest):
    """A resupply run."""

    reason: str = REASON


class DispatchBody(DispatchRequest):
    """A shipment that leaves its depot."""

    reason: str = REASON


SUPPLY_EXAMPLES: Final[dict[type[CommandRequest], dict[str, Any]]] = {
    LoadLotsBody: {
        "lots": [
            {
                "lot_id": "L2601",
                "kit_type": "K20",
                "expiry_date": "2028-06-30",
                "manufactured_on": "2026-01-15",
                "released_for": ["DEU", "FRA"],
            }
        ]
    },
    LoadKitsBody: {
        "depot_id": "EUD",
        "kits": [{"kit_number": "483920", "kit_type": "K20", "lot_id": "L2601"}],
    },
    LoadBulkBody: {
        "depot_id": "EUD",
        "rows": [{"kit_type": "SYRINGES", "lot_id": "SY2601", "quantity": 500}],
    },
    ExpireKitsBody: {},
    NumberKitsBody: {"lots": [{"lot_id": "L2601", "count": 500}], "digits": 7},
    KitScopeBody: {"kit_numbers": ["483920", "483921"], "reason": "carton was found open"},
    SignedKitScopeBody: {
        "site_id": "DE01",
        "reason": "refrigerator log reviewed, no excursion",
        "signature": {"password": "correct horse battery", "meaning": "kits released from quarantine"},
    },
    DestroyKitsBody: {
        "kit_numbers": ["483920"],
        "certificate": {
            "number": "DC-2026-014",
            "destroyed_on": "2026-11-03",
            "place": "Nord Entsorgung, Hamburg",
            "file_name": "dc-2026-014.pdf",
            "file_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        },
        "reason": "expired on 2026-09-30",
        "signature": {"password": "correct horse battery", "meaning": "kits destroyed"},
    },
    RecallLotBody: {"lot_id": "L2601", "reason": "out of specification at 12 months"},
    RunResupplyBody: {"sites": ["DE01", "DE02"]},
    DispatchBody: {"shipment_id": "DE01-S001", "carrier": "Cold Chain Express", "tracking_number": "CC123"},
}
"""One example for each body, for the OpenAPI description."""
