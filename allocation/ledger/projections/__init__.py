"""Projections: the current state, folded from entries. The same function folds a live entry and a replayed one.

A fold reads nothing but its own entry's payload and the rows that it changes, so replay in sealed order gives equal tables.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from allocation.ledger.projections import (
    code_breaks,
    devices,
    edc,
    excursions,
    handing_out,
    lots,
    parcels,
    pools,
    proposals,
    randomizations,
    resupply_pauses,
    returns,
    shipment_steps,
    studies,
    subjects,
    supply,
    vault,
)
from allocation.ledger.projections.fold import Fold, ProjectionConflict

FOLDS: dict[str, Fold] = {
    **studies.FOLDS,
    **subjects.FOLDS,
    **handing_out.FOLDS,
    **randomizations.FOLDS,
    **supply.FOLDS,
    **shipment_steps.FOLDS,
    **resupply_pauses.FOLDS,
    **lots.FOLDS,
    **pools.FOLDS,
    **returns.FOLDS,
    **devices.FOLDS,
    **excursions.FOLDS,
    **edc.FOLDS,
    **vault.FOLDS,
    **parcels.FOLDS,
    **code_breaks.FOLDS,
    **proposals.FOLDS,
}
"""Command name to the function that folds its entry."""

UNPROJECTED = frozenset(
    {
        "create_account",
        "set_password",
        "grant_role",
        "revoke_grant",
        "issue_token",
        "revoke_token",
        "lock_account",
        "issue_edc_key",
        "revoke_edc_key",
        "set_email",
        "set_notifications",
    }
)
"""Commands whose entries are a record only: their state (accounts) is no projection."""


def project(
    connection: Connection,
    study_id: str,
    command: str,
    subject_id: str | None,
    site_id: str | None,
    after: dict[str, Any],
) -> None:
    """Fold one entry into the projections.

    Raises ProjectionConflict when the state does not allow it (a kit that is elsewhere), LookupError for an unknown command.
    """
    if command in UNPROJECTED:
        return
    FOLDS[command](connection, study_id, subject_id or "", site_id or "", after)


__all__ = ["FOLDS", "ProjectionConflict", "project"]
