"""Kits that were in a shipment's box without being on its list: misallocated ones, found and locked where the records have them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import select

from allocation.commands.scanning import check_label
from allocation.commands.transaction import Transaction
from allocation.errors import DomainRefusal, NotFound
from allocation.gs1_labels import read_label
from allocation.ledger.schema import depot, kit, site
from allocation.ledger.shipment_ends import ShipmentEnds
from allocation.rules.kit_status import Act, KitStatus, Place, rows_of

_FROM = {(row.from_status, row.from_place) for row in rows_of(Act.RECEIVE_UNLISTED)}


def scanned_numbers(transaction: Transaction, scans: Sequence[str]) -> tuple[str, ...]:
    """The kit numbers of these scans, in their order. Raises NotFound, DomainRefusal for a label that contradicts the records."""
    labels = [read_label(scan) for scan in scans]
    for label in labels:
        check_label(
            transaction.connection, transaction.protocol, transaction.study_id, transaction.act.actor, label
        )
    return tuple(label.kit_number for label in labels)


def unlisted_kits(
    transaction: Transaction, numbers: Sequence[str], ends: ShipmentEnds, inside: Collection[str]
) -> list[list[str]]:
    """Number, status, kind of place and place of each of these kits, by number; locked, and so is the depot or site that has it.

    Raises NotFound for an unknown kit, DomainRefusal for one that is scanned twice, is in the shipment after all, or
    is where no delivery takes it from (such as with a subject), and where the destination is no site.
    """
    if not numbers:
        return []
    if ends.to_kind != Place.SITE:
        raise DomainRefusal(
            "unlisted kits are recorded by the site that receives them",
            code="not-at-a-site",
            field="unlisted",
            fix="report them to the supply manager",
        )
    if listed := sorted(set(numbers) & set(inside)):
        raise DomainRefusal(
            f"kits {', '.join(listed)} are in the shipment",
            code="kit-listed",
            field="unlisted",
            fix="name only kits that the shipment does not list",
        )
    if len(set(numbers)) != len(numbers):
        raise DomainRefusal(
            "a kit was scanned twice", code="kit-twice", field="unlisted", fix="name each kit once"
        )
    _lock_holders(transaction, numbers)
    query = (
        select(kit.c.kit_number, kit.c.status, kit.c.place_kind, kit.c.place)
        .where(kit.c.study_id == transaction.study_id, kit.c.kit_number.in_(numbers))
        .order_by(kit.c.kit_number)
    )
    found = transaction.connection.execute(query.with_for_update()).all()
    for row in found:
        here = (row.place_kind, row.place) == (Place.SITE.value, ends.to_place)
        if here or (KitStatus(row.status), Place(row.place_kind)) not in _FROM:
            raise DomainRefusal(
                f"kit {row.kit_number} cannot have come in this box by the records",
                code="kit-elsewhere",
                field="unlisted",
                fix="keep it apart and call the supply manager; nothing was recorded",
            )
    if len(found) != len(numbers):
        raise NotFound("a scanned kit is not known", field="unlisted", fix="scan it again")
    return [[row.kit_number, row.status, row.place_kind, row.place] for row in found]


def _lock_holders(transaction: Transaction, numbers: Sequence[str]) -> None:
    """Lock the other depots and sites that have these kits, so that nothing is shipped or dispensed there meanwhile."""
    holds = (kit.c.study_id == transaction.study_id) & kit.c.kit_number.in_(numbers)
    for table, key, kind in ((site, site.c.site_id, Place.SITE), (depot, depot.c.depot_id, Place.DEPOT)):
        places = select(kit.c.place).where(holds, kit.c.place_kind == kind.value)
        query = select(key).where(table.c.study_id == transaction.study_id, key.in_(places)).order_by(key)
        transaction.connection.execute(query.with_for_update()).all()
