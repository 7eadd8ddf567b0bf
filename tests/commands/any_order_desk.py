"""The desk at which random acts are tried: each is answered, or refused with everything as it was; then model and tables agree."""

import itertools
import json
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis.stateful import RuleBasedStateMachine, invariant
from sqlalchemy import select

from allocation.access.actors import SYSTEM_ACTOR
from allocation.commands.service import Act
from allocation.errors import DomainRefusal
from allocation.ledger.replay import rebuild_projections
from allocation.ledger.schema import kit, list_entry, lot, subject
from allocation.ledger.subject_paths import path_of, visits_of
from allocation.ledger.verify import verify_ledger
from allocation.rules.kit_status import KitPosition, KitStatus, Place, conservation_errors
from allocation.study.schedule import Visit
from allocation.study.subject_schedule import SubjectPath, needed_until
from tests.api.trial import STUDY
from tests.commands.any_order_model import Done, Kit, Lot, Model, Stay
from tests.commands.any_order_trial import (
    DEPOTS,
    LOTS,
    OTHER,
    PLACES,
    Variant,
    any_order_protocol,
    begin,
    depot_of,
    kit_rows,
    list_entries,
)
from tests.commands.derivation import Derivation
from tests.commands.desk import Desk, desk_at

NEVER = ("state-changed", "kit-past-last-dispense-date", "protocol-hole", "idempotency-conflict")
"""Refusals that nobody who acts alone, with keys of their own and a sound protocol, should ever meet."""

IN_USE = ("requested", "in_transit", "site_available", "assigned")
"""Kits that may still reach a subject: outside of depots they carry the dates of the country where they are used."""


