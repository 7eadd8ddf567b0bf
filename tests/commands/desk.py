"""A trial at the command level: the small blinded protocol of tests/api/trial.py, stocked, with a clock that tests move."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Table, select

from allocation.access.actors import SYSTEM_ACTOR
from allocation.access.signing import Signature, content_hash_of
from allocation.commands.kits import LoadKitsRequest, LoadLotsRequest, load_kits, load_lots
from allocation.commands.lists import (
    ACTIVATION,
    ActivateListRequest,
    UploadListRequest,
    activate_list,
    activation_content,
    upload_list,
)
from allocation.commands.randomizing import RandomizeRequest, randomize
from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.screening import EligibilityRequest, ScreenRequest, record_eligibility, screen
from allocation.commands.service import Act, Service
from allocation.commands.shipments import (
    DispatchRequest,
    ReceiveRequest,
    dispatch_shipment,
    receive_shipment,
)
from allocation.commands.sites import OpenSiteRequest, open_site
from allocation.commands.studies import LoadStudyVersionRequest, load_study_version
from allocation.ledger.database import Database, open_database
from allocation.ledger.reader import subject_arm
from allocation.ledger.schema import PROJECTIONS, ledger_entry, ledger_seal, lot
from allocation.study.protocol import Protocol
from tests.api.trial import AS_IS, SITES, STUDY, kits, lots, protocol, randomization_list
from tests.played_once import played_once
from tests.whole_tables import whole_tables

ACT = Act(SYSTEM_ACTOR)


@dataclass
class Desk:
    """Everything a test needs to act: `now` is what the service's clock shows."""

    database: Database
    now: datetime = datetime(2026, 3, 2, 9, tzinfo=UTC)
    service: Service = field(init=False)

    def __post_init__(self) -> None:
        self.service = Service(self.database, lambda: self.now)

    def move(self, **step: float) -> None:
        self.now += timedelta(**step)

    def state(self) -> dict[str, set[tuple[Any, ...]]]:
        """All that a refusal must leave as it was."""
        return whole_tables(self.database, (ledger_entry, ledger_seal, *PROJECTIONS))

    def rows(self, table: Table) -> list[Any]:
        """The rows of a table, with their columns by name."""
        with self.database.read() as connection:
            return list(connection.execute(select(table)))

    def signed(self, meaning: str, content: dict[str, Any]) -> Act:
        """The act with a signature of that content; that signatures need a password is shown in tests/access."""
        signature = Signature("system", "The operator", "system", self.now, meaning, content_hash_of(content))
        return Act(SYSTEM_ACTOR, signature=signature)

    def load(self, version: Protocol | None = None) -> None:
        document = version or Protocol.model_validate(protocol())
        load_study_version(self.service, ACT, LoadStudyVersionRequest(protocol=document))

    def set_up(
        self, *, stocked: bool = True, blocks: int = 2, kit_count: int = 60, document: Protocol | None = None
    ) -> "Desk":
        """A loaded study with open sites, kits at the depot, an active list and, if asked, stocked sites."""
        known = None if document is None else document.model_dump_json()
        key = ("desk", stocked, blocks, kit_count, known, self.now)
        self.now = played_once(self.database, key, lambda: self._played(stocked, blocks, kit_count, document))
        return self

    def _played(self, stocked: bool, blocks: int, kit_count: int, document: Protocol | None) -> datetime:
        """Set up as `set_up` says; gives the moment it ended."""
        self._open(document, kit_count)
        uploaded = UploadListRequest.model_validate(randomization_list(AS_IS, blocks))
        answer = upload_list(self.service, ACT, STUDY, uploaded)
        act = self.signed(ACTIVATION, activation_content("ZZMRL", answer["sha256"]))
        activate_list(self.service, act, STUDY, ActivateListRequest(list_id="ZZMRL"))
        if stocked:
            self.resupply()
        return self.now

    def set_up_without_list(self, document: Protocol | None = None, kit_count: int = 60) -> "Desk":
        """A loaded study with open sites and kits at the depot."""
        known = None if document is None else document.model_dump_json()
        played_once(
            self.database, ("open", kit_count, known, self.now), lambda: self._open(document, kit_count)
        )
        return self

    def _open(self, document: Protocol | None, kit_count: int) -> None:
        self.load(document)
        for site_id in SITES:
            open_site(self.service, ACT, STUDY, OpenSiteRequest(site_id=site_id))
        load_lots(self.service, ACT, STUDY, LoadLotsRequest.model_validate(lots(AS_IS)))
        load_kits(self.service, ACT, STUDY, LoadKitsRequest.model_validate(kits(AS_IS, kit_count)))

    def arm(self, subject_id: str) -> str | None:
        return subject_arm(self.database, STUDY, subject_id)

    def stock(self, kit_types: list[str], kit_count: int) -> None:
        """Bring kits of these types to the depot, `kit_count` in three types, and by a resupply run to the sites."""
        held = {one.kit_type for one in self.rows(lot)}
        rows = lots(AS_IS)["lots"]
        new = [one for one in rows if one["kit_type"] in kit_types and one["kit_type"] not in held]
        if new:
            load_lots(self.service, ACT, STUDY, LoadLotsRequest.model_validate({"lots": new}))
        loaded = [one for one in kits(AS_IS, kit_count)["kits"] if one["kit_type"] in kit_types]
        if loaded:
            request = {"depot_id": "D1", "kits": loaded}
            load_kits(self.service, ACT, STUDY, LoadKitsRequest.model_validate(request))
            self.resupply()

    def resupply(self) -> list[str]:
        """Run resupply, and bring what was ordered to its sites two days later; gives the shipments."""
        orders = run_resupply(self.service, ACT, STUDY, RunResupplyRequest())["orders"]
        shipments = [order["shipment_id"] for order in orders]
        for shipment_id in shipments:
            dispatch_shipment(self.service, ACT, STUDY, DispatchRequest(shipment_id=shipment_id))
        self.move(days=2)
        for shipment_id in shipments:
            receive_shipment(self.service, ACT, STUDY, ReceiveRequest(shipment_id=shipment_id))
        return shipments

    def screened(self, site_id: str = "S01", **more: Any) -> str:
        request = ScreenRequest(site_id=site_id, sex="F", age=40, **{"factors": {"SEVERITY": "MILD"}, **more})
        subject_id: str = screen(self.service, ACT, STUDY, request)["subject_id"]
        return subject_id

    def eligible(self, site_id: str = "S01", **more: Any) -> str:
        subject_id = self.screened(site_id, **more)
        request = EligibilityRequest(subject_id=subject_id, eligible=True)
        record_eligibility(self.service, ACT, STUDY, request)
        return subject_id

    def randomized(self, site_id: str = "S01", **more: Any) -> str:
        subject_id = self.eligible(site_id, **more)
        randomize(self.service, ACT, STUDY, RandomizeRequest(subject_id=subject_id))
        return subject_id


@contextmanager
def desk_at(url: str) -> Iterator[Desk]:
    """A desk on an empty database, closed at the end."""
    database = open_database(url)
    try:
        yield Desk(database)
    finally:
        database.dispose()
