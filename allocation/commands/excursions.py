"""Recording a temperature excursion of a shipment, or of a site or depot over a time: from a logger's file, or as it is reported.

Which kits were there then is asked of the ledger. Each kit is judged by the strictest limits of what looks like it, over its own time
there (a shipment's kits over the whole file), and those that left their range go into quarantine; answers name kits and minutes only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
from pydantic import AwareDatetime, Field, model_validator
from sqlalchemy import Row, select

from allocation.access.permissions import COMMAND_PERMISSIONS, reach
from allocation.commands.depot_zones import depot_zone
from allocation.commands.home_parcels import parcel_contents
from allocation.commands.kit_authority import require_reason_and_signature
from allocation.commands.kit_stays import stays_at
from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.shipments import entered_shipment
from allocation.commands.transaction import Transaction, execute
from allocation.errors import DomainRefusal
from allocation.ledger.evidence import CSV, kept_file
from allocation.ledger.projections.kit_moves import CHUNK
from allocation.ledger.schema import excursion, kit, site
from allocation.logger_files import read_logger_file
from allocation.rules.kit_status import Act as KitAct
from allocation.rules.kit_status import KitStatus, Place, rows_of
from allocation.rules.temperature import RULE_VERSION, Curve, Exposure, StorageRange, exposure
from allocation.study.exposure_limits import limits_by_kit_type
from allocation.study.model import Code
from allocation.study.supply import TimeZone

Span = tuple[float, float]
_QUARANTINE = {(row.from_status, row.from_place): row for row in rows_of(KitAct.QUARANTINE)}
_SHA256 = r"^[0-9a-f]{64}$"


class ReportedExcursion(CommandRequest):
    """An excursion without readings: the coldest and warmest, taken to have lasted all the time."""

    began_at: AwareDatetime
    ended_at: AwareDatetime
    lowest_celsius: Decimal = Field(ge=-200, le=150)
    highest_celsius: Decimal = Field(ge=-200, le=150)

    @model_validator(mode="after")
    def _in_order(self) -> ReportedExcursion:
        if self.ended_at <= self.began_at:
            raise ValueError("ended_at must be after began_at")
        if self.highest_celsius < self.lowest_celsius:
            raise ValueError("highest_celsius must not be below lowest_celsius")
        return self


class RecordExcursionRequest(CommandRequest):
    """An excursion of one shipment, parcel to a subject, site or depot, by one of `file_sha256` (a logger's CSV) and `reported`.

    `timezone`: of the file's moments, left out that of the place; `attachments`: hashes of further files; `kit_numbers`: only these kits.
    """

    shipment_id: str | None = Field(default=None, min_length=1, max_length=60)
    parcel_id: str | None = Field(default=None, min_length=1, max_length=60)
    site_id: Code | None = None
    depot_id: Code | None = None
    file_sha256: str | None = Field(default=None, pattern=_SHA256)
    reported: ReportedExcursion | None = None
    timezone: TimeZone | None = None
    attachments: tuple[str, ...] = Field(default=(), max_length=20)
    kit_numbers: tuple[Code, ...] = Field(default=(), max_length=20_000)

    @model_validator(mode="after")
    def _one_of_each(self) -> RecordExcursionRequest:
        if sum(map(bool, (self.shipment_id, self.parcel_id, self.site_id, self.depot_id))) != 1:
            raise ValueError("name the place by one of shipment_id, parcel_id, site_id and depot_id")
        if (self.file_sha256 is None) == (self.reported is None):
            raise ValueError("give one of file_sha256 and reported")
        return self


@dataclass(frozen=True, slots=True)
class _Entered:
    """The place: its kind and key, the site at it if there is one, its time zone; the kits of the parcel, if it was one."""

    kind: Place
    key: str
    site_id: str | None
    timezone: str
    parcel: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Readings:
    """The curve by which warmth is judged, and that for cold: one and the same unless the excursion was reported without readings."""

    warm: Curve
    cold: Curve
    source: str
    timezone: str


def record_excursion(
    service: Service, act: Act, study_id: str, request: RecordExcursionRequest
) -> dict[str, Any]:
    """Record what a logger showed, with a reason: judge every kit that was there, and quarantine those that left their range.

    Answers the kits with their minutes, those quarantined, those with subjects, and those that somebody else must quarantine where they
    are now. Raises NotFound, NotPermitted, FileRefused, DomainRefusal without a reason, or where nothing was there at that time.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        at = _entered(transaction, request)
        require_reason_and_signature(transaction, KitAct.QUARANTINE)
        readings = _readings(transaction, request, at)
        for sha256 in request.attachments:
            kept_file(transaction.connection, study_id, sha256)
        rows = _locked(transaction, _spans(transaction, request, at, readings.warm))
        limits = limits_by_kit_type(transaction.protocol)
        judged = _judged(rows, limits, readings)
        moving, left = _movable(transaction, at, [row for row, _ in rows if row.kit_number in judged])
        facts = _facts(readings)
        after = {
            "excursion_id": _next_id(transaction, request, at),
            "place_kind": at.kind.value,
            "place": at.key,
            **({} if request.parcel_id is None else {"parcel_id": request.parcel_id}),
            **facts,
            "recorded_on": transaction.today.isoformat(),
            "moved_on": transaction.today.isoformat(),
            "source": readings.source,
            "file_sha256": request.file_sha256,
            "timezone": readings.timezone,
            "attachments": list(request.attachments),
            "limits": {code: _limits_record(one) for code, one in sorted(limits.items())},
            "rule_version": RULE_VERSION,
            "judged": [
                [number, found.minutes_above, found.minutes_below, f"{found.mean_kinetic:.2f}"]
                for number, found in sorted(judged.items())
            ],
            "kits": [[one.kit_number, one.status, one.place_kind, one.place] for one in moving],
        }
        quarantined = tuple(one.kit_number for one in moving)
        answer = {
            "excursion_id": after["excursion_id"],
            **facts,
            "exposed": len(rows),
            "kits": [
                {"kit_number": number, "minutes_above": above, "minutes_below": below}
                for number, above, below, _ in after["judged"]
            ],
            "quarantined": list(quarantined),
            "with_subjects": [
                row.kit_number
                for row, _ in rows
                if row.place_kind == Place.SUBJECT.value and row.kit_number in judged
            ],
            "to_quarantine": left,
        }
        return transaction.append(after, answer=answer, site_id=at.site_id, kit_numbers=quarantined)

    return execute(service, act, study_id, "record_excursion", request, body)


def _next_id(transaction: Transaction, request: RecordExcursionRequest, at: _Entered) -> str:
    """The id of the place's next excursion. Raises DomainRefusal where this file was recorded there: its minutes would count twice."""
    query = select(excursion.c.excursion_id, excursion.c.file_sha256).where(
        excursion.c.study_id == transaction.study_id, excursion.c.place == at.key
    )
    known = transaction.connection.execute(query).all()
    same = [one.excursion_id for one in known if one.file_sha256 and one.file_sha256 == request.file_sha256]
    if same:
        raise DomainRefusal(
            f"this file is recorded as {same[0]}",
            code="already-recorded",
            field="file_sha256",
            fix="look at that excursion; its minutes would count twice",
        )
    return f"{at.key}-E{len(known) + 1}"


def _entered(transaction: Transaction, request: RecordExcursionRequest) -> _Entered:
    """Act at the place, whose stock stays locked."""
    if request.site_id is not None:
        row = transaction.at_site(request.site_id)
        return _Entered(Place.SITE, request.site_id, request.site_id, row.timezone)
    if request.depot_id is not None:
        transaction.in_study(depot_id=request.depot_id)
        return _Entered(Place.DEPOT, request.depot_id, None, _depot_zone(transaction, request.depot_id))
    if request.parcel_id is not None:
        # The site accounts for what is on its way to a subject.
        site_id, kits = parcel_contents(transaction.connection, transaction.study_id, request.parcel_id)
        return _Entered(Place.SITE, site_id, site_id, transaction.at_site(site_id).timezone, kits)
    shipment_id = str(request.shipment_id)
    _, ends = entered_shipment(transaction, shipment_id)
    if ends.site_id is None:
        return _Entered(Place.TRANSIT, shipment_id, None, _depot_zone(transaction, ends.to_place))
    zone = select(site.c.timezone).where(
        site.c.study_id == transaction.study_id, site.c.site_id == ends.site_id
    )
    return _Entered(
        Place.TRANSIT, shipment_id, ends.site_id, transaction.connection.execute(zone).scalar_one()
    )


def _depot_zone(transaction: Transaction, depot_id: str) -> str:
    return depot_zone(transaction.connection, transaction.study_id, depot_id, lock=True)


def _readings(transaction: Transaction, request: RecordExcursionRequest, at: _Entered) -> _Readings:
    if request.reported is not None:
        told = request.reported
        seconds = np.array([told.began_at.timestamp(), told.ended_at.timestamp()])
        warm, cold = (
            Curve(seconds, np.full(2, float(celsius)))
            for celsius in (told.highest_celsius, told.lowest_celsius)
        )
        _require_past(transaction, warm)
        return _Readings(warm, cold, "reported", "UTC")
    kind, content = kept_file(transaction.connection, transaction.study_id, str(request.file_sha256))
    if kind != CSV:
        raise DomainRefusal(
            "the file holds no readings",
            code="no-readings",
            field="file_sha256",
            fix="name the logger's CSV here, and its PDF under attachments",
        )
    zone = request.timezone or at.timezone
    curve = read_logger_file(content, zone).curve
    _require_past(transaction, curve)
    return _Readings(curve, curve, "logger", zone)


def _require_past(transaction: Transaction, curve: Curve) -> None:
    if curve.seconds[-1] > transaction.now.timestamp():
        raise DomainRefusal(
            f"the readings end at {_moment(curve.seconds[-1])}, which is still to come",
            code="readings-in-the-future",
            field="timezone",
            fix="state the time zone of the file's moments",
        )


def _spans(
    transaction: Transaction, request: RecordExcursionRequest, at: _Entered, curve: Curve
) -> dict[str, list[Span]]:
    """Kit -> the times for which it is judged. Raises DomainRefusal where nothing was there, or a named kit was not."""
    whole = (float(curve.seconds[0]), float(curve.seconds[-1]))
    spans: dict[str, list[Span]] = {}
    on_its_way = at.kind == Place.TRANSIT or bool(at.parcel)
    holder = f"{'shipment' if at.kind == Place.TRANSIT else at.kind.value} {at.key}"
    for number, stays in stays_at(transaction.connection, transaction.study_id, holder).items():
        for stay in stays if not at.parcel or number in at.parcel else ():
            start = max(stay.since.timestamp(), whole[0])
            end = min((stay.until or transaction.now).timestamp(), whole[1])
            if start < end:
                # The logger went with the shipment or parcel: when it was recorded says little of when it left and came.
                spans.setdefault(number, []).append(whole if on_its_way else (start, end))
    if strangers := sorted(set(request.kit_numbers) - set(spans)):
        raise DomainRefusal(
            f"kits {', '.join(strangers)} were not there then",
            code="kit-not-there",
            field="kit_numbers",
            fix="name kits that were there, or none for all of them",
        )
    if not spans:
        raise DomainRefusal(
            f"no kit was there from {_moment(whole[0])} to {_moment(whole[1])}",
            code="nothing-exposed",
            field="file_sha256",
            fix="check the place, the file and the time zone of its moments",
        )
    wanted = set(request.kit_numbers) or set(spans)
    return {number: several for number, several in spans.items() if number in wanted}


def _locked(transaction: Transaction, spans: Mapping[str, list[Span]]) -> list[tuple[Row[Any], list[Span]]]:
    """The rows of these kits as they are now, locked, each with its times."""
    numbers = sorted(spans)
    rows: list[Row[Any]] = []
    for start in range(0, len(numbers), CHUNK):
        query = select(kit).where(
            kit.c.study_id == transaction.study_id, kit.c.kit_number.in_(numbers[start : start + CHUNK])
        )
        rows += transaction.connection.execute(query.order_by(kit.c.kit_number).with_for_update()).all()
    return [(row, spans[row.kit_number]) for row in rows]


def _judged(
    rows: Sequence[tuple[Row[Any], list[Span]]], limits: Mapping[str, StorageRange], readings: _Readings
) -> dict[str, Exposure]:
    """The kits that left their range, with what they were exposed to over their own times."""
    known: dict[tuple[StorageRange, tuple[Span, ...]], Exposure | None] = {}
    judged = {}
    for row, spans in rows:
        if row.kit_type not in limits:
            continue
        key = (limits[row.kit_type], tuple(spans))
        if key not in known:
            known[key] = _exposure(readings, *key)
        found = known[key]
        if found is not None and found.breaches(limits[row.kit_type]):
            judged[row.kit_number] = found
    return judged


def _exposure(readings: _Readings, limits: StorageRange, spans: tuple[Span, ...]) -> Exposure | None:
    """What the readings did over several times: minutes added up, the extremes of all."""
    parts = []
    for start, end in spans:
        warm, cold = readings.warm.between(start, end), readings.cold.between(start, end)
        if warm is not None and cold is not None:
            parts.append((exposure(warm, limits), exposure(cold, limits)))
    if not parts:
        return None
    return Exposure(
        sum(warm.minutes_above for warm, _ in parts),
        sum(cold.minutes_below for _, cold in parts),
        min(cold.lowest for _, cold in parts),
        max(warm.highest for warm, _ in parts),
        max(warm.mean_kinetic for warm, _ in parts),
    )


def _movable(
    transaction: Transaction, at: _Entered, rows: Sequence[Row[Any]]
) -> tuple[list[Row[Any]], list[str]]:
    """The kits that the actor puts into quarantine by the table, and those that somebody else must where they are now."""
    actor, study_id = transaction.act.actor, transaction.study_id
    everywhere = reach(actor, COMMAND_PERMISSIONS[transaction.command], study_id).whole_study
    here = {(at.kind.value, at.key), *([(Place.SITE.value, at.site_id)] if at.site_id else [])}
    moving, left = [], []
    for one in rows:
        row = _QUARANTINE.get((KitStatus(one.status), Place(one.place_kind)))
        if row is None:
            continue
        allowed = transaction.role in row.by.roles | {"system"}
        if allowed and (everywhere or (one.place_kind, one.place) in here):
            moving.append(one)
        else:
            left.append(str(one.kit_number))
    return moving, left


def _facts(readings: _Readings) -> dict[str, Any]:
    """What the curve says of itself."""
    whole = _exposure(
        readings,
        StorageRange(-1e9, 1e9),
        ((float(readings.warm.seconds[0]), float(readings.warm.seconds[-1])),),
    )
    assert whole is not None  # noqa: S101  (the curve meets itself)
    return {
        "began_at": _moment(readings.warm.seconds[0]),
        "ended_at": _moment(readings.warm.seconds[-1]),
        "readings": len(readings.warm.seconds) if readings.source == "logger" else 0,
        "longest_gap_minutes": round(readings.warm.longest_gap / 60) if readings.source == "logger" else 0,
        "lowest": f"{whole.lowest:.2f}",
        "highest": f"{whole.highest:.2f}",
        "mean_kinetic": f"{whole.mean_kinetic:.2f}",
    }


def _limits_record(limits: StorageRange) -> list[float | int | None]:
    return [
        limits.min_celsius,
        limits.max_celsius,
        limits.minutes_above,
        limits.minutes_below,
        limits.mkt_celsius,
    ]


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(float(seconds), UTC).isoformat()
