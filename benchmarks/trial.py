"""The trial that benchmarks run on: the demo's protocol with more subjects at each of its 40 sites, all made by real commands.

Nothing is dispensed yet: every randomized subject has the protocol's dispensing visits ahead, and its site has the kits for them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from allocation.access.actors import SYSTEM_ACTOR
from allocation.access.signing import Signature, content_hash_of
from allocation.commands.dispensing import DispenseRequest
from allocation.commands.kits import KitRow, LoadKitsRequest, LoadLotsRequest, LotRow, load_kits, load_lots
from allocation.commands.lists import (
    ACTIVATION,
    ActivateListRequest,
    GenerateListRequest,
    activate_list,
    activation_content,
    generate_randomization_list,
)
from allocation.commands.randomizing import RandomizeRequest, randomize
from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.screening import EligibilityRequest, ScreenRequest, record_eligibility, screen
from allocation.commands.service import Act, Service
from allocation.commands.shipments import DispatchRequest, ReceiveRequest, dispatch_shipment, receive_shipment
from allocation.commands.sites import OpenSitesRequest, SiteRow, open_sites
from allocation.commands.studies import LoadStudyVersionRequest, load_study_version
from allocation.ledger.database import Database
from allocation.ledger.reader import subject_arm
from allocation.rules.dosing import DoseMove
from allocation.rules.kit_numbers import number_kits
from allocation.study.protocol import Protocol
from allocation.study.yaml_files import load_protocol

DEMO = Path(__file__).parent.parent / "studies" / "demo.yaml"
ACT = Act(SYSTEM_ACTOR)
LOADED = datetime(2025, 2, 3, 12, tzinfo=UTC)
RANDOMIZED = datetime(2025, 3, 3, 12, tzinfo=UTC)
"""Noon in UTC is the same date at every site of the demo."""
EXPIRES = date(2027, 12, 31)
MOVES = {"V4": DoseMove.UP, "V5": DoseMove.UP}
"""What investigators ask for, in every arm: so all four kit types are dispensed."""
BLOCK = 5
"""Subjects of a block (2:2:1). A site enrols whole blocks, so its need of kits is known exactly."""
KITS_OF_A_BLOCK = {"K10": 2, "K20": 28, "K40": 22, "KPB": 13}
"""What a block's subjects are dispensed at V2 to V10 with these moves: 13 kits each."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Dispensing:
    """One dispensing that is still to be done. `shape` (arm and visit) decides which statements it takes."""

    subject_id: str
    site_id: str
    arm: str
    request: DispenseRequest
    moment: datetime

    @property
    def shape(self) -> tuple[str, str]:
        """Arm and visit: dispensings of one shape send the same statements and hand out kits of the same type."""
        return self.arm, self.request.visit_code


@dataclass(frozen=True)
class LoadedTrial:
    """What was loaded: the study, and each site's subjects with the dispensings ahead of each, in order of visit."""

    study_id: str
    subjects: dict[str, tuple[tuple[Dispensing, ...], ...]]

    @property
    def dispensings(self) -> int:
        """How many dispensings there are to do."""
        return sum(len(ahead) for site in self.subjects.values() for ahead in site)


def larger_protocol(blocks_per_site: int) -> Protocol:
    """The demo's protocol without caps, whose sites are seeded with all that their subjects will need."""
    document = load_protocol(DEMO).model_dump(mode="json")
    seeds = [
        {
            "level": "study",
            "kit_type": kit_type,
            "parameters": {"seed_quantity": kits * blocks_per_site},
        }
        for kit_type, kits in KITS_OF_A_BLOCK.items()
    ]
    general = {
        "level": "study",
        "parameters": {
            "min_buffer": 0,
            "max_buffer": 0,
            "short_window": 12,
            "long_window": 26,
            "trigger": "below",
            "long_window_from": "today",
            "seed_quantity": 0,
        },
    }
    document["caps"] = []
    document["randomization"][0]["block_sizes"] = [BLOCK]
    document["supply"]["parameters"] = [general, *seeds]
    return Protocol.model_validate(document)


