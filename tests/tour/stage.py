"""Where a tour is played: one small study from studies/, on a database, with a clock that the story moves.

Every act is a command of the real service; people act as the operator, and sign as the operator.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import select

from allocation.access.actors import SYSTEM_ACTOR
from allocation.access.signing import Signature, content_hash_of
from allocation.commands.dispensing import DispenseRequest, dispense
from allocation.commands.kits import KitRow, LoadKitsRequest, LoadLotsRequest, LotRow, load_kits, load_lots
from allocation.commands.lists import (
    ACTIVATION,
    ActivateListRequest,
    GenerateListRequest,
    activate_list,
    activation_content,
    generate_randomization_list,
)
from allocation.commands.participation import CompleteRequest, complete
from allocation.commands.randomization_methods import (
    METHOD_ACTIVATION,
    ActivateMethodRequest,
    activate_method,
    method_content,
)
from allocation.commands.randomizing import RandomizeRequest, randomize
from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.screening import EligibilityRequest, ScreenRequest, record_eligibility, screen
from allocation.commands.service import Act, Service
from allocation.commands.shipments import DispatchRequest, ReceiveRequest, dispatch_shipment, receive_shipment
from allocation.commands.sites import OpenSiteRequest, open_site
from allocation.commands.studies import GO_LIVE, LoadStudyVersionRequest, load_study_version, version_content
from allocation.commands.visits import VisitRequest, record_visit
from allocation.ledger.database import Database
from allocation.ledger.schema import kit
from allocation.rules.kit_numbers import number_kits
from allocation.study.yaml_files import load_protocol
from allocation.views.unblinded.draws import ExplainedRandomization, explain_randomization

STUDIES = Path(__file__).resolve().parents[2] / "studies"
SEED = 20260112
ENTRIES = 24
KITS = 40


@dataclass
class Stage:
    """The study of a file on a database. `now` is what the service's clock shows."""

    database: Database
    file: str
    now: datetime = datetime(2026, 1, 12, 9, tzinfo=UTC)
    service: Service = field(init=False)
    kits_made: Any = field(default_factory=count)

    def __post_init__(self) -> None:
        self.service = Service(self.database, lambda: self.now)
        self.protocol = load_protocol(STUDIES / self.file)
        self.study_id = self.protocol.study.id

    def act(self, command: Any, request: Any, act: Act | None = None) -> dict[str, Any]:
        answer: dict[str, Any] = command(self.service, act or Act(SYSTEM_ACTOR), self.study_id, request)
        return answer

    def signed(self, meaning: str, content: dict[str, Any]) -> Act:
        signature = Signature("system", "The operator", "system", self.now, meaning, content_hash_of(content))
        return Act(SYSTEM_ACTOR, signature=signature)

    def set_up(self, *, kit_types: tuple[str, ...] = ()) -> Stage:
        """Load the protocol, open its sites, put lists and methods into use, and stock the sites (with some kit types only)."""
        load_study_version(self.service, Act(SYSTEM_ACTOR), LoadStudyVersionRequest(protocol=self.protocol))
        for site in self.protocol.sites:
            self.act(open_site, OpenSiteRequest(site_id=site.code))
        for event in self.protocol.randomization:
            if event.draws_live:
                content = method_content(event.code, event.method, self.protocol.study.version)
                request = ActivateMethodRequest(event=event.code, seed=SEED)
                self.act(activate_method, request, self.signed(METHOD_ACTIVATION, content))
                continue
            list_id = f"MRL-{event.code}"
            made = self.act(
                generate_randomization_list,
                GenerateListRequest(
                    list_id=list_id, event=event.code, entries_per_stratum=ENTRIES, seed=SEED
                ),
            )
            content = activation_content(list_id, made["sha256"])
            self.act(activate_list, ActivateListRequest(list_id=list_id), self.signed(ACTIVATION, content))
        self.kits_come(*(kit_types or tuple(one.code for one in self.protocol.kit_types)))
        return self

    def kits_come(self, *kit_types: str) -> None:
        """A lot of each type comes to the depot, and the sites are resupplied."""
        number = next(self.kits_made)
        lots = {kit_type: f"LOT-{kit_type}-{number}" for kit_type in kit_types}
        expiry = self.now.date() + timedelta(days=700)
        rows = tuple(LotRow(lot_id=lot, kit_type=one, expiry_date=expiry) for one, lot in lots.items())
        self.act(load_lots, LoadLotsRequest(lots=rows))
        identities = number_kits(SEED, KITS * len(lots), number * KITS * len(self.protocol.kit_types))
        kits = tuple(
            KitRow(
                kit_number=one.number,
                kit_type=kit_types[index % len(kit_types)],
                lot_id=lots[kit_types[index % len(kit_types)]],
                pick_sequence=one.pick_sequence,
            )
            for index, one in enumerate(identities)
        )
        self.act(load_kits, LoadKitsRequest(depot_id=self.protocol.depots[0].code, kits=kits))
        self.resupply()

    def resupply(self) -> None:
        """What the rule orders leaves the depot and arrives within the hour: shipping is not what these tours are about."""
        orders = self.act(run_resupply, RunResupplyRequest())["orders"]
        for order in orders:
            named = {"shipment_id": order["shipment_id"]}
            self.act(dispatch_shipment, DispatchRequest(**named))
            self.act(receive_shipment, ReceiveRequest(**named))

    def move(self, days: int) -> Stage:
        """Days pass; then the sites are resupplied."""
        self.now += timedelta(days=days)
        self.resupply()
        return self

    @property
    def today(self) -> date:
        return self.now.date()

    def eligible(self, site_id: str = "DE01", **more: Any) -> str:
        """Somebody is screened and found eligible."""
        request = ScreenRequest(site_id=site_id, sex="F", age=40, **more)
        who: str = self.act(screen, request)["subject_id"]
        self.found(who)
        return who

    def found(self, who: str, event: str | None = None, *, eligible: bool = True) -> None:
        """The investigator's finding, for study or for a later event."""
        self.act(record_eligibility, EligibilityRequest(subject_id=who, eligible=eligible, event=event))

    def randomized(self, who: str, event: str | None = None) -> dict[str, Any]:
        return self.act(randomize, RandomizeRequest(subject_id=who, event=event))

    def enrolled(self, site_id: str = "DE01", **more: Any) -> str:
        """Somebody is screened, found eligible, randomized and given the kits of the first visit."""
        who = self.eligible(site_id, **more)
        self.randomized(who)
        self.dispensed(who, "V2")
        return who

    def dispensed(self, who: str, visit: str) -> list[str]:
        """A dispensing visit today; gives the kit types (which no answer to a site holds)."""
        numbers = self.act(dispense, DispenseRequest(subject_id=who, visit_code=visit))["kit_numbers"]
        with self.database.read() as connection:
            query = select(kit.c.kit_type).where(kit.c.kit_number.in_(numbers))
            return list(connection.execute(query.order_by(kit.c.kit_type)).scalars())

    def visited(self, who: str, visit: str) -> None:
        self.act(record_visit, VisitRequest(subject_id=who, visit_code=visit))

    def completed(self, who: str, last_dose_on: date) -> None:
        self.act(complete, CompleteRequest(subject_id=who, last_dose_on=last_dose_on))

    def amend(self, file: str) -> None:
        """The statistician signs the next version; it counts from now on."""
        protocol = load_protocol(STUDIES / file)
        act = self.signed(GO_LIVE, version_content(protocol))
        load_study_version(self.service, act, LoadStudyVersionRequest(protocol=protocol))
        self.protocol = protocol

    def explained(self, who: str) -> tuple[ExplainedRandomization, ...]:
        return explain_randomization(self.database, SYSTEM_ACTOR, self.study_id, who).randomizations

    def arm(self, who: str) -> str:
        """The arm that the subject is in now."""
        return self.explained(who)[-1].arm

    def by_arm(self, people: list[str]) -> dict[str, list[str]]:
        """Present arm to its subjects, in the order of enrolment."""
        found = defaultdict(list)
        for who in people:
            found[self.arm(who)].append(who)
        return dict(found)
