"""The twin's state, driven by what a ledger recorded: who was randomized into what, visits, receipts, lots, losses.

Nothing is read from the service's own tables of stock or subjects, nor anything that a resupply run wrote beside the orders that it placed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from allocation.ledger.reader import SealedEntry
from allocation.rules.shipment_status import COUNTED_AS, ShipmentStatus
from allocation.study.measure_points import goes_by_measures
from allocation.study.protocol import Protocol
from allocation.study.satellites import pharmacy_of
from allocation.study.subject_schedule import SubjectPath
from simulation.order_replay.errors import OrderReplayError

_GONE: Final = ("gone", "")
_WITHOUT_EFFECT: Final = frozenset(
    {
        "load_study_version",
        "file_supply_proposal",
        "sign_supply_proposal",
        "reject_supply_proposal",
        "withdraw_supply_proposal",
        "grant_role",
        "revoke_grant",
        "upload_list",
        "generate_list",
        "activate_list",
        "activate_method",
        "number_kits",
        "set_cohort",
        "record_eligibility",
        "return_from_subject",
        "correct_kit_count",
        "pack_kits",
        "run_resupply",
        "receive_edc_facts",
        "declare_return",
        "reconcile_return",
        "approve_return",
        "dispatch_return",
        "receive_return",
        "destroy_returned_kits",
        "withdraw_return",
    }
)
"""Commands that change neither the usable stock nor who is to receive what."""
_TAKEN_OUT: Final = frozenset(
    {
        "expire_kits",
        "quarantine_kits",
        "report_kits_damaged",
        "report_kits_lost",
        "reject_kits",
        "destroy_kits",
        "recall_lot",
    }
)
"""Commands after which the kits that they name are no usable stock."""


@dataclass
class TwinSite:
    """An open site, as its opening recorded it."""

    code: str
    country: str
    depot: str
    profile: str | None
    timezone: str
    last_ordered_on: date | None = None
    screened: bool = False


@dataclass
class TwinLot:
    """A lot: its kit type, expiry, status and the countries that it is released for."""

    kit_type: str
    expiry: date
    status: str
    released_for: frozenset[str]


@dataclass
class TwinSubject:
    """A subject on study."""

    site: str
    screened_on: date
    path: SubjectPath | None = None
    done: dict[str, date] = field(default_factory=dict)
    missed: set[str] = field(default_factory=set)
    dispensed: set[str] = field(default_factory=set)


@dataclass
class TwinState:
    """All that a resupply run needs to know. `kits`: (kind of place, place) -> lot -> its kits; `at`: kit -> its place.

    `sequence`: kit -> its pick sequence as it was loaded, which decides between lots of one expiry.
    """

    protocol: Protocol
    depot_zones: dict[str, str] = field(default_factory=dict)
    sites: dict[str, TwinSite] = field(default_factory=dict)
    lots: dict[str, TwinLot] = field(default_factory=dict)
    subjects: dict[str, TwinSubject] = field(default_factory=dict)
    shipments: dict[str, tuple[str, str]] = field(default_factory=dict)
    kits: dict[tuple[str, str], dict[str, set[str]]] = field(default_factory=dict)
    at: dict[str, tuple[str, str]] = field(default_factory=dict)
    lot_of: dict[str, str] = field(default_factory=dict)
    sequence: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what this twin does not play: satellites, and doses by measures."""
        if any(pharmacy_of(self.protocol, site.code) is not None for site in self.protocol.sites):
            raise _not_played("satellite sites")
        if goes_by_measures(self.protocol):
            raise _not_played("doses that go by weight, surface area or age")

    def apply(self, entry: SealedEntry) -> None:
        """Take in what an entry says happened. Raises OrderReplayError for what this twin does not play."""
        if entry.command in _WITHOUT_EFFECT:
            if entry.command == "load_study_version":
                self._load_study(entry.after)
            return
        if entry.command in _TAKEN_OUT:
            for number in entry.kit_numbers:
                self._move(number, _GONE)
            return
        step = _STEPS.get(entry.command)
        if step is None:
            raise _not_played(f"the command {entry.command}, entry {entry.position}")
        step(self, entry, entry.after)

    def stock(self, kind: str, place: str) -> Iterator[tuple[str, TwinLot, int]]:
        """The lots at a place with the number of kits of each, in order of expiry and code."""
        held = self.kits.get((kind, place), {})
        for code in sorted(held, key=lambda one: (self.lots[one].expiry, one)):
            if held[code]:
                yield code, self.lots[code], len(held[code])

    def in_picking_order(self, kind: str, place: str, lot: str) -> list[str]:
        """The kits of a lot at a place by pick sequence."""
        return sorted(self.kits.get((kind, place), {}).get(lot, ()), key=lambda one: self.sequence[one])

    def pipeline(self, site_id: str) -> Counter[str]:
        """Kit type -> kits in open orders of the site whose status counts in this study."""
        coming: Counter[str] = Counter()
        for shipment_id, (to_site, status) in self.shipments.items():
            counted = (
                to_site == site_id
                and COUNTED_AS[ShipmentStatus(status)] in self.protocol.supply.pipeline_statuses
            )
            if counted:
                for _, lot, kits in self.stock("order", shipment_id):
                    coming[lot.kit_type] += kits
        return coming

    def paths(self, site_id: str) -> list[SubjectPath]:
        """The paths of the subjects on study at the site, in order of their ids."""
        return [
            path
            for code, one in sorted(self.subjects.items())
            if one.site == site_id and (path := self._path(code, one)) is not None
        ]

    def _path(self, code: str, one: TwinSubject) -> SubjectPath | None:
        if one.path is None:
            return None
        start = one.path
        return SubjectPath(
            code,
            one.screened_on,
            start.randomized_on,
            start.first_dose_on,
            start.arm,
            start.dose_level,
            start.cohort,
            start.stratum,
            dict(one.done),
            frozenset(one.missed),
            frozenset(one.dispensed),
            start.randomizations,
        )

    def _move(self, number: str, to: tuple[str, str]) -> None:
        lot = self.lot_of[number]
        if number in self.at:
            self.kits[self.at[number]][lot].discard(number)
        self.at[number] = to
        self.kits.setdefault(to, {}).setdefault(lot, set()).add(number)

    def _load_study(self, after: dict[str, Any]) -> None:
        if self.depot_zones:
            raise _not_played("more than one version of the protocol")
        self.depot_zones = {one["depot_id"]: one["timezone"] for one in after["depots"]}


