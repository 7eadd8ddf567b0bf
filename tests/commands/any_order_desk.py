"""The desk at which random acts are tried: each is answered, or refused with everything as it was; then model and tables agree."""

import itertools
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
from allocation.ledger.schema import kit, list_entry, subject
from allocation.ledger.verify import verify_ledger
from allocation.rules.kit_status import KitPosition, KitStatus, Place, conservation_errors
from tests.api.trial import STUDY
from tests.commands.any_order_model import DEPOT_ZONE, LOT, Done, Kit, Model
from tests.commands.any_order_trial import (
    PLACES,
    Variant,
    any_order_protocol,
    begin,
    kit_rows,
    list_entries,
)
from tests.commands.derivation import Derivation
from tests.commands.desk import Desk, desk_at

NEVER = ("state-changed", "kit-past-last-dispense-date", "protocol-hole", "idempotency-conflict")
"""Refusals that nobody who acts alone, with keys of their own and a sound protocol, should ever meet."""


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
        self.sound = False  # nothing was found wrong so far: only then is it worth looking at the end

    def open(self, variant: Variant) -> None:
        """An empty database becomes a trial before its first subject."""
        self.desk: Desk = self.closing.enter_context(desk_at(type(self).fresh_url()))
        begin(self.desk, variant)
        self.variant, self.version = variant, 1
        self.protocol = any_order_protocol(variant)
        for row in kit_rows(variant):
            expiry = date.fromisoformat(LOT[row["lot_id"]]["expiry_date"])
            status = str(LOT[row["lot_id"]]["status"])
            self.model.kits[row["kit_number"]] = Kit(
                row["kit_type"], row["lot_id"], expiry, lot_status=status
            )
        self.list = {
            level: [one for one in list_entries() if one["stratum"] == f"SEVERITY={level}"]
            for level in self.model.used
        }
        self.state = self.desk.state()

    def attempt(
        self, command: Callable[..., dict[str, Any]], request: Any, **more: Any
    ) -> dict[str, Any] | None:
        """The answer, or None when the trial says no; then everything is as it was."""
        self.sound = False
        key = f"key-{next(self.keys)}"
        reason = more.get("reason", "")
        act = Act(more.get("actor", SYSTEM_ACTOR), key, reason, more.get("signature"))
        before = self.state
        self.refusal: DomainRefusal | None = None
        try:
            answer = command(self.desk.service, act, STUDY, request)
        except DomainRefusal as refusal:
            self.refusal = refusal
        if self.refusal is not None:
            assert self.unchanged()
            assert self.refusal.code not in NEVER
            assert "ZZ" not in str(self.refusal)
            self.refused[self.refusal.code] += 1
            return None
        assert more.get("unblinded") or "ZZ" not in str(answer)
        self.answered[command.__name__] += 1
        self.state = self.desk.state()
        done = Done(command, request, key, answer, self.state != before, reason, act.actor)
        self.model.done.append(done)
        return answer

    def unchanged(self) -> bool:
        """Whether ledger and projections are as the last act that was answered left them."""
        return self.desk.state() == self.state

    def today(self, place: str) -> date:
        zone = DEPOT_ZONE if place == "D1" else PLACES[place][1]
        return self.desk.now.astimezone(ZoneInfo(zone)).date()

    def somebody(self, which: int, status: str | None = None) -> str:
        """A subject in that status if there is one; else anybody, or one that does not exist."""
        people = [who for who, one in self.model.people.items() if one.status == status]
        people = people or list(self.model.people)
        return people[which % len(people)] if people else "S01-0001"

    def some_shipment(self, which: int, status: str) -> str:
        """One in that status if there is one; else any, or one that does not exist."""
        fitting = [name for name, (_, found) in self.model.shipments.items() if found == status]
        names = fitting or list(self.model.shipments)
        return names[which % len(names)] if names else "S01-S001"

    @invariant()
    def the_tables_say_what_the_model_says(self) -> None:
        with self.desk.database.read() as connection:
            kits = connection.execute(select(kit)).all()
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
            assert (
                row.dispensed_on is None
                or row.dispensed_on <= self.model.kits[row.kit_number].last_dispense_date
            )
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
            verification = verify_ledger(database, STUDY)
            assert verification.intact, verification.difference
            before = self.desk.state()
            rebuild_projections(database, STUDY)
            assert self.desk.state() == before
            self.derived.update(Derivation(database, STUDY).run())
