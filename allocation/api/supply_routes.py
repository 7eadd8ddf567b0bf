"""The routes of what happens to supplies; the signed acts on kits are in signed_kit_routes.py."""

from __future__ import annotations

from typing import Final

from allocation.api import answers
from allocation.api import supply_bodies as bodies
from allocation.api.command_route import SUPPLY, CommandRoute
from allocation.commands.bulk_loading import LoadBulkRequest, load_bulk
from allocation.commands.expiry import ExpireKitsRequest, expire_kits
from allocation.commands.kit_acts import quarantine_kits, report_kits_damaged, report_kits_lost
from allocation.commands.kit_numbering import NumberKitsRequest, number_kits_of_lots
from allocation.commands.kit_scope import KitScopeRequest
from allocation.commands.kits import LoadKitsRequest, LoadLotsRequest, load_kits, load_lots
from allocation.commands.recalls import RecallLotRequest, recall_lot
from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.shipments import DispatchRequest, dispatch_shipment

SUPPLY_ROUTES: Final[tuple[CommandRoute, ...]] = (
    CommandRoute(
        "dispatch_shipment",
        "dispatches",
        SUPPLY,
        "Send a shipment off",
        dispatch_shipment,
        DispatchRequest,
        bodies.DispatchBody,
        answers.DispatchAnswer,
    ),
    CommandRoute(
        "run_resupply",
        "resupply-runs",
        SUPPLY,
        "Run resupply",
        run_resupply,
        RunResupplyRequest,
        bodies.RunResupplyBody,
        answers.RunResupplyAnswer,
    ),
    CommandRoute(
        "expire_kits",
        "expiries",
        SUPPLY,
        "Turn expired kits over",
        expire_kits,
        ExpireKitsRequest,
        bodies.ExpireKitsBody,
        answers.ExpireKitsAnswer,
    ),
    CommandRoute(
        "quarantine_kits",
        "quarantines",
        SUPPLY,
        "Put kits into quarantine",
        quarantine_kits,
        KitScopeRequest,
        bodies.KitScopeBody,
        answers.KitActAnswer,
    ),
    CommandRoute(
        "report_kits_damaged",
        "damaged-kits",
        SUPPLY,
        "Record that kits are damaged",
        report_kits_damaged,
        KitScopeRequest,
        bodies.KitScopeBody,
        answers.KitActAnswer,
    ),
    CommandRoute(
        "report_kits_lost",
        "lost-kits",
        SUPPLY,
        "Record that kits are lost",
        report_kits_lost,
        KitScopeRequest,
        bodies.KitScopeBody,
        answers.KitActAnswer,
    ),
    CommandRoute(
        "recall_lot",
        "recalls",
        SUPPLY,
        "Recall a lot",
        recall_lot,
        RecallLotRequest,
        bodies.RecallLotBody,
        answers.RecallLotAnswer,
    ),
    CommandRoute(
        "load_lots",
        "lots",
        SUPPLY,
        "Load lots",
        load_lots,
        LoadLotsRequest,
        bodies.LoadLotsBody,
        answers.LoadLotsAnswer,
    ),
    CommandRoute(
        "number_kits",
        "kit-lists",
        SUPPLY,
        "Number kits for the packager",
        number_kits_of_lots,
        NumberKitsRequest,
        bodies.NumberKitsBody,
        answers.NumberKitsAnswer,
    ),
    CommandRoute(
        "load_kits",
        "kits",
        SUPPLY,
        "Load kits into a depot",
        load_kits,
        LoadKitsRequest,
        bodies.LoadKitsBody,
        answers.LoadKitsAnswer,
    ),
    CommandRoute(
        "load_bulk",
        "bulk-supplies",
        SUPPLY,
        "Load bulk supply into a depot",
        load_bulk,
        LoadBulkRequest,
        bodies.LoadBulkBody,
        answers.LoadBulkAnswer,
    ),
)