def _not_played(what: str) -> OrderReplayError:
    return OrderReplayError(
        f"this replay does not play {what}",
        code="not-replayed",
        field="STUDY",
        fix="ask `rtsm resupply explain` about single decisions of this study",
    )


def _open_site(state: TwinState, _: SealedEntry, after: dict[str, Any]) -> None:
    state.sites[after["site_id"]] = TwinSite(
        after["site_id"], after["country"], after["depot_id"], after["profile"], after["timezone"]
    )


def _load_lots(state: TwinState, _: SealedEntry, after: dict[str, Any]) -> None:
    for row in after["lots"]:
        state.lots[row["lot_id"]] = TwinLot(
            row["kit_type"],
            date.fromisoformat(row["expiry_date"]),
            row["status"],
            frozenset(row["released_for"]),
        )


def _load_kits(state: TwinState, _: SealedEntry, after: dict[str, Any]) -> None:
    for row in after["kits"]:
        state.lot_of[row[0]], state.sequence[row[0]] = row[2], row[3]
        state._move(row[0], ("depot", after["depot_id"]))


def _screen(state: TwinState, _: SealedEntry, after: dict[str, Any]) -> None:
    on = date.fromisoformat(after["screened_on"])
    subject = state.subjects[after["subject_id"]] = TwinSubject(after["site_id"], on)
    state.sites[after["site_id"]].screened = True
    if after["visit"]["status"] == "done" and after["visit"]["visit_code"] is not None:
        subject.done[after["visit"]["visit_code"]] = date.fromisoformat(after["visit"]["visit_date"])