def load_trial(database: Database, blocks_per_site: int, say: Say) -> LoadedTrial:
    """Load the study, open its sites, bring kits there and randomize the subjects: thousands of entries by the real commands."""
    moment = [LOADED]
    service = Service(database, lambda: moment[0])
    protocol = larger_protocol(blocks_per_site)
    study_id = protocol.study.id
    say(f"loading {study_id}: {len(protocol.sites)} sites, {BLOCK * blocks_per_site} subjects at each")
    load_study_version(service, ACT, LoadStudyVersionRequest(protocol=protocol))
    sites = [one.code for one in protocol.sites]
    opening = tuple(SiteRow(site_id=code) for code in sites)
    open_sites(service, ACT, study_id, OpenSitesRequest(sites=opening))
    _stock_depots(service, protocol, blocks_per_site)
    _stock_sites(service, study_id)
    say("sites are stocked; randomizing")
    _activate_list(service, protocol, BLOCK * blocks_per_site * len(sites))
    moment[0] = RANDOMIZED
    subjects = {
        code: tuple(_enrol(service, protocol, code) for _ in range(BLOCK * blocks_per_site)) for code in sites
    }
    return LoadedTrial(study_id, subjects)


def _stock_depots(service: Service, protocol: Protocol, blocks_per_site: int) -> None:
    study_id = protocol.study.id
    lots = tuple(
        LotRow(lot_id=f"L-{one.code}", kit_type=one.code, expiry_date=EXPIRES) for one in protocol.kit_types
    )
    load_lots(service, ACT, study_id, LoadLotsRequest(lots=lots))
    countries = {one.code: one.depot for one in protocol.countries}
    served = [one.depot or countries[one.country] for one in protocol.sites]
    made = 0
    for depot in sorted(set(served)):
        types = [
            kit_type
            for kit_type, kits in KITS_OF_A_BLOCK.items()
            for _ in range(kits * blocks_per_site * served.count(depot))
        ]
        rows = tuple(
            KitRow(
                kit_number=one.number,
                kit_type=kit_type,
                lot_id=f"L-{kit_type}",
                pick_sequence=one.pick_sequence,
            )
            for one, kit_type in zip(number_kits(20250203, len(types), made), types, strict=True)
        )
        made += len(types)
        load_kits(service, ACT, study_id, LoadKitsRequest(depot_id=depot, kits=rows))


def _stock_sites(service: Service, study_id: str) -> None:
    for order in run_resupply(service, ACT, study_id, RunResupplyRequest())["orders"]:
        dispatch_shipment(service, ACT, study_id, DispatchRequest(shipment_id=order["shipment_id"]))
        receive_shipment(service, ACT, study_id, ReceiveRequest(shipment_id=order["shipment_id"]))


def _activate_list(service: Service, protocol: Protocol, subjects: int) -> None:
    (event,) = protocol.randomization
    request = GenerateListRequest(
        list_id="MRL", event=event.code, entries_per_stratum=subjects, seed=20250203
    )
    made = generate_randomization_list(service, ACT, protocol.study.id, request)
    # Signing is not what is measured: the operator's signature, without the password that a person gives.
    content = activation_content("MRL", made["sha256"])
    signature = Signature(
        "system", "OpenRTSM", "system", service.clock(), ACTIVATION, content_hash_of(content)
    )
    act = Act(SYSTEM_ACTOR, signature=signature)
    activate_list(service, act, protocol.study.id, ActivateListRequest(list_id="MRL"))


def _enrol(service: Service, protocol: Protocol, site_id: str) -> tuple[Dispensing, ...]:
    """Screen and randomize one subject; gives the dispensings ahead. All are of one stratum, so blocks balance each site."""
    study_id = protocol.study.id
    factors = {factor.code: factor.levels[0].code for factor in protocol.stratification}
    screening = ScreenRequest(site_id=site_id, sex="F", age=40, factors=factors)
    subject_id: str = screen(service, ACT, study_id, screening)["subject_id"]
    eligible = EligibilityRequest(subject_id=subject_id, eligible=True)
    record_eligibility(service, ACT, study_id, eligible)
    randomize(service, ACT, study_id, RandomizeRequest(subject_id=subject_id))
    arm = subject_arm(service.database, study_id, subject_id)
    return tuple(
        Dispensing(
            subject_id,
            site_id,
            arm,
            DispenseRequest(subject_id=subject_id, visit_code=visit.code, titration=MOVES.get(visit.code)),
            RANDOMIZED + timedelta(days=visit.target_day - 1),
        )
        for visit in protocol.visits
        if visit.dispensing and visit.target_day is not None
    )
