"""Every route that runs a command, and the example of every body, from the tables of each subject."""

from __future__ import annotations

from typing import Any, Final

from allocation.api.bodies import EXAMPLES
from allocation.api.code_break_routes import CODE_BREAK_EXAMPLES, SIGNED_CODE_BREAK_ROUTES
from allocation.api.command_route import CommandRoute
from allocation.api.command_routes import COMMAND_ROUTES
from allocation.api.device_routes import DEVICE_EXAMPLES, SIGNED_DEVICE_ROUTES
from allocation.api.excursion_routes import EXCURSION_EXAMPLES, EXCURSION_ROUTES, SIGNED_EXCURSION_ROUTES
from allocation.api.lot_routes import LOT_EXAMPLES, SIGNED_LOT_ROUTES
from allocation.api.pool_routes import POOL_EXAMPLES, POOL_ROUTES
from allocation.api.proposal_routes import PROPOSAL_EXAMPLES, PROPOSAL_ROUTES, SIGNED_PROPOSAL_ROUTES
from allocation.api.resupply_routes import RESUPPLY_EXAMPLES, RESUPPLY_ROUTES
from allocation.api.return_bodies import RETURN_EXAMPLES
from allocation.api.return_routes import RETURN_ROUTES, SIGNED_RETURN_ROUTES
from allocation.api.shipment_bodies import SHIPMENT_EXAMPLES
from allocation.api.shipment_routes import SHIPMENT_ROUTES
from allocation.api.supply_bodies import SUPPLY_EXAMPLES
from allocation.api.supply_routes import SUPPLY_ROUTES
from allocation.api.vault_routes import VAULT_EXAMPLES, VAULT_ROUTES
from allocation.commands.service import CommandRequest

ROUTES: Final[tuple[CommandRoute, ...]] = (
    *COMMAND_ROUTES,
    *SUPPLY_ROUTES,
    *SHIPMENT_ROUTES,
    *RESUPPLY_ROUTES,
    *POOL_ROUTES,
    *RETURN_ROUTES,
    *EXCURSION_ROUTES,
    *VAULT_ROUTES,
    *PROPOSAL_ROUTES,
)

SIGNED_ROUTES: Final[tuple[CommandRoute, ...]] = (
    *SIGNED_LOT_ROUTES,
    *SIGNED_EXCURSION_ROUTES,
    *SIGNED_RETURN_ROUTES,
    *SIGNED_DEVICE_ROUTES,
    *SIGNED_CODE_BREAK_ROUTES,
    *SIGNED_PROPOSAL_ROUTES,
)
"""Those whose body is signed as it is asked for (signed_route.py); what is signed otherwise has routes of its own."""

BODY_EXAMPLES: Final[dict[type[CommandRequest], dict[str, Any]]] = {
    **EXAMPLES,
    **SUPPLY_EXAMPLES,
    **SHIPMENT_EXAMPLES,
    **RESUPPLY_EXAMPLES,
    **POOL_EXAMPLES,
    **LOT_EXAMPLES,
    **EXCURSION_EXAMPLES,
    **RETURN_EXAMPLES,
    **VAULT_EXAMPLES,
    **DEVICE_EXAMPLES,
    **CODE_BREAK_EXAMPLES,
    **PROPOSAL_EXAMPLES,
}
