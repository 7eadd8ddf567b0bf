"""What a scan names: the kit of its number, when all that the label says agrees with the records. Writes nothing."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, select

from allocation.access.actors import Actor
from allocation.access.permissions import PERMISSIONS
from allocation.commands.service import Service
from allocation.errors import DomainRefusal, NotFound
from allocation.gs1_labels import read_label
from allocation.ledger.schema import kit
from allocation.rules.scanned_kits import KitLabel, LabelElement, label_contradictions
from allocation.study.protocol import Protocol
from allocation.views.blinded.labelled_kits import LabelledKit, labelled_kits
from allocation.views.study_at import study_at

_WORDS: Final = {LabelElement.GTIN: "GTIN", LabelElement.EXPIRY: "expiry", LabelElement.LOT: "lot"}


def scanned_kit(service: Service, actor: Actor, study_id: str, scan: str) -> LabelledKit:
    """The kit that was scanned, as blinded people may see it.

    Raises NotPermitted, NotFound for a kit out of reach, DomainRefusal (`label-unreadable`, `label-contradicts`).
    """
    label = read_label(scan)
    now = service.clock()
    (found,) = labelled_kits(service.database, actor, study_id, [label.kit_number], now=now, field="scan")
    with service.database.read() as connection:
        check_label(connection, study_at(connection, study_id, now).protocol, study_id, actor, label)
    return found


def check_label(
    connection: Connection, protocol: Protocol, study_id: str, actor: Actor, label: KitLabel
) -> None:
    """Refuse a label that says something else than the records. Raises NotFound, DomainRefusal (`label-contradicts`).

    A lot is named to those only who may see lots; the others learn that the label is wrong.
    """
    query = select(kit.c.kit_type, kit.c.expiry_date, kit.c.lot_id).where(
        kit.c.study_id == study_id, kit.c.kit_number == label.kit_number
    )
    row = connection.execute(query).first()
    if row is None:
        raise NotFound(f"kit {label.kit_number} is not known here", field="scan", fix="scan it again")
    kit_type = protocol.kit_type(row.kit_type)
    group = "" if kit_type is None else kit_type.blinding_group
    gtin = next((one.gtin for one in protocol.blinding_groups if one.code == group), None)
    on_record = KitLabel(label.kit_number, gtin, row.expiry_date, row.lot_id)
    wrong = label_contradictions(label, on_record)
    if not wrong:
        return
    if not _sees_lots(actor, study_id):
        wrong = tuple(one for one in wrong if one != LabelElement.LOT)
    said = {
        LabelElement.GTIN: (label.gtin, gtin or "none"),
        LabelElement.EXPIRY: (label.expiry, row.expiry_date),
        LabelElement.LOT: (label.lot, row.lot_id),
    }
    what = "; ".join(f"{_WORDS[one]} {said[one][0]}, on record {said[one][1]}" for one in wrong)
    raise DomainRefusal(
        f"the label of kit {label.kit_number} contradicts the records" + (f": {what}" if what else ""),
        code="label-contradicts",
        field="scan",
        fix="set the kit aside and tell the supply manager; nothing was done",
    )


def _sees_lots(actor: Actor, study_id: str) -> bool:
    allowed = PERMISSIONS["view.stock.unblinded"]
    return any(one.role in allowed and one.holds_in(study_id) for one in actor.grants)
