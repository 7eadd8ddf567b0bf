"""The treatment of one subject, for whoever breaks its code. UNBLINDING: nothing calls it but a recorded code break, or reads its list."""

from __future__ import annotations

from datetime import date

from sqlalchemy import Connection, and_, select

from allocation.ledger.schema import device_use, kit, subject, subject_randomization, subject_visit
from allocation.study.protocol import Protocol
from allocation.views.shape import View


class AllocationMade(View):
    """A randomization of the subject and the arm that it came to."""

    event: str
    randomized_on: date
    arm: str
    arm_name: str


class PeriodTreatmentGiven(View):
    """What the arm is given in an epoch of a crossover. `current`: the subject's latest planned visit is of that epoch."""

    epoch: str
    treatment: str
    current: bool


class KitGiven(View):
    """A kit that was assigned or handed out. `dispensed_on`: None while it is only assigned."""

    kit_number: str
    kit_type: str
    kit_type_name: str
    lot_id: str
    visit_number: str
    dispensed_on: date | None


class Treatment(View):
    """What one subject is given: the present arm, how it came to it, the treatments of the periods, and the kits it got."""

    subject_id: str
    arm: str
    arm_name: str
    dose_level: str | None
    allocations: tuple[AllocationMade, ...]
    periods: tuple[PeriodTreatmentGiven, ...]
    kits: tuple[KitGiven, ...]


def treatment_of(connection: Connection, study_id: str, subject_id: str, protocol: Protocol) -> Treatment:
    """The treatment of a randomized subject as it is now. `protocol`: the version whose names are used."""
    row = connection.execute(
        select(subject.c.arm, subject.c.dose_level).where(
            subject.c.study_id == study_id, subject.c.subject_id == subject_id
        )
    ).one()
    made = connection.execute(
        select(subject_randomization)
        .where(subject_randomization.c.study_id == study_id, subject_randomization.c.subject_id == subject_id)
        .order_by(
            subject_randomization.c.randomized_on,
            subject_randomization.c.event,
            subject_randomization.c.occurrence,
        )
    ).all()
    arm = protocol.arm(row.arm)
    epoch = _epoch_now(connection, study_id, subject_id, protocol)
    return Treatment(
        subject_id=subject_id,
        arm=row.arm,
        arm_name=_name(protocol, row.arm),
        dose_level=row.dose_level,
        allocations=tuple(
            AllocationMade(
                event=one.event,
                randomized_on=one.randomized_on,
                arm=one.arm,
                arm_name=_name(protocol, one.arm),
            )
            for one in made
        ),
        periods=tuple(
            PeriodTreatmentGiven(epoch=one.epoch, treatment=one.treatment, current=one.epoch == epoch)
            for one in (() if arm is None else arm.treatments)
        ),
        kits=_kits(connection, study_id, subject_id, protocol),
    )


def _name(protocol: Protocol, code: str) -> str:
    arm = protocol.arm(code)
    return code if arm is None else arm.name


def _epoch_now(connection: Connection, study_id: str, subject_id: str, protocol: Protocol) -> str | None:
    """The epoch of the latest planned visit that took place."""
    codes = connection.execute(
        select(subject_visit.c.visit_code)
        .where(
            subject_visit.c.study_id == study_id,
            subject_visit.c.subject_id == subject_id,
            subject_visit.c.status == "done",
            subject_visit.c.visit_code.is_not(None),
        )
        .order_by(subject_visit.c.visit_date)
    ).scalars()
    held = [visit for code in codes if (visit := protocol.visit(code)) is not None]
    return held[-1].epoch if held else None


def _kits(connection: Connection, study_id: str, subject_id: str, protocol: Protocol) -> tuple[KitGiven, ...]:
    """Kits that are or were the subject's, ended uses of devices included, by visit and number."""
    own = (kit.c.kit_number, kit.c.kit_type, kit.c.lot_id)
    present = connection.execute(
        select(*own, kit.c.visit_number, kit.c.dispensed_on).where(
            kit.c.study_id == study_id, kit.c.subject_id == subject_id
        )
    ).all()
    ended = connection.execute(
        select(*own, device_use.c.visit_number, device_use.c.dispensed_on)
        .join_from(
            device_use,
            kit,
            and_(kit.c.study_id == device_use.c.study_id, kit.c.kit_number == device_use.c.kit_number),
        )
        .where(device_use.c.study_id == study_id, device_use.c.subject_id == subject_id)
    ).all()
    # An unfit device keeps its subject: then the use stands in both.
    rows = {(row.kit_number, row.visit_number): row for row in (*ended, *present)}
    names = {one.code: one.name for one in protocol.kit_types}
    return tuple(
        KitGiven(
            kit_number=row.kit_number,
            kit_type=row.kit_type,
            kit_type_name=names.get(row.kit_type, row.kit_type),
            lot_id=row.lot_id,
            visit_number=row.visit_number,
            dispensed_on=row.dispensed_on,
        )
        for _, row in sorted(rows.items(), key=lambda item: (str(item[1].dispensed_on), item[0]))
    )
