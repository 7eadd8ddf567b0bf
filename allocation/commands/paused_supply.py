"""Which kit types a site is not ordered automatically, and why: what the protocol pauses, and what was paused by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, select

from allocation.ledger.schema import resupply_pause
from allocation.rules.resupply_pause import Pause, why_paused
from allocation.study.parameters import EffectiveParameters


def pauses_by_hand(connection: Connection, study_id: str) -> tuple[Pause, ...]:
    """Every pause by hand in the study that has not been lifted."""
    rows = connection.execute(select(resupply_pause).where(resupply_pause.c.study_id == study_id))
    return tuple(
        Pause(row.site_id or None, row.kit_type or None, row.paused_by, row.reason, row.paused_at)
        for row in rows
    )


def paused_types(
    site_id: str, parameters: Mapping[str, EffectiveParameters], pauses: Sequence[Pause]
) -> dict[str, str]:
    """The kit types that are not ordered automatically, each with why."""
    set_by = {code: str(found.sources["paused"]) for code, found in parameters.items() if found.paused}
    whys = {code: why_paused(site_id, code, set_by.get(code), pauses) for code in parameters}
    return {code: why for code, why in whys.items() if why is not None}


def why_all_paused(paused: Mapping[str, str]) -> str:
    """One reason for all kit types is told; where the protocol pauses them all, its own parameters say so."""
    whys = set(paused.values())
    by_hand = any(not why.startswith("paused by the protocol") for why in whys)
    return whys.pop() if by_hand and len(whys) == 1 else "paused"