def _randomize(state: TwinState, entry: SealedEntry, after: dict[str, Any]) -> None:
    subject = state.subjects[entry.subject_id or ""]
    earlier = subject.path
    subject.path = SubjectPath(
        entry.subject_id or "",
        subject.screened_on,
        date.fromisoformat(after["randomized_on"]) if earlier is None else earlier.randomized_on,
        None if earlier is None else earlier.first_dose_on,
        after["arm"],
        after["dose_level"],
        after["cohort"],
        after["stratum"],
        randomizations={event: date.fromisoformat(day) for event, day in after["randomizations"].items()},
    )


def _visit(state: TwinState, entry: SealedEntry, after: dict[str, Any]) -> None:
    visit, subject = after.get("visit"), state.subjects[entry.subject_id or ""]
    if visit is None or visit["visit_code"] is None:
        return
    if visit["status"] == "missed":
        subject.missed.add(visit["visit_code"])
    else:
        subject.done[visit["visit_code"]] = date.fromisoformat(visit["visit_date"])


def _dispense(state: TwinState, entry: SealedEntry, after: dict[str, Any]) -> None:
    _visit(state, entry, after)
    subject, visit = state.subjects[entry.subject_id or ""], after.get("visit")
    if visit is not None and visit["visit_code"] is not None:
        subject.dispensed.add(visit["visit_code"])
    start = subject.path
    if start is not None:
        first = start.first_dose_on or date.fromisoformat(after["dispensed_on"])
        subject.path = SubjectPath(
            start.subject_id,
            start.screened_on,
            start.randomized_on,
            first,
            start.arm,
            after["dose_level"],
            start.cohort,
            start.stratum,
            randomizations=start.randomizations,
        )
    for one in after["kits"]:
        state._move(one["kit_number"], _GONE)


def _end(state: TwinState, entry: SealedEntry, after: dict[str, Any]) -> None:
    if after["status"] in ("discontinued", "completed"):
        state.subjects[entry.subject_id or ""].path = None


def _order(state: TwinState, entry: SealedEntry, after: dict[str, Any]) -> None:
    if after.get("depot_id") is None or entry.site_id is None:
        raise _not_played(f"a shipment that is not from a depot to a site, entry {entry.position}")
    state.shipments[after["shipment_id"]] = (entry.site_id, after["status"])
    state.sites[entry.site_id].last_ordered_on = date.fromisoformat(after["requested_on"])
    for number in after["kits"]:
        state._move(number, ("order", after["shipment_id"]))


def _dispatch(state: TwinState, entry: SealedEntry, after: dict[str, Any]) -> None:
    if after.get("left_behind"):
        raise _not_played(f"kits left behind at a dispatch, entry {entry.position}")
    site, _ = state.shipments[after["shipment_id"]]
    state.shipments[after["shipment_id"]] = (site, ShipmentStatus.IN_TRANSIT.value)


def _receive(state: TwinState, _: SealedEntry, after: dict[str, Any]) -> None:
    site, _status = state.shipments.pop(after["shipment_id"])
    for number, disposition in after["kits"]:
        state._move(number, ("site", site) if disposition == "available" else _GONE)


_STEPS: Final[dict[str, Any]] = {
    "open_site": _open_site,
    "load_lots": _load_lots,
    "load_kits": _load_kits,
    "screen": _screen,
    "randomize": _randomize,
    "record_visit": _visit,
    "miss_visit": _visit,
    "dispense": _dispense,
    "discontinue": _end,
    "complete": _end,
    "order_shipment": _order,
    "dispatch_shipment": _dispatch,
    "receive_shipment": _receive,
}
