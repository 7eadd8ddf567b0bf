"""While several desks ship, dispense, quarantine and write off at once, every kit is in one possible place after every transaction."""

import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sqlalchemy import Row, select

from allocation.access.actors import SYSTEM_ACTOR
from allocation.commands.dispensing import DispenseRequest, dispense
from allocation.commands.kit_acts import (
    kit_act_content,
    quarantine_kits,
    release_kits,
    report_kits_damaged,
    report_kits_lost,
)
from allocation.commands.kit_scope import KitScopeRequest
from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.service import Act, Service
from allocation.commands.shipments import DispatchRequest, ReceiveRequest, dispatch_shipment, receive_shipment
from allocation.errors import DomainRefusal
from allocation.ledger.export import export_ledger
from allocation.ledger.offline_verifier import verify
from allocation.ledger.reader import sealed_entries
from allocation.ledger.schema import kit, shipment
from allocation.ledger.sealing import seal_pending
from allocation.ledger.verify import verify_ledger
from allocation.rules.kit_authority import RELEASED
from allocation.rules.kit_status import KitPosition, KitStatus, Place, conservation_errors
from tests.api.trial import STUDY
from tests.commands.desk import ACT, Desk

DESKS = 4
ACTS_OF_A_DESK = 25
WHY = "found at the inventory"


def positions(desk: Desk) -> list[KitPosition]:
    """Where every kit is, in one statement and so at one moment between two transactions."""
    with desk.database.read() as connection:
        rows = connection.execute(select(kit.c.kit_number, kit.c.status, kit.c.place_kind, kit.c.place)).all()
    return [
        KitPosition(one.kit_number, KitStatus(one.status), Place(one.place_kind), one.place or None)
        for one in rows
    ]


class BusyDesk:
    """Somebody who does one act after the other, as chance has it, on whatever is there; refusals are part of the day."""

    def __init__(self, desk: Desk, subjects: list[str], seed: int) -> None:
        self.desk, self.subjects = desk, subjects
        self.chance = random.Random(seed)  # noqa: S311  (which act comes next)
        self.service = Service(desk.database, lambda: desk.now)
        self.done: Counter[str] = Counter()

    def work(self) -> Counter[str]:
        acts: list[Callable[[], Any]] = [
            self.dispense,
            self.order,
            self.dispatch,
            self.receive,
            self.quarantine,
            self.release,
            self.write_off,
        ]
        for _ in range(ACTS_OF_A_DESK):
            act = self.chance.choice(acts)
            try:
                act()
            except DomainRefusal:
                self.done["refused"] += 1
            else:
                self.done[act.__name__] += 1
        return self.done

    def some(self, table: Any, *where: Any) -> Row[Any]:
        with self.desk.database.read() as connection:
            rows = connection.execute(select(table).where(*where).order_by(*table.primary_key)).all()
        if not rows:
            raise DomainRefusal("nothing of that kind", code="none")
        return self.chance.choice(rows)

    def kits(self, *statuses: str) -> KitScopeRequest:
        found = self.some(kit, kit.c.status.in_(statuses), kit.c.place_kind.in_(("depot", "site")))
        return KitScopeRequest(kit_numbers=(found.kit_number,))

    def dispense(self) -> None:
        request = DispenseRequest(subject_id=self.chance.choice(self.subjects), visit_code="V2")
        dispense(self.service, ACT, STUDY, request)

    def order(self) -> None:
        run_resupply(self.service, ACT, STUDY, RunResupplyRequest())

    def dispatch(self) -> None:
        found = self.some(shipment, shipment.c.status == "requested")
        dispatch_shipment(self.service, ACT, STUDY, DispatchRequest(shipment_id=found.shipment_id))

    def receive(self) -> None:
        found = self.some(shipment, shipment.c.status == "in_transit")
        receive_shipment(self.service, ACT, STUDY, ReceiveRequest(shipment_id=found.shipment_id))

    def quarantine(self) -> None:
        request = self.kits("depot_available", "requested", "site_available")
        quarantine_kits(self.service, Act(SYSTEM_ACTOR, reason=WHY), STUDY, request)

    def release(self) -> None:
        request = self.kits("quarantined")
        content = kit_act_content(STUDY, "release_kits", request, WHY)
        signature = self.desk.signed(RELEASED, content).signature
        release_kits(self.service, Act(SYSTEM_ACTOR, reason=WHY, signature=signature), STUDY, request)

    def write_off(self) -> None:
        command = self.chance.choice((report_kits_damaged, report_kits_lost))
        request = self.kits("depot_available", "site_available", "quarantined")
        command(self.service, Act(SYSTEM_ACTOR, reason=WHY), STUDY, request)


def test_kits_are_conserved_after_every_transaction_of_desks_that_act_at_once(
    empty_desk: Desk, tmp_path: Path
) -> None:
    desk = empty_desk.set_up(blocks=5)
    subjects = [desk.randomized() for _ in range(8)]
    loaded = {one.kit for one in positions(desk)}
    over = threading.Event()

    def watch() -> tuple[int, list[str]]:
        """Look at all kits over and over, as fast as that goes; gives how many different pictures were seen, and what was wrong."""
        pictures, wrong = set(), []
        while True:
            last = over.is_set()
            found = positions(desk)
            pictures.add(frozenset((one.kit, one.status, one.place_key) for one in found))
            wrong += conservation_errors(loaded, found)
            if last or wrong:
                return len(pictures), wrong

    with ThreadPoolExecutor(DESKS + 1) as pool:
        watching = pool.submit(watch)
        desks = [pool.submit(BusyDesk(desk, subjects, seed).work) for seed in range(DESKS)]
        try:
            done = sum((one.result() for one in desks), Counter[str]())
        finally:
            over.set()
        seen, wrong = watching.result()
    assert wrong == []
    assert seen > DESKS, "the watcher saw the stock move"
    assert set(done) >= {"dispense", "order", "quarantine", "write_off", "refused"}, done
    seal_pending(desk.database)
    assert verify_ledger(desk.database, STUDY).intact
    # The verifier for inspectors follows each kit from entry to entry: none is ever taken from where it is not.
    export_ledger(desk.database, STUDY, tmp_path / "ledger.jsonl")
    with (tmp_path / "ledger.jsonl").open() as lines:
        assert verify(lines)[0] == len(sealed_entries(desk.database, STUDY))
