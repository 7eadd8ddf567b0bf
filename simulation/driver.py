"""Playing a trial through the real service: each act of the twin is a command, by the person whose act it is.

Every row that the demo shows was made this way. The service's clock is the twin's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from allocation.access.actors import Actor
from allocation.access.signing import Signature
from allocation.commands.dispensing import DispenseRequest, dispense
from allocation.commands.kit_counts import ReturnFromSubjectRequest, return_from_subject
from allocation.commands.kits import KitRow, LoadKitsRequest, LoadLotsRequest, LotRow, load_kits, load_lots
from allocation.commands.lists import (
    ACTIVATION,
    ActivateListRequest,
    GenerateListRequest,
    activate_list,
    activation_content,
    generate_randomization_list,
)
from allocation.commands.participation import CompleteRequest, EndRequest, complete, discontinue
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
from allocation.commands.signed_requests import asked_content
from allocation.commands.sites import OpenSiteRequest, open_site
from allocation.commands.studies import LoadStudyVersionRequest, load_study_version
from allocation.commands.supply_proposal_decisions import SignSupplyProposalRequest, sign_supply_proposal
from allocation.commands.visits import MissVisitRequest, VisitRequest, miss_visit, record_visit
from allocation.errors import DomainRefusal, NoUsableKit
from allocation.ledger.database import Database
from allocation.ledger.reader import subject_arm
from allocation.rules.dosing import DoseMove
from allocation.rules.kit_numbers import number_kits
from allocation.rules.kit_status import KitStatus
from allocation.rules.supply_proposal import PROPOSAL_SIGNED
from allocation.study.canonical import decimal_text
from allocation.study.counted_units import units_per_day_by_look
from allocation.study.protocol import Protocol
from allocation.study.randomization_design import RandomizationEvent
from allocation.views.blinded.subject_accountability import subject_accountability
from simulation.bringing_back import HeldKit, units_left
from simulation.scenario import LotPlan, Scenario
from simulation.trial import CapReached, NoKit, Order, Person

Clock = Callable[[], datetime]


@dataclass(frozen=True)
class Cast:
    """The people of the demo: who acts at which depot and site. `sign` has a person sign (meaning, content) with their password."""

    project_manager: Actor
    statistician: Actor
    supply_manager: Actor
    depots: Mapping[str, Actor]
    sites: Mapping[str, Actor]
    sign: Callable[[Actor, str, dict[str, object]], Signature]


@dataclass
class ServiceTrial:
    """The trial that a twin acts on, carried out by the commands of the real service."""

    database: Database
    protocol: Protocol
    scenario: Scenario
    clock: Clock
    cast: Cast
    kits_made: int = 0
    service: Service = field(init=False)
    study_id: str = field(init=False)
    site_of: dict[str, str] = field(default_factory=dict)
    depot_of: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Bind the service to the twin's clock."""
        self.service = Service(self.database, self.clock)
        self.study_id = self.protocol.study.id

    def set_up(self) -> None:
        """Load the protocol and put each event's randomization list, or its method where it draws at randomization, into use."""
        # The statistician loads it: a protocol holds block sizes.
        load_study_version(
            self.service, Act(self.cast.statistician), LoadStudyVersionRequest(protocol=self.protocol)
        )
        for position, event in enumerate(self.protocol.randomization):
            seed = self.scenario.randomization_list.seed + position
            if event.draws_live:
                self._activate_method(event, seed)
            else:
                self._activate_list(event, seed)

    def _activate_list(self, event: RandomizationEvent, seed: int) -> None:
        request = GenerateListRequest(
            list_id=f"MRL-{event.code}",
            event=event.code,
            entries_per_stratum=self.scenario.randomization_list.entries_per_stratum,
            seed=seed,
        )
        made = generate_randomization_list(self.service, Act(self.cast.statistician), self.study_id, request)
        act = self._signed_by_statistician(ACTIVATION, activation_content(made["list_id"], made["sha256"]))
        activate_list(self.service, act, self.study_id, ActivateListRequest(list_id=made["list_id"]))

    def _activate_method(self, event: RandomizationEvent, seed: int) -> None:
        content = method_content(event.code, event.method, self.protocol.study.version)
        act = self._signed_by_statistician(METHOD_ACTIVATION, content)
        request = ActivateMethodRequest(event=event.code, seed=seed)
        activate_method(self.service, act, self.study_id, request)

    def _signed_by_statistician(self, meaning: str, content: dict[str, Any]) -> Act:
        signature = self.cast.sign(self.cast.statistician, meaning, content)
        return Act(self.cast.statistician, signature=signature)

    def sign_proposal(self, proposal_id: str, report_sha256: str) -> int:
        """The supply manager signs proposed supply parameters into effect; gives the protocol version that they are in."""
        request = SignSupplyProposalRequest(proposal_id=proposal_id, report_sha256=report_sha256)
        content = asked_content(self.study_id, "sign_supply_proposal", request, "")
        signature = self.cast.sign(self.cast.supply_manager, PROPOSAL_SIGNED, content)
        act = Act(self.cast.supply_manager, signature=signature)
        return int(sign_supply_proposal(self.service, act, self.study_id, request)["protocol_version"])

    def open_site(self, site_id: str) -> None:
        """See `simulation.trial.Trial`."""
        answer = open_site(
            self.service, Act(self.cast.project_manager), self.study_id, OpenSiteRequest(site_id=site_id)
        )
        self.depot_of[site_id] = answer["depot_id"]

    def load_lot(self, lot: LotPlan, depot_id: str, kits: int, first: bool) -> None:
        """See `simulation.trial.Trial`; kit numbers and pick sequences come from the scenario's seed."""
        act = Act(self.cast.supply_manager)
        if first:
            row = LotRow(
                lot_id=lot.code,
                kit_type=lot.kit_type,
                expiry_date=lot.expires_on,
                manufactured_on=lot.manufactured_on,
                released_for=lot.released_for,
            )
            load_lots(self.service, act, self.study_id, LoadLotsRequest(lots=(row,)))
        numbered = number_kits(self.scenario.seed, kits, self.kits_made)
        self.kits_made += kits
        rows = tuple(
            KitRow(
                kit_number=one.number, kit_type=lot.kit_type, lot_id=lot.code, pick_sequence=one.pick_sequence
            )
            for one in numbered
        )
        load_kits(self.service, act, self.study_id, LoadKitsRequest(depot_id=depot_id, kits=rows))

    def screen(self, site_id: str, person: Person) -> str:
        """See `simulation.trial.Trial`."""
        request = ScreenRequest(
            site_id=site_id,
            sex=person.sex,
            age=person.age,
            race=person.race,
            ethnic=person.ethnic,
            factors=dict(person.factors),
        )
        try:
            answer = screen(self.service, Act(self.cast.sites[site_id]), self.study_id, request)
        except DomainRefusal as refusal:
            raise _cap(refusal) from refusal
        subject_id: str = answer["subject_id"]
        self.site_of[subject_id] = site_id
        return subject_id

    def _desk(self, subject_id: str, reason: str = "") -> Act:
        return Act(self.cast.sites[self.site_of[subject_id]], reason=reason)

    def eligibility(self, subject_id: str, failed: str | None) -> None:
        """See `simulation.trial.Trial`."""
        request = EligibilityRequest(
            subject_id=subject_id,
            eligible=failed is None,
            failed_criteria=() if failed is None else (failed,),
        )
        record_eligibility(self.service, self._desk(subject_id), self.study_id, request)

    def randomize(self, subject_id: str) -> str:
        """See `simulation.trial.Trial`; the arm is read from the ledger's projections, as no answer to a site holds it."""
        try:
            randomize(
                self.service, self._desk(subject_id), self.study_id, RandomizeRequest(subject_id=subject_id)
            )
        except DomainRefusal as refusal:
            raise _cap(refusal) from refusal
        return subject_arm(self.database, self.study_id, subject_id)

    def dispense(self, subject_id: str, visit: str, move: DoseMove | None, reason: str) -> None:
        """See `simulation.trial.Trial`."""
        request = DispenseRequest(
            subject_id=subject_id, visit_code=visit, titration=move, override_reason=reason
        )
        try:
            dispense(self.service, self._desk(subject_id), self.study_id, request)
        except NoUsableKit as refusal:
            raise NoKit from refusal

    def visit(self, subject_id: str, visit: str, reason: str) -> None:
        """See `simulation.trial.Trial`."""
        request = VisitRequest(subject_id=subject_id, visit_code=visit, override_reason=reason)
        record_visit(self.service, self._desk(subject_id), self.study_id, request)

    def miss(self, subject_id: str, visit: str) -> None:
        """See `simulation.trial.Trial`."""
        request = MissVisitRequest(subject_id=subject_id, visit_code=visit)
        miss_visit(self.service, self._desk(subject_id), self.study_id, request)

    def bring_back(self, subject_id: str, missed: float) -> None:
        """See `simulation.trial.Trial`. Kits whose daily number the look does not tell stay with the subject."""
        desk = self._desk(subject_id)
        found = subject_accountability(self.database, desk.actor, self.study_id, subject_id)
        codes = {decimal_text(visit.number): visit.code for visit in self.protocol.visits}
        labels = {group.code: group.label for group in self.protocol.blinding_groups}
        held = []
        for one in found.kits:
            daily = units_per_day_by_look(self.protocol, codes.get(one.visit_number))
            rates = [rate for group, rate in daily.items() if labels.get(group, group) == one.kit_group]
            if one.status == KitStatus.DISPENSED and one.dispensed_units is not None and rates:
                units = Decimal(one.dispensed_units)
                held.append(HeldKit(one.kit_number, one.kit_group, one.dispensed_on, units, rates[0]))
        if not held:
            return
        site_id = self.site_of[subject_id]
        today = self.clock().astimezone(self._zone_of(site_id)).date()
        counted = [
            {"kit_number": number, "returned_units": Decimal(left)}
            for number, left in units_left(held, today, missed).items()
        ]
        request = ReturnFromSubjectRequest.model_validate({"subject_id": subject_id, "kits": counted})
        return_from_subject(self.service, desk, self.study_id, request)

    def _zone_of(self, site_id: str) -> ZoneInfo:
        """The time zone of a site of the protocol."""
        at = next(one for one in self.protocol.sites if one.code == site_id)
        country = self.protocol.country(at.country)
        return ZoneInfo(at.timezone or (country.timezone if country is not None else "UTC"))

    def discontinue(self, subject_id: str, reason: str, last_dose_on: date | None, visit: str | None) -> None:
        """See `simulation.trial.Trial`."""
        request = EndRequest(
            subject_id=subject_id, end_reason=reason, last_dose_on=last_dose_on, visit_code=visit
        )
        discontinue(self.service, self._desk(subject_id), self.study_id, request)

    def complete(self, subject_id: str, last_dose_on: date | None, visit: str) -> None:
        """See `simulation.trial.Trial`."""
        request = CompleteRequest(subject_id=subject_id, last_dose_on=last_dose_on, visit_code=visit)
        complete(self.service, self._desk(subject_id), self.study_id, request)

    def run_resupply(self) -> list[Order]:
        """See `simulation.trial.Trial`."""
        answer = run_resupply(
            self.service, Act(self.cast.supply_manager), self.study_id, RunResupplyRequest()
        )
        return [Order(one["shipment_id"], one["site_id"], one["kits"]) for one in answer["orders"]]

    def dispatch(self, shipment_id: str, expected_on: date) -> list[str]:
        """See `simulation.trial.Trial`."""
        request = DispatchRequest(
            shipment_id=shipment_id,
            carrier="Demo Clinical Logistics",
            tracking_number=f"DCL-{shipment_id}",
            expected_on=expected_on,
        )
        desk = self.cast.depots[self.depot_of[shipment_id.rpartition("-")[0]]]
        answer = dispatch_shipment(self.service, Act(desk), self.study_id, request)
        kits: list[str] = answer["kits"]
        return kits

    def receive(self, shipment_id: str, dispositions: Mapping[str, str]) -> None:
        """See `simulation.trial.Trial`."""
        site_id = shipment_id.rpartition("-")[0]
        request = ReceiveRequest.model_validate(
            {"shipment_id": shipment_id, "dispositions": dict(dispositions)}
        )
        receive_shipment(self.service, Act(self.cast.sites[site_id]), self.study_id, request)


def _cap(refusal: DomainRefusal) -> Exception:
    """A cap is an outcome that the twin expects; any other refusal is an error of the simulation and goes on up."""
    return CapReached(str(refusal)) if refusal.code == "cap-reached" else refusal