class AnyOrderDesk(RuleBasedStateMachine):
    """Tries acts on the real service; subclasses say which acts, and with which database."""

    fresh_url: Callable[[], str]
    derived: Counter[str]
    answered: Counter[str]
    refused: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        self.closing = ExitStack()
        self.model = Model()
        self.keys = itertools.count(1)
        self.known_there = dict[str, str]()
        """Lot -> how it was when the other study first had kits of it."""
        self.sound = False  # nothing was found wrong so far: only then is it worth looking at the end

    def open(self, variant: Variant) -> None:
        """An empty database becomes a trial before its first subject."""
        self.desk: Desk = self.closing.enter_context(desk_at(type(self).fresh_url()))
        begin(self.desk, variant)
        self.variant, self.version = variant, 1
        self.protocol = any_order_protocol(variant)
        for one in LOTS:
            expiry, printed = date.fromisoformat(str(one["expiry_date"])), bool(one["expiry_printed"])
            facts = (str(one["lot_id"]), str(one["kit_type"]), expiry, set(one["released_for"]))
            self.model.lots[facts[0]] = Lot(*facts, str(one["status"]), printed)
        for index, row in enumerate(kit_rows(variant)):
            lot = self.model.lots[row["lot_id"]]
            label = lot.expiry if lot.printed else None
            self.model.kits[row["kit_number"]] = Kit(lot.kit_type, lot, label, place=depot_of(index))
        self.list = {
            level: [one for one in list_entries() if one["stratum"] == f"SEVERITY={level}"]
            for level in self.model.used
        }
        self.acted_at = self.desk.now
        self.staying = dict[str, Stay]()
        self.state = self.desk.state()

    def note_places(self) -> None:
        """What the last act moved has been where it is since then."""
        for number, one in self.model.kits.items():
            stay = self.staying.get(number)
            if stay is None or stay.place != one.place:
                if stay is not None:
                    stay.until = self.acted_at
                self.staying[number] = Stay(number, one.place, self.acted_at)
                self.model.stays.append(self.staying[number])

    def attempt(
        self, command: Callable[..., dict[str, Any]], request: Any, **more: Any
    ) -> dict[str, Any] | None:
        """The answer, or None when the trial says no; then everything is as it was."""
        self.sound = False
        self.note_places()
        self.acted_at = self.desk.now
        key = f"key-{next(self.keys)}"
        reason, study = more.get("reason", ""), more.get("study", STUDY)
        act = Act(more.get("actor", SYSTEM_ACTOR), key, reason, more.get("signature"))
        before = self.state
        self.refusal: DomainRefusal | None = None
        try:
            answer = command(self.desk.service, act, study, request)
        except DomainRefusal as refusal:
            self.refusal = refusal
        if self.refusal is not None:
            assert self.unchanged()
            assert self.refusal.code not in NEVER or self.refusal.code == more.get("expected")
            assert more.get("unblinded") or study != STUDY or "ZZ" not in str(self.refusal)
            self.refused[self.refusal.code] += 1
            return None
        assert more.get("unblinded") or study != STUDY or "ZZ" not in str(answer)
        self.answered[command.__name__] += 1
        self.state = self.desk.state()
        wrote = self.state != before
        done = Done(command, request, key, answer, wrote, reason, act.actor, study, act.signature)
        self.model.done.append(done)
        return answer

    def goes_as_foretold(self, reasons: dict[str, bool], perhaps: dict[str, bool] | None = None) -> None:
        """The last act was refused for a reason that holds in the model, or was answered and none holds.

        `perhaps`: reasons that only the product's own rule could foretell; where one holds, either may happen.
        """
        holding = {code for code, holds in reasons.items() if holds}
        possible = {code for code, holds in (perhaps or {}).items() if holds}
        if self.refusal is None:
            assert holding == set()
        else:
            assert self.refusal.code in holding | possible, (self.refusal, holding, possible)

    def unchanged(self) -> bool:
        """Whether ledger and projections are as the last act that was answered left them."""
        return self.desk.state() == self.state

    def today(self, place: str) -> date:
        zone = DEPOTS[place] if place in DEPOTS else PLACES[place][1]
        return self.desk.now.astimezone(ZoneInfo(zone)).date()

    def somebody(self, which: int, status: str | None = None) -> str:
        """A subject in that status if there is one; else anybody, or one that does not exist."""
        people = [who for who, one in self.model.people.items() if one.status == status]
        people = people or list(self.model.people)
        return people[which % len(people)] if people else "S01-0001"

    def path_of(self, who: str) -> SubjectPath:
        """The subject's path so far, as the tables have it."""
        with self.desk.database.read() as connection:
            row = connection.execute(select(subject).where(subject.c.subject_id == who)).one()
            return path_of(row, visits_of(connection, STUDY, who))

    def needed_until(self, who: str, visit: Visit | None, on: date) -> date | None:
        """Until when kits that are given then must last; None where the protocol asks for nothing of the kind."""
        if not self.variant.valid_until_next_visit:
            return None
        return needed_until(self.protocol, self.path_of(who), visit, on)

    def some_shipment(self, which: int, status: str) -> str:
        """One in that status if there is one; else any, or one that does not exist."""
        fitting = [name for name, found in self.model.shipments.items() if found.status == status]
        names = fitting or list(self.model.shipments)
        return names[which % len(names)] if names else "S01-S001"

    @invariant()
    def the_tables_say_what_the_model_says(self) -> None:
        with self.desk.database.read() as connection:
            kits = connection.execute(select(kit).where(kit.c.study_id == STUDY)).all()
            theirs = connection.execute(select(kit).where(kit.c.study_id == OTHER)).all()
            lots = connection.execute(select(lot).where(lot.c.study_id == STUDY)).all()
            entries = connection.execute(
                select(list_entry).where(list_entry.c.subject_id.is_not(None)).order_by(list_entry.c.sequence)
            ).all()
            people = connection.execute(select(subject)).all()
        assert {row.kit_number: (row.status, row.place_kind, row.place) for row in kits} == {
            number: (one.status, one.place_kind, one.place) for number, one in self.model.kits.items()
        }
        positions = [
            KitPosition(row.kit_number, KitStatus(row.status), Place(row.place_kind), row.place)
            for row in kits
        ]
        assert conservation_errors(self.model.kits, positions) == ()
        for row in kits:
            assert (row.dispensed_on is not None) == (row.kit_number in self.model.handed_out)
            one = self.model.kits[row.kit_number]
            assert row.dispensed_on is None or one.given_until is not None
            assert row.dispensed_on is None or row.dispensed_on <= one.given_until
            if row.status in IN_USE and row.place_kind in ("site", "transit"):
                assert (row.kit_number, row.expiry_date) == (row.kit_number, one.expiry)
        lent = {number for number, one in self.model.kits.items() if one.status == "transferred"}
        assert {row.kit_number for row in theirs} == lent
        assert {
            row.lot_id: (row.status, row.expiry_date, set(json.loads(row.released_for))) for row in lots
        } == {lot_id: (one.status, one.expiry, one.released_for) for lot_id, one in self.model.lots.items()}
        for level, used in self.model.used.items():
            ours = [row for row in entries if row.stratum == f"SEVERITY={level}"]
            assert [row.sequence for row in ours] == list(range(1, len(used) + 1))
            assert [row.subject_id for row in ours] == used
        assert {row.subject_id: (row.site_id, row.status, row.arm) for row in people} == {
            who: (one.site_id, one.status, one.arm) for who, one in self.model.people.items()
        }
        self.sound = True

    def teardown(self) -> None:
        """At the end the ledger is whole, tells the same story again, and each decision in it can be derived from it."""
        with self.closing:
            if not self.sound:
                return
            database = self.desk.database
            for study_id in (STUDY, OTHER):
                verification = verify_ledger(database, study_id)
                assert verification.intact, verification.difference
            before = self.desk.state()
            for study_id in (STUDY, OTHER):
                rebuild_projections(database, study_id)
            assert self.desk.state() == before
            self.derived.update(Derivation(database, STUDY).run())
