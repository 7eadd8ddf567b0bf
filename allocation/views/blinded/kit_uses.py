"""Every dispensing of a kit: the present one that the kit itself knows, and the ended uses of devices that are used again.

A device that was found unfit after a use still knows its subject, so that use is read from the kit.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import ColumnElement, Select, Subquery, Text, and_, literal, select, union_all

from allocation.ledger.schema import device_use, kit
from allocation.rules.kit_status import KitStatus
from allocation.study.protocol import Protocol
from allocation.views.blinded.kit_groups import kit_group


def kit_uses(study_id: str) -> Subquery:
    """A row for each dispensing of each kit: kit_number, kit_type, use (from 1), subject_id, visit_number, dispensed_on,
    return_asked_on, status (of an ended use `returned`, as which it ended)."""
    ended = device_use.c
    now = select(
        kit.c.kit_number,
        kit.c.kit_type,
        (kit.c.uses + 1).label("use"),
        kit.c.subject_id,
        kit.c.visit_number,
        kit.c.dispensed_on,
        kit.c.return_asked_on,
        kit.c.status,
    ).where(kit.c.study_id == study_id, kit.c.dispensed_on.is_not(None))
    before = _ended(
        study_id,
        kit.c.kit_number,
        kit.c.kit_type,
        ended.use,
        ended.subject_id,
        ended.visit_number,
        ended.dispensed_on,
        ended.return_asked_on,
        _RETURNED,
    )
    return union_all(now, before).subquery("kit_use")


def earlier_uses(study_id: str, protocol: Protocol, subject_id: str) -> Select[Any]:
    """The devices that a subject had and that are used again since: kit_number, kit_group, status, visit_number, dispensed_on."""
    ended = device_use.c
    return (
        _ended(
            study_id,
            kit.c.kit_number,
            kit_group(protocol),
            _RETURNED,
            ended.visit_number,
            ended.dispensed_on,
        )
        .where(ended.subject_id == subject_id)
        .order_by(ended.dispensed_on, kit.c.kit_number, ended.use)
    )


_RETURNED: Final = literal(KitStatus.RETURNED.value, Text).label("status")


def _ended(study_id: str, *columns: ColumnElement[Any]) -> Select[Any]:
    ended = device_use.c
    return (
        select(*columns)
        .join_from(
            device_use, kit, and_(kit.c.study_id == ended.study_id, kit.c.kit_number == ended.kit_number)
        )
        .where(ended.study_id == study_id, ended.outcome == "fit")
    )
