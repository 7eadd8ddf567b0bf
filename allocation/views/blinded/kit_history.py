"""The chain of custody of a kit, entry by entry, in words that blinded people may read.

Kits are loaded, recalled and often quarantined by lot: who saw which kits share such an entry would learn which are alike. So a blinded
reader is told of it without entry number, person and words; of a load and a change of study not even the day; of a recall only at the own
site.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, and_, false, or_, select

from allocation.access.actors import Actor
from allocation.access.permissions import BLINDED_ROLES, PERMISSIONS
from allocation.errors import NotFound
from allocation.ledger.database import Database
from allocation.ledger.schema import kit, ledger_entry, ledger_seal, shipment, shipment_kit
from allocation.ledger.shipment_ends import COLUMNS, ends_of_row
from allocation.rules.kit_status import Place
from allocation.views.blinded.events import WORDS
from allocation.views.blinded.kit_groups import kit_group
from allocation.views.shape import View
from allocation.views.study_at import study_at
from allocation.views.visible import Visible, visible

WITHOUT_DAY: Final = frozenset({"load_kits", "load_bulk", "take_from_pool", "lend_kits"})
BY_TYPE: Final = WITHOUT_DAY | {"recall_lot"}
"""Commands that are done to kits because of what is in them."""

_SHIPMENT_OF_KIT: Final = (shipment.c.study_id == shipment_kit.c.study_id) & (
    shipment.c.shipment_id == shipment_kit.c.shipment_id
)


class CustodyStep(View):
    """What happened to the kit. `entry`: the position in the ledger (null: not sealed yet, or not told); `recorded_at` UTC."""

    entry: int | None
    recorded_at: datetime | None
    act: str
    text: str
    actor: str | None
    role: str | None
    site_id: str | None
    subject_id: str | None
    reason: str


class KitHistory(View):
    """A kit, where it is now, and how it came there. `place`: the depot, shipment, site or subject that has it."""

    study_id: str
    kit_number: str
    kit_group: str
    status: str
    place_kind: str
    place: str
    steps: tuple[CustodyStep, ...]


def kit_history(database: Database, actor: Actor, study_id: str, number: str) -> KitHistory:
    """The chain of custody of a kit. Raises NotPermitted, and NotFound also for a kit that the reader's places never had."""
    with database.read() as connection:
        seen = visible(connection, actor, "view.accountability", study_id)
        at = study_at(connection, study_id)
        row = (
            connection.execute(
                select(
                    kit.c.kit_number, kit_group(at.protocol), kit.c.status, kit.c.place_kind, kit.c.place
                ).where(kit.c.study_id == study_id, kit.c.kit_number == number)
            )
            .mappings()
            .first()
        )
        entries = ledger_entry.c
        shipped = connection.execute(
            select(shipment.c.shipment_id, *COLUMNS)
            .join_from(shipment_kit, shipment, _SHIPMENT_OF_KIT)
            .where(shipment_kit.c.study_id == study_id, shipment_kit.c.kit_number == number)
        ).all()
        query = (
            select(
                entries.command,
                entries.recorded_at,
                entries.actor,
                entries.role,
                entries.site_id,
                entries.subject_id,
                entries.reason,
                ledger_seal.c.position,
            )
            .outerjoin_from(ledger_entry, ledger_seal, ledger_seal.c.entry_id == entries.entry_id)
            .where(
                entries.study_id == study_id,
                entries.command.in_(tuple(WORDS)),
                _names(number, [one.shipment_id for one in shipped]),
            )
            .order_by(entries.entry_id)
        )
        found = connection.execute(query).all()
        sites = {one.site_id for one in found if one.site_id is not None}
        depots = {depot for one in shipped for depot in _depots(one)}
        if row is None or not _is_seen(seen, row, sites, depots):
            raise NotFound(
                f"kit {number} is not known here", field="kit_number", fix="correct the kit number"
            )
        roles = set(actor.roles_in(study_id))
        unblinded, recalls, subjects = (
            bool(PERMISSIONS[name] & roles)
            for name in ("view.stock.unblinded", "view.recalls", "view.subjects.blinded")
        )
        told = [
            custody_step(one, unblinded, subjects)
            for one in found
            if (one.site_id is None or seen.whole_study or seen.depots or one.site_id in seen.sites)
            and (one.command != "recall_lot" or recalls)
        ]
        return KitHistory(study_id=study_id, **dict(row), steps=tuple(told))


def _names(number: str, shipments: Sequence[str]) -> ColumnElement[bool]:
    """The condition that an entry is of the kit. Loads and orders name their kits in the payload alone, which is never given out."""
    entries = ledger_entry.c
    loaded = entries.after_json.contains(f'["{number}",', autoescape=True)
    ordered = [entries.after_json.contains(f'"shipment_id":"{one}"', autoescape=True) for one in shipments]
    return or_(
        entries.kit_numbers.contains(f'"{number}"', autoescape=True),
        and_(entries.command.in_(("load_kits", "load_bulk")), loaded),
        and_(entries.command == "order_shipment", or_(false(), *ordered)),
    )


def _is_seen(seen: Visible, row: Any, sites: set[str], depots: set[str]) -> bool:
    """Whether the reader's places have, or had, the kit."""
    if row["place_kind"] in (Place.DEPOT.value, Place.RETURNED.value):
        depots = depots | {row["place"]}
    return seen.whole_study or bool(sites & seen.sites) or bool(depots & seen.depots)


def _depots(row: Row[Any]) -> Iterator[str]:
    """The depots at the ends of a shipment."""
    ends = ends_of_row(row)
    if ends.from_kind == Place.DEPOT:
        yield ends.from_place
    if ends.to_kind == Place.DEPOT:
        yield ends.to_place


def custody_step(
    one: Any, unblinded: bool, subjects: bool, kits: str = "1 kit", *, told_by_lot: bool = False
) -> CustodyStep:
    """An entry as the reader may read it: with treatments (`unblinded`), with `subjects`. `kits`: what it was done to.

    `told_by_lot`: of bulk supply, of which everybody reads the lot.
    """
    by_type = one.command in BY_TYPE and not told_by_lot
    without_day = one.command in WITHOUT_DAY and not told_by_lot
    whole = unblinded or (not by_type and one.role in BLINDED_ROLES | {"system"})
    who = one.subject_id if subjects or one.subject_id is None else "(not shown)"
    return CustodyStep(
        entry=one.position if whole else None,
        recorded_at=None if without_day and not unblinded else one.recorded_at,
        act=one.command,
        text=WORDS[one.command].format(subject=who, site=one.site_id, kits=kits),
        actor=one.actor if whole else None,
        role=one.role if whole else None,
        site_id=one.site_id,
        subject_id=one.subject_id if subjects else None,
        reason=one.reason if whole and (unblinded or one.role in BLINDED_ROLES) else "",
    )
