"""What a scan names: the kit of its number, when all that the label says agrees with the records. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import Connection, select

from allocation.access.actors import Actor
from allocation.access.permissions import PERMISSIONS
from allocation.commands.service import Service
from allocation.errors import DomainRefusal, NotFound
from allocation.gs1_labels import read_label
from allocation.ledger.schema import kit
from allocation.rules.scanned_kits import KitLabel, LabelElement, LotLabel, label_contradictions
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
    on_record = KitLabel(label.kit_number, gtin_of(protocol, row.kit_type), row.expiry_date, row.lot_id)
    wrong = label_contradictions(label, on_record)
    if not wrong:
        return
    if not _sees_lots(actor, study_id):
        wrong = tuple(one for one in wrong if one != LabelElement.LOT)
    raise contradiction(f"kit {label.kit_number}", label, on_record, wrong)


def gtin_of(protocol: Protocol, kit_type: str) -> str | None:
    """The GTIN that labels of a kit type bear, where its blinding group has one."""
    defined = protocol.kit_type(kit_type)
    group = "" if defined is None else defined.blinding_group
    return next((one.gtin for one in protocol.blinding_groups if one.code == group), None)


def contradiction(
    what: str, label: KitLabel | LotLabel, on_record: KitLabel | LotLabel, wrong: Iterable[LabelElement]
) -> DomainRefusal:
    """The refusal of a label; `wrong`: the elements that may be named."""
    said = {
        LabelElement.GTIN: (label.gtin, on_record.gtin or "none"),
        LabelElement.EXPIRY: (label.expiry, on_record.expiry),
        LabelElement.LOT: (label.lot, on_record.lot),
    }
    named = "; ".join(f"{_WORDS[one]} {said[one][0]}, on record {said[one][1]}" for one in wrong)
    thing = what.split(" ", 1)[0]
    return DomainRefusal(
        f"the label of {what} contradicts the records" + (f": {named}" if named else ""),
        code="label-contradicts",
        field="scan",
        fix=f"set the {thing} aside and tell the supply manager; nothing was done",
    )


def _sees_lots(actor: Actor, study_id: str) -> bool:
    allowed = PERMISSIONS["view.stock.unblinded"]
    return any(one.role in allowed and one.holds_in(study_id) for one in actor.grants)
