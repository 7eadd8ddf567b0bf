"""An excursion's curve with the limits of what looks alike: read again from the file that the ledger names by its hash."""

from __future__ import annotations

from datetime import datetime

from allocation.access.actors import Actor
from allocation.ledger.database import Database
from allocation.ledger.evidence import kept_file
from allocation.logger_files import read_logger_file
from allocation.study.exposure_limits import limits_by_kit_type
from allocation.views.blinded.excursions import ExcursionSummary, excursion_detail, thinned
from allocation.views.shape import View
from allocation.views.study_at import study_at


class GroupLimits(View):
    """The storage range of kits of one look, degrees Celsius, and the budget in minutes outside of it; None: not stated."""

    kit_group: str
    min_celsius: float
    max_celsius: float
    minutes_above: int | None
    minutes_below: int | None
    mkt_celsius: float | None


class CurvePoint(View):
    """A reading: its moment (UTC) and temperature in degrees Celsius."""

    at: datetime
    celsius: float


class ExcursionCurve(View):
    """An excursion's readings, thinned with every extreme kept, and the limits of each look."""

    study_id: str
    excursion: ExcursionSummary
    limits: tuple[GroupLimits, ...]
    points: tuple[CurvePoint, ...]


def excursion_curve(database: Database, actor: Actor, study_id: str, excursion_id: str) -> ExcursionCurve:
    """The curve of an excursion. Raises NotPermitted, NotFound, and RTSMError where the kept file is no more what its hash says."""
    shown = excursion_detail(database, actor, study_id, excursion_id).excursion
    with database.read() as connection:
        protocol = study_at(connection, study_id).protocol
        file = None
        if shown.readings_sha256 is not None:
            file = kept_file(connection, study_id, shown.readings_sha256)
    if file is None:
        points = _reported(shown)
    else:
        curve = read_logger_file(file[1], shown.timezone).curve
        points = thinned(curve.seconds, curve.celsius)
    labels = {group.code: group.label for group in protocol.blinding_groups}
    by_type = limits_by_kit_type(protocol)
    by_group = {one.blinding_group: by_type[one.code] for one in protocol.kit_types if one.code in by_type}
    limits = tuple(
        GroupLimits(
            kit_group=labels.get(group, group),
            min_celsius=one.min_celsius,
            max_celsius=one.max_celsius,
            minutes_above=one.minutes_above,
            minutes_below=one.minutes_below,
            mkt_celsius=one.mkt_celsius,
        )
        for group, one in sorted(by_group.items())
    )
    return ExcursionCurve(
        study_id=study_id,
        excursion=shown,
        limits=limits,
        points=tuple(CurvePoint(at=at, celsius=celsius) for at, celsius in points),
    )


def _reported(shown: ExcursionSummary) -> list[tuple[datetime, float]]:
    """The warmest and the coldest that were reported without readings, each over the whole time."""
    ends = [shown.began_at, shown.ended_at]
    warm = [(moment, float(shown.highest)) for moment in ends]
    cold = [(moment, float(shown.lowest)) for moment in reversed(ends)]
    return warm if shown.highest == shown.lowest else [*warm, *cold]
