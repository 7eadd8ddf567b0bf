"""What a study's ledger tells of the assumptions of a scenario: plain facts, read once from the sealed entries in order.

Dates are those of the place concerned, as the entries hold them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from allocation.ledger.reader import SealedEntry
from allocation.study.protocol import Protocol


@dataclass
class SeenSite:
    """A site that was opened."""

    code: str
    country: str
    profile: str
    opened_on: date


@dataclass
class SeenVisit:
    """A planned visit; `on` None: it was missed. `days_outside` its window, above 0 after it; `target` None: it has no window."""

    code: str
    on: date | None
    target: date | None
    days_outside: int


@dataclass
class SeenMove:
    """What was asked for at a titration visit, from which dose level."""

    level: str | None
    move: str


@dataclass
class SeenSubject:
    """One person who was screened, and how far they have come."""

    code: str
    site: str
    country: str
    screened_on: date
    sex: str | None
    age: int | None
    race: str | None
    ethnic: str | None
    factors: dict[str, str]
    decided_on: date | None = None
    eligible: bool | None = None
    failed: tuple[str, ...] = ()
    randomized_on: date | None = None
    arm: str = ""
    visits: list[SeenVisit] = field(default_factory=list)
    moves: list[SeenMove] = field(default_factory=list)
    ended_on: date | None = None
    status: str = ""
    end_reason: str = ""
    end_visit: str | None = None


@dataclass
class SeenShipment:
    """A shipment from a depot to a site, from its order on; `found` counts its kits by what was found at receipt."""

    code: str
    depot: str
    site: str
    ordered_on: date
    dispatched_on: date | None = None
    received_on: date | None = None
    kits: int = 0
    found: dict[str, int] = field(default_factory=dict)


@dataclass
class SeenLot:
    """A lot as it was loaded, with (depot, day) -> kits."""

    code: str
    kit_type: str
    manufactured_on: date | None
    expires_on: date
    released_for: tuple[str, ...]
    arrivals: dict[tuple[str, date], int] = field(default_factory=dict)


@dataclass
class SeenExcursion:
    """An excursion at a place of a kind (of a shipment: in transit): the kits that went into quarantine, and what became of them until
    the last decision, `settled_on`."""

    kind: str
    place: str
    recorded_on: date
    kits: int
    released: int = 0
    settled: int = 0
    settled_on: date | None = None


@dataclass
class Observed:
    """The facts of one study up to `as_of`, the date (UTC) of its last entry; `begins_on` is that of its first."""

    study_id: str
    protocol: Protocol
    begins_on: date
    as_of: date
    entries: int = 0
    sites: dict[str, SeenSite] = field(default_factory=dict)
    subjects: dict[str, SeenSubject] = field(default_factory=dict)
    shipments: dict[str, SeenShipment] = field(default_factory=dict)
    lots: dict[str, SeenLot] = field(default_factory=dict)
    lot_of: dict[str, str] = field(default_factory=dict)
    excursions: dict[str, SeenExcursion] = field(default_factory=dict)
    list_entries: dict[str, int] = field(default_factory=dict)

    def randomized(self) -> Iterator[tuple[SeenSubject, date]]:
        """Those randomized, each with the day."""
        for subject in self.subjects.values():
            if subject.randomized_on is not None:
                yield subject, subject.randomized_on


def observe(study_id: str, protocol: Protocol, entries: Iterable[SealedEntry]) -> Observed:
    """The facts in the sealed `entries` of a study. `protocol` is its latest version."""
    found: Observed | None = None
    for entry in entries:
        on = entry.recorded_at.date()
        if found is None:
            found = Observed(study_id, protocol, on, on)
        found.as_of = max(found.as_of, on)
        found.entries += 1
        reading = _READINGS.get(entry.command)
        if reading is not None:
            reading(found, entry, entry.after)
    return found or Observed(study_id, protocol, date.min, date.min)


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def _open_site(found: Observed, _: SealedEntry, after: dict[str, Any]) -> None:
    code = after["site_id"]
    opened = date.fromisoformat(after["opened_on"])
    found.sites.setdefault(code, SeenSite(code, after["country"], after["profile"] or "", opened))


def _screen(found: Observed, _: SealedEntry, after: dict[str, Any]) -> None:
    found.subjects[after["subject_id"]] = SeenSubject(
        code=after["subject_id"],
        site=after["site_id"],
        country=after["country"],
        screened_on=date.fromisoformat(after["screened_on"]),
        sex=after["sex"],
        age=after["age"],
        race=after["race"],
        ethnic=after["ethnic"],
        factors=dict(after["factors"] or {}),
    )


def _eligibility(found: Observed, entry: SealedEntry, after: dict[str, Any]) -> None:
    subject = found.subjects.get(entry.subject_id or "")
    if subject is None or after.get("event") is not None or subject.randomized_on is not None:
        return
    subject.decided_on = date.fromisoformat(after["assessed_on"])
    subject.eligible, subject.failed = bool(after["eligible"]), tuple(after["failed_criteria"])


def _randomize(found: Observed, entry: SealedEntry, after: dict[str, Any]) -> None:
    subject = found.subjects.get(entry.subject_id or "")
    if subject is None or subject.randomized_on is not None:
        return
    subject.randomized_on = date.fromisoformat(after["randomized_on"])
    subject.arm = after["arm"]
    subject.eligible = True
    subject.decided_on = subject.randomized_on
    subject.factors |= after["factors"] or {}


def _visit(found: Observed, entry: SealedEntry, after: dict[str, Any]) -> None:
    subject, visit = found.subjects.get(entry.subject_id or ""), after.get("visit")
    if subject is None or visit is None or visit["visit_code"] is None or not visit["planned"]:
        return
    seen = SeenVisit(
        visit["visit_code"],
        _day(visit["visit_date"]) if visit["status"] == "done" else None,
        _day(visit.get("target_date")),
        visit.get("days_outside") or 0,
    )
    # A dispensing at a visit that was recorded before is of the same visit.
    subject.visits = [one for one in subject.visits if one.code != seen.code] + [seen]


def _dispense(found: Observed, entry: SealedEntry, after: dict[str, Any]) -> None:
    _visit(found, entry, after)
    subject = found.subjects.get(entry.subject_id or "")
    if subject is not None and after.get("titration") is not None:
        subject.moves.append(SeenMove(entry.before.get("dose_level"), after["titration"]))


def _end(found: Observed, entry: SealedEntry, after: dict[str, Any]) -> None:
    subject = found.subjects.get(entry.subject_id or "")
    if subject is not None:
        subject.ended_on, subject.status = date.fromisoformat(after["ended_on"]), after["status"]
        subject.end_reason, subject.end_visit = after["end_reason"] or "", after.get("visit_code")


def _order(found: Observed, entry: SealedEntry, after: dict[str, Any]) -> None:
    depot, site = after.get("depot_id"), entry.site_id
    if depot is not None and site is not None:
        code = after["shipment_id"]
        kits = len(after.get("kits") or ())
        found.shipments[code] = SeenShipment(code, depot, site, entry.recorded_at.date(), kits=kits)


def _dispatch(found: Observed, _: SealedEntry, after: dict[str, Any]) -> None:
    shipment = found.shipments.get(after["shipment_id"])
    if shipment is not None:
        shipment.dispatched_on = date.fromisoformat(after["dispatched_on"])
        shipment.kits = len(after["kits"])


def _receive(found: Observed, entry: SealedEntry, after: dict[str, Any]) -> None:
    if after.get("to", ["site"])[0] == "depot":
        _receive_at_depot(found, entry, after)
    shipment = found.shipments.get(after["shipment_id"])
    if shipment is None:
        return
    shipment.received_on = date.fromisoformat(after["received_on"])
    for _, disposition in after["kits"]:
        shipment.found[disposition] = shipment.found.get(disposition, 0) + 1


def _receive_at_depot(found: Observed, _: SealedEntry, after: dict[str, Any]) -> None:
    """Kits of one depot at another: for a scenario, whose lots arrive where they are used, they arrived there."""
    on, (_, source), (_, goal) = date.fromisoformat(after["received_on"]), after["from"], after["to"]
    for number, _ in after["kits"]:
        lot = found.lots.get(found.lot_of.get(number, ""))
        if lot is None:
            continue
        lot.arrivals[goal, on] = lot.arrivals.get((goal, on), 0) + 1
        left = sorted((key[1], key) for key, kits in lot.arrivals.items() if key[0] == source and kits)
        if left:
            lot.arrivals[left[0][1]] -= 1


def _load_lots(found: Observed, _: SealedEntry, after: dict[str, Any]) -> None:
    for row in after["lots"]:
        found.lots[row["lot_id"]] = SeenLot(
            row["lot_id"],
            row["kit_type"],
            _day(row.get("manufactured_on")),
            date.fromisoformat(row["expiry_date"]),
            tuple(row["released_for"]) or ("*",),
        )


def _load_kits(found: Observed, entry: SealedEntry, after: dict[str, Any]) -> None:
    on = entry.recorded_at.date()
    for row in after["kits"]:
        found.lot_of[row[0]] = row[2]
        lot = found.lots.get(row[2])
        if lot is not None:
            key = (after["depot_id"], on)
            lot.arrivals[key] = lot.arrivals.get(key, 0) + 1


def _expiry(found: Observed, _: SealedEntry, after: dict[str, Any]) -> None:
    lot = found.lots.get(after.get("lot_id", ""))
    if lot is not None and after.get("expiry_date"):
        lot.expires_on = date.fromisoformat(after["expiry_date"])


def _excursion(found: Observed, _: SealedEntry, after: dict[str, Any]) -> None:
    on = date.fromisoformat(after["recorded_on"])
    found.excursions[after["excursion_id"]] = SeenExcursion(
        after["place_kind"], after["place"], on, len(after["kits"])
    )


def _settle_excursion(found: Observed, _: SealedEntry, after: dict[str, Any]) -> None:
    excursion = found.excursions.get(after["excursion_id"])
    if excursion is not None:
        excursion.settled += len(after["settled"])
        excursion.released += len(after["settled"]) if after["decision"] == "release" else 0
        excursion.settled_on = date.fromisoformat(after["moved_on"])


def _list(found: Observed, _: SealedEntry, after: dict[str, Any]) -> None:
    counts: dict[tuple[str, str], int] = {}
    for row in after.get("entries") or ():
        counts[row[0], row[1]] = counts.get((row[0], row[1]), 0) + 1
    if counts:
        found.list_entries[after.get("event", after.get("list_id", ""))] = min(counts.values())


_READINGS: dict[str, Any] = {
    "open_site": _open_site,
    "screen": _screen,
    "record_eligibility": _eligibility,
    "randomize": _randomize,
    "record_visit": _visit,
    "miss_visit": _visit,
    "dispense": _dispense,
    "complete": _end,
    "discontinue": _end,
    "order_shipment": _order,
    "dispatch_shipment": _dispatch,
    "receive_shipment": _receive,
    "load_lots": _load_lots,
    "load_kits": _load_kits,
    "change_lot_expiry": _expiry,
    "generate_list": _list,
    "record_excursion": _excursion,
    "settle_excursion": _settle_excursion,
}
