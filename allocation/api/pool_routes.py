"""The route by which a study takes pooled kits from another one's stock."""

from __future__ import annotations

from typing import Any, Final

from allocation.api.answers import Answer
from allocation.api.bodies import REASON
from allocation.api.command_route import SUPPLY, CommandRoute
from allocation.commands.pooling import TakeFromPoolRequest, take_from_pool
from allocation.commands.service import CommandRequest


class TakeFromPoolBody(TakeFromPoolRequest):
    """Kits to take from another study's stock. The reason must be given."""

    reason: str = REASON


class TakeFromPoolAnswer(Answer):
    """What came in, by kit type of the study that takes it."""

    pool: str
    from_study: str
    place: str
    kits: int
    kit_types: dict[str, int]


POOL_EXAMPLES: Final[dict[type[CommandRequest], dict[str, Any]]] = {
    TakeFromPoolBody: {
        "pool": "PLACEBO",
        "from_study": "TRIAL-2",
        "depot_id": "DE-DEPOT",
        "kit_types": {"PLACEBO-35": 20},
        "reason": "our next delivery comes in six weeks",
    },
}

POOL_ROUTES: Final[tuple[CommandRoute, ...]] = (
    CommandRoute(
        "take_from_pool",
        "pool-takings",
        SUPPLY,
        "Take pooled kits from another study",
        take_from_pool,
        TakeFromPoolRequest,
        TakeFromPoolBody,
        TakeFromPoolAnswer,
    ),
)
