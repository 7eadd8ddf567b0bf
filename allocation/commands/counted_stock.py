"""What lies at a site or is on its way there, kit type by kit type, and who is at the site: what counted for resupply, what did not, why.

UNBLINDING: kit types and lots. Read from any state of the projections, also a past one that was folded again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

from sqlalchemy import Connection, func, select

from allocation.commands.kit_candidates import is_released
from allocation.commands.site_supply import OPEN_STATUSES, SiteNeed, SiteSituation
from allocation.ledger.schema import kit, lot, shipment, subject
from allocation.rules.demand import (
    DemandPolicy,
    EligibleSubjects,
    SubjectDemandFacts,
    SubjectState,
    demand_status,
)
from allocation.rules.kit_status import KitStatus, Place
from allocation.rules.resupply import COUNTS, EXPIRED, NOT_RELEASED, PAST_COUNT_DATE, stock_use
from allocation.rules.shipment_status import COUNTED_AS, ShipmentStatus
from allocation.study.protocol import Protocol

_WHY: Final = {
    COUNTS: "counted",
    NOT_RELEASED: "lot not released for the country",
    EXPIRED: "expired",
    PAST_COUNT_DATE: "past its last count date (DNC)",
}
_STATES: Final = {
    "screening": SubjectState.SCREENED,
    "eligible": SubjectState.SCREENED,
    "screen_failed": SubjectState.SCREEN_FAILED,
    "discontinued": SubjectState.DISCONTINUED,
    "completed": SubjectState.COMPLETED,
}


@dataclass(frozen=True, slots=True)
class StockLine:
    """Kits of one lot at the site in one status; `why` is "counted", or the reason that they are not counted."""

    kit_type: str
    lot_id: str
    expiry_date: date
    kits: int
    counted: bool
    why: str


@dataclass(frozen=True, slots=True)
class PipelineLine:
    """Kits of one open shipment to the site; `counted` by the study's `pipeline_statuses`."""

    shipment_id: str
    status: str
    kit_type: str
    kits: int
    counted: bool


def stock_lines(connection: Connection, study_id: str, situation: SiteSituation) -> tuple[StockLine, ...]:
    """Every kit at the site, by kit type, lot and status, judged on the site's date by the rule that counted them."""
    columns = (kit.c.kit_type, kit.c.lot_id, kit.c.expiry_date, kit.c.status.label("kit_status"))
    of_lot = (lot.c.status, lot.c.released_for)
    rows = connection.execute(
        select(*columns, *of_lot, func.count().label("kits"))
        .join_from(kit, lot, (lot.c.study_id == kit.c.study_id) & (lot.c.lot_id == kit.c.lot_id))
        .where(
            kit.c.study_id == study_id,
            kit.c.place_kind == Place.SITE.value,
            kit.c.place == situation.at.site_id,
        )
        .group_by(*columns, *of_lot)
        .order_by(*columns)
    )
    dnc_days = {one.code: one.expiry.dnc_days for one in situation.protocol.kit_types}
    today = situation.at.today.toordinal()
    lines = []
    for row in rows:
        released = is_released(row, situation.at.country)
        use = stock_use(released, row.expiry_date.toordinal(), dnc_days.get(row.kit_type, 0), today)
        available = row.kit_status == KitStatus.SITE_AVAILABLE.value
        why = _WHY[use] if available else str(row.kit_status).replace("_", " ")
        lines.append(
            StockLine(row.kit_type, row.lot_id, row.expiry_date, row.kits, available and use == COUNTS, why)
        )
    return tuple(lines)


def pipeline_lines(
    connection: Connection, study_id: str, situation: SiteSituation
) -> tuple[PipelineLine, ...]:
    """The kits of every open shipment to the site; cancelled and lost ones are none."""
    return pipeline_to(connection, study_id, Place.SITE, situation.at.site_id, situation.protocol)


def pipeline_to(
    connection: Connection, study_id: str, kind: Place, place: str, protocol: Protocol
) -> tuple[PipelineLine, ...]:
    """The kits of every open shipment to a site or depot."""
    columns = (shipment.c.shipment_id, shipment.c.status, kit.c.kit_type)
    rows = connection.execute(
        select(*columns, func.count().label("kits"))
        .join_from(
            shipment,
            kit,
            (kit.c.study_id == shipment.c.study_id) & (kit.c.shipment_id == shipment.c.shipment_id),
        )
        .where(
            shipment.c.study_id == study_id,
            shipment.c.to_kind == kind.value,
            shipment.c.to_place == place,
            shipment.c.status.in_(OPEN_STATUSES),
            kit.c.status.in_((KitStatus.REQUESTED.value, KitStatus.IN_TRANSIT.value)),
        )
        .group_by(*columns)
        .order_by(*columns)
    )
    counted = protocol.supply.pipeline_statuses
    return tuple(
        PipelineLine(
            row.shipment_id,
            row.status,
            row.kit_type,
            row.kits,
            COUNTED_AS[ShipmentStatus(row.status)] in counted,
        )
        for row in rows
    )


def subjects_not_counted(
    connection: Connection, study_id: str, situation: SiteSituation, need: SiteNeed
) -> tuple[tuple[str, str], ...]:
    """Every subject of the site that was not counted as coming demand, with the reason by the rule that decided it (demand.py)."""
    rows = connection.execute(
        select(subject.c.subject_id, subject.c.status).where(
            subject.c.study_id == study_id,
            subject.c.site_id == situation.at.site_id,
            subject.c.status.in_(tuple(_STATES)),
        )
    )
    # Whoever has no arm yet has no kits planned, whatever the study's eligible_subjects says of the screened ones.
    policy = DemandPolicy(EligibleSubjects.RANDOMIZED)
    others = [
        (
            row.subject_id,
            demand_status(
                SubjectDemandFacts(row.subject_id, _STATES[row.status]), situation.at.today, policy
            ).value,
        )
        for row in rows
    ]
    return tuple(sorted((*need.ignored_subjects, *others)))
