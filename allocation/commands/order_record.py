"""The record of an order: the facts behind it, from which the same order is derived again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from allocation.commands.site_supply import SiteNeed
from allocation.rules.fair_share import SharedKitType
from allocation.rules.orders import RULE_VERSION, OrderProposal

NOTHING_TO_SHIP = "the depot has nothing to ship"
"""Why a site that is in need gets no order: its depot is empty, or its share of it is nothing."""


def decision_record(
    need: SiteNeed, proposal: OrderProposal | None, shared: Mapping[str, SharedKitType]
) -> dict[str, Any]:
    """The facts behind an order: what was counted, each subject visit, the levels, and what the depot could give.

    `proposal` is None where nothing was to be ordered. `shared`: how the run shared out the kit types that the depot is short of.
    """
    return {
        "why": need.why,
        "decisions": [
            {
                **{
                    name: value
                    for name, value in asdict(one).items()
                    if name not in ("parameters", "counted")
                },
                "parameters": {
                    name: getattr(value, "value", value) for name, value in asdict(one.parameters).items()
                },
                "parameter_sources": {
                    name: str(source) for name, source in need.parameters[one.kit_type].sources.items()
                },
                "buffers": _buffers_record(need, one.kit_type),
                "counted": [[due.subject, due.visit, due.due_offset, due.quantity] for due in one.counted],
            }
            for one in need.decisions
        ],
        "paused": dict(need.paused),
        "ignored_subjects": [list(one) for one in need.ignored_subjects],
        "lines": lines_record(proposal),
        "timing": None if need.timing is None else asdict(need.timing),
        "fair_share": [asdict(one) for one in shared.values()],
        "rule_version": RULE_VERSION,
        "exposed_groups": [] if proposal is None else list(proposal.exposed_groups),
    }


def lines_record(proposal: OrderProposal | None) -> list[dict[str, Any]]:
    """What was ordered of each kit type, why it was raised, and what the depot gave."""
    return [
        {
            "kit_type": line.line.kit_type,
            "needed": line.line.needed,
            "ordered": line.line.ordered,
            "raised": [why.value for why in line.line.raised],
            "shipped": len(line.shipped),
            "shortfall": line.shortfall,
        }
        for line in (() if proposal is None else proposal.lines)
    ]


def _buffers_record(need: SiteNeed, kit_type: str) -> dict[str, Any]:
    """Which provider gave the two buffers, and the inputs that it had."""
    provider = need.parameters[kit_type].buffer_from
    record = need.buffers[kit_type].record
    return {"provider": provider} if record is None else {"provider": provider, **asdict(record)}


def site_result(
    site_id: str,
    need: SiteNeed,
    proposal: OrderProposal | None,
    shared: Mapping[str, SharedKitType] | None = None,
) -> dict[str, Any]:
    """One site's line in the run's entry: what was counted by kit type, the levels, and why nothing was sent."""
    shipped = {} if proposal is None else {line.line.kit_type: len(line.shipped) for line in proposal.lines}
    short = {line.line.kit_type: line.shortfall for line in (() if proposal is None else proposal.lines)}
    short = {kit_type: kits for kit_type, kits in short.items() if kits}
    why = need.why
    if proposal is not None and not proposal.shipped:
        why = NOTHING_TO_SHIP
    return {
        "site_id": site_id,
        "shipment_id": None,
        "shipped": sum(shipped.values()),
        "shortfall": 0 if proposal is None else proposal.shortfall,
        **({"short": short} if short else {}),
        "why": why,
        "fair_share": [asdict(one) for one in (shared or {}).values()] if why == NOTHING_TO_SHIP else [],
        "kit_types": [
            [
                one.kit_type,
                one.on_hand,
                one.pipeline,
                one.d_short,
                one.d_long,
                one.trigger_level,
                one.up_to_level,
                one.quantity,
            ]
            for one in need.decisions
        ],
    }
