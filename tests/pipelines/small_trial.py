"""A small trial that goes through the real commands, with a subject for each way in which a subject can fare.

Two arms that look alike: A placebo, B active with a scheduled step to dose level L2 at V3. `labels` permutes which arm is which
in the randomization list and in the kits, so that the same story can be told of a twin study in which only the treatments are
exchanged.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from allocation.access.actors import SYSTEM_ACTOR
from allocation.access.signing import Signature, content_hash_of
from allocation.commands.dispensing import DispenseRequest, dispense
from allocation.commands.kits import KitRow, LoadKitsRequest, LoadLotsRequest, LotRow, load_kits, load_lots
from allocation.commands.lists import (
    ACTIVATION,
    ActivateListRequest,
    UploadedEntry,
    UploadListRequest,
    activate_list,
    activation_content,
    upload_list,
)
from allocation.commands.participation import CompleteRequest, EndRequest, complete, discontinue
from allocation.commands.randomizing import RandomizeRequest, randomize
from allocation.commands.resupply import RunResupplyRequest, run_resupply
from allocation.commands.screening import EligibilityRequest, ScreenRequest, record_eligibility, screen
from allocation.commands.service import Act, Service
from allocation.commands.shipments import DispatchRequest, ReceiveRequest, dispatch_shipment, receive_shipment
from allocation.commands.sites import OpenSiteRequest, open_site
from allocation.commands.studies import LoadStudyVersionRequest, load_study_version
from allocation.commands.visits import MissVisitRequest, VisitRequest, miss_visit, record_visit
from allocation.ledger.database import Database
from allocation.ledger.sealing import seal_pending
from allocation.study.protocol import Protocol
from tests.played_once import played_once

STUDY = "SMALL-1"
AS_IS = {"A": "A", "B": "B"}
EXCHANGED = {"A": "B", "B": "A"}
ARM_ORDER = "ABBAABBA"
"""The arms of the list, in the order in which subjects are randomized."""


def protocol_document() -> dict[str, Any]:
    """The protocol as plain data."""
    trt = {"epoch": "TRT", "window_before": 3, "window_after": 3}
    element = {"end_rule": "Next element"}
    return {
        "study": {
            "id": STUDY,
            "title": "A small trial \u2265 1 subject",
            "version": 1,
            "phase": "II",
            "planned_subjects": 8,
        },
        "arms": [
            {"code": "A", "name": "Placebo", "ratio": 1, "start_dose_level": "L1"},
            {
                "code": "B",
                "name": "Active",
                "ratio": 1,
                "start_dose_level": "L1",
                "as_treated": {"unless_dose_level": "L2", "then_arm": "A"},
            },
        ],
        "randomization": [{"code": "RAND", "visit": "V2", "method": "list"}],
        "criteria": [
            {"code": "IN01", "category": "INCLUSION", "text": "Adult \u2265 18 years"},
            {"code": "EX01", "category": "EXCLUSION", "text": "Long. " * 60},
        ],
        "screening": {"visit": "V1", "age_min": 18, "max_days_to_randomization": 28},
        "epochs": [
            {"code": "SCR", "name": "Screening", "term": "SCREENING"},
            {"code": "TRT", "name": "Treatment", "term": "TREATMENT"},
            {"code": "FUP", "name": "Follow-up", "term": "FOLLOW-UP"},
        ],
        "elements": [
            {"code": "SCRN", "name": "Screening", "start_rule": "Consent", **element},
            {
                "code": "PBO",
                "name": "Placebo",
                "start_rule": "First placebo",
                "starts_at_visit": "V2",
                **element,
            },
            {
                "code": "LOW",
                "name": "Active low",
                "start_rule": "First active",
                "starts_at_visit": "V2",
                **element,
            },
            {
                "code": "HIGH",
                "name": "Active high",
                "start_rule": "First high",
                "starts_at_visit": "V3",
                **element,
            },
            {
                "code": "FU",
                "name": "Follow-up",
                "start_rule": "Last visit",
                "starts_after_treatment": True,
                **element,
            },
        ],
        "cells": [
            {"arm": arm, "epoch": epoch, "elements": elements, "branch": branch}
            for arm, treatment in (("A", ["PBO"]), ("B", ["LOW", "HIGH"]))
            for epoch, elements, branch in (
                ("SCR", ["SCRN"], f"Randomized to {arm}"),
                ("TRT", treatment, ""),
                ("FUP", ["FU"], ""),
            )
        ],
        "visits": [
            {
                "code": "V1",
                "number": "1",
                "name": "SCREENING",
                "epoch": "SCR",
                "anchor": "randomization",
                "target_day": -7,
                "window_before": 21,
                "window_after": 7,
            },
            {"code": "V2", "number": "2", "name": "BASELINE", "target_day": 1, "dispensing": True, **trt},
            {"code": "V3", "number": "3", "name": "WEEK 2", "target_day": 15, "dispensing": True, **trt},
            {"code": "V3T", "number": "3.5", "name": "CALL", "target_day": 22, "contact": "phone", **trt},
            {"code": "V4", "number": "4", "name": "WEEK 4", "target_day": 29, **trt},
            {
                "code": "FU1",
                "number": "5",
                "name": "FOLLOW-UP",
                "epoch": "FUP",
                "anchor": "none",
                "optional": True,
            },
        ],
        "dose_levels": [
            {"code": "L1", "label": "Step 1", "order": 1},
            {"code": "L2", "label": "Step 2", "order": 2},
        ],
        "titration": [{"code": "UP", "kind": "scheduled", "arms": ["B"], "visits": ["V3"], "to_level": "L2"}],
        "dispensing": [
            {"visits": ["V2", "V3"], "arm": arm, "kits": [{"kit_type": f"K{arm}", "quantity": 2}]}
            for arm in "AB"
        ],
        "exposure": {
            "periods": [{"visit": "V2"}, {"visit": "V3", "offset_days": 1}],
            "regimens": [
                _regimen("A", None, "PLACEBO", 0),
                _regimen("B", "L1", "ACTIVE", 10),
                _regimen("B", "L2", "ACTIVE", 20),
            ],
        },
        "blinding_groups": [{"code": "BOTTLE", "label": "Bottle"}],
        "kit_types": [
            {
                "code": f"K{arm}",
                "name": f"Kit of {arm}",
                "blinding_group": "BOTTLE",
                "units_per_kit": "17.5",
                "unit": "mL",
                "expiry": {"dns_days": 30, "dnc_days": 20, "dnd_days": 15},
            }
            for arm in "AB"
        ],
        "depots": [{"code": "D1", "name": "Depot", "country": "DEU", "timezone": "Europe/Berlin"}],
        "countries": [{"code": "DEU", "name": "Germany", "depot": "D1", "timezone": "Europe/Berlin"}],
        "lanes": [{"depot": "D1", "country": "DEU", "lead_time_days": 2}],
        "sites": [
            {"code": "S1", "name": "Site 1", "country": "DEU"},
            {"code": "S2", "name": "Site 2", "country": "DEU"},
        ],
        "supply": {
            "parameters": [
                {
                    "level": "study",
                    "parameters": {
                        "min_buffer": 2,
                        "max_buffer": 6,
                        "short_window": 14,
                        "long_window": 28,
                        "trigger": "at",
                        "long_window_from": "today",
                        "seed_quantity": 14,
                    },
                }
            ]
        },
    }


def _regimen(arm: str, level: str | None, treatment: str, dose: int) -> dict[str, Any]:
    return {
        "arm": arm,
        "dose_level": level,
        "treatment": treatment,
        "dose": dose,
        "unit": "mg",
        "form": "SOLUTION",
        "frequency": "QD",
        "route": "ORAL",
    }


def protocol() -> Protocol:
    """The protocol of the small trial."""
    return Protocol.model_validate(protocol_document())


@dataclass
class SmallTrial:
    """The trial, played on a database. Each method acts on `today`, at noon UTC."""

    database: Database
    labels: dict[str, str] = field(default_factory=lambda: dict(AS_IS))
    today: date = date(2026, 3, 2)

    def __post_init__(self) -> None:
        self.service = Service(self.database, lambda: datetime.combine(self.today, time(12), UTC))

    def act(self, command: Any, request: Any, signature: Signature | None = None) -> dict[str, Any]:
        answer: dict[str, Any] = command(self.service, Act(SYSTEM_ACTOR, signature=signature), STUDY, request)
        return answer

    def on(self, month: int, day: int) -> "SmallTrial":
        self.today = date(2026, month, day)
        return self

    def set_up(self) -> None:
        """Protocol, sites, lots, 60 kits of each type in scrambled order, the list, and stock at both sites."""
        load_study_version(self.service, Act(SYSTEM_ACTOR), LoadStudyVersionRequest(protocol=protocol()))
        for site in ("S1", "S2"):
            self.act(open_site, OpenSiteRequest(site_id=site))
        lots = tuple(
            LotRow(lot_id=f"LOT{index}", kit_type=f"K{self.labels[arm]}", expiry_date=date(2027, 6, 30))
            for index, arm in enumerate("AB")
        )
        self.act(load_lots, LoadLotsRequest(lots=lots))
        kits = tuple(
            KitRow(
                kit_number=f"{1000 + index * 37 % 121 * 7:04d}",
                kit_type=f"K{self.labels['AB'[index % 2]]}",
                lot_id=f"LOT{index % 2}",
                pick_sequence=index * 53 % 127 + 1,
            )
            for index in range(120)
        )
        self.act(load_kits, LoadKitsRequest(depot_id="D1", kits=kits))
        entries = tuple(
            UploadedEntry(
                line=index + 2,
                stratum="ALL",
                sequence=index + 1,
                block=index // 4 + 1,
                randomization_number=f"R{(index + 1) * 7919 % 9973:04d}",
                arm=self.labels[arm],
            )
            for index, arm in enumerate(ARM_ORDER)
        )
        made = self.act(upload_list, UploadListRequest(list_id="MRL", event="RAND", entries=entries))
        content = activation_content("MRL", made["sha256"])
        signature = Signature(
            SYSTEM_ACTOR.username,
            "System",
            "administrator",
            self.service.clock(),
            ACTIVATION,
            content_hash_of(content),
        )
        self.act(activate_list, ActivateListRequest(list_id="MRL"), signature)
        self.restock()

    def restock(self, damaged: int = 1) -> None:
        """A resupply run whose shipments leave today and arrive the same day; the first kit of the first one is damaged."""
        orders = self.act(run_resupply, RunResupplyRequest())["orders"]
        for order in orders:
            kits = self.act(
                dispatch_shipment, DispatchRequest(shipment_id=order["shipment_id"], carrier="C")
            )["kits"]
            broken = {kits[0]: "damaged"} if order == orders[0] and damaged else {}
            self.act(receive_shipment, ReceiveRequest(shipment_id=order["shipment_id"], dispositions=broken))

    def screened(self, subject: str, site: str = "S1") -> None:
        request = ScreenRequest(
            site_id=site, subject_id=subject, sex="F", age=40, race="WHITE", ethnic="UNKNOWN"
        )
        self.act(screen, request)

    def randomized(self, subject: str) -> None:
        self.act(record_eligibility, EligibilityRequest(subject_id=subject, eligible=True))
        self.act(randomize, RandomizeRequest(subject_id=subject))

    def dispensed(self, subject: str, visit: str) -> list[str]:
        numbers: list[str] = self.act(
            dispense, DispenseRequest(subject_id=subject, visit_code=visit, override_reason="as agreed")
        )["kit_numbers"]
        return numbers

    def visited(self, subject: str, visit: str) -> None:
        self.act(
            record_visit, VisitRequest(subject_id=subject, visit_code=visit, override_reason="as agreed")
        )

    def unscheduled(self, subject: str, number: str) -> None:
        self.act(record_visit, VisitRequest(subject_id=subject, visit_number=Decimal(number), epoch="TRT"))

    def missed(self, subject: str, visit: str) -> None:
        self.act(miss_visit, MissVisitRequest(subject_id=subject, visit_code=visit))

    def play(self) -> "SmallTrial":
        """The whole story; its outcomes are told in test_refresh.py."""
        key = ("small trial", *sorted(self.labels.items()), self.today)
        self.today = played_once(self.database, key, self._played)
        return self

    def _played(self) -> date:
        """Play the story; gives the day on which it ends."""
        self.set_up()
        self.on(3, 3)
        for subject in ("1001", "1002", "1003", "1004"):
            self.screened(subject)
        for subject in ("2001", "2002", "2003"):
            self.screened(subject, "S2")
        self.on(3, 5).act(
            record_eligibility,
            EligibilityRequest(
                subject_id="1003", eligible=False, failed_criteria=("IN01",), last_contact_on=date(2026, 3, 5)
            ),
        )
        self.on(3, 10)
        for subject in ("1001", "1002", "2001", "2002"):  # arms A, B, B, A
            self.randomized(subject)
        for subject in ("1001", "1002", "2001"):
            self.dispensed(subject, "V2")
        self.on(3, 12).unscheduled("1001", "2.1")
        self.on(3, 13).act(
            discontinue,
            EndRequest(subject_id="2002", end_reason="WITHDRAWAL BY SUBJECT", end_term="Changed their mind"),
        )
        self.on(3, 24)
        for subject in ("1001", "1002"):
            self.dispensed(subject, "V3")
        self.visited("2001", "V3")  # an early termination, recorded as the next visit: no kits
        self.act(
            discontinue,
            EndRequest(
                subject_id="2001",
                end_reason="ADVERSE EVENT",
                end_term="Rash",
                last_dose_on=date(2026, 3, 23),
                visit_code="V3",
            ),
        )
        self.on(3, 31).missed("1001", "V3T")
        self.visited("1002", "V3T")
        self.on(4, 7).visited("1001", "V4")
        self.act(complete, CompleteRequest(subject_id="1001", last_dose_on=date(2026, 4, 6), visit_code="V4"))
        self.on(4, 14).visited("2001", "FU1")
        self.restock(damaged=0)
        self.sealed()
        return self.today

    def sealed(self) -> "SmallTrial":
        """Number and chain what was committed (on SQLite that has happened already)."""
        seal_pending(self.database)
        return self
