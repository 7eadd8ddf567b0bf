"""Folds of the vault's entries: there is nothing to fold, since no entry holds an address and the vault is no projection."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from allocation.ledger.projections.fold import Fold


def leave_alone(
    _connection: Connection, _study: str, _subject: str, _site: str, _after: dict[str, Any]
) -> None:
    """Change nothing: the entry says only that the vault was written to."""


FOLDS: dict[str, Fold] = {"set_patient_address": leave_alone, "forget_patient_address": leave_alone}
