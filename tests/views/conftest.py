"""A small trial in a database, made by the real commands, for views to read."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from allocation.access.accounts import create_account
from allocation.access.actors import SYSTEM_ACTOR, Grant
from allocation.access.grants import actor_named, grant_role
from allocation.access.signing import sign
from allocation.commands.dispensing import DispenseRequest, dispense
from allocation.commands.kits import LoadKitsRequest, LoadLotsRequest, load_kits, load_lots
from allocation.commands.lists import (
    ACTIVATION,
    ActivateListRequest,
    UploadListRequest,
    activate_list,
    activation_content,
    upload_list,
)
from allocation.commands.participation import EndRequest, discontinue
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
from tests.api.trial import AS_IS, PASSWORD, SITES, STUDY, kits, lots, protocol, randomization_list
from tests.played_once import played_once

ACT = Act(SYSTEM_ACTOR)


class MovableClock:
    """Gives a fixed moment until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **step: float) -> None:
        self.now += timedelta(**step)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = open_database(database_url)
    yield opened
    opened.dispose()


@pytest.fixture
def service(database: Database) -> Service:
    """A trial with two open sites and kits at the depot; nothing has been shipped, nobody screened."""
    service = Service(database, MovableClock())
    played_once(database, "trial of the views", lambda: begin(service))
    return service


def begin(service: Service) -> None:
    """Load the study, open its sites, bring kits to the depot and activate the list."""
    database, clock = service.database, service.clock
    load_study_version(service, ACT, LoadStudyVersionRequest.model_validate({"protocol": protocol()}))
    for site_id in SITES:
        open_site(service, ACT, STUDY, OpenSiteRequest(site_id=site_id))
    load_lots(service, ACT, STUDY, LoadLotsRequest.model_validate(lots(AS_IS)))
    load_kits(service, ACT, STUDY, LoadKitsRequest.model_validate(kits(AS_IS)))
    stored = upload_list(service, ACT, STUDY, UploadListRequest.model_validate(randomization_list(AS_IS)))
    create_account(database, SYSTEM_ACTOR, "stat", "The Statistician", PASSWORD, clock)
    grant_role(database, SYSTEM_ACTOR, "stat", Grant("unblinded_statistician", STUDY), clock)
    actor = actor_named(database, "stat")
    content = activation_content(stored["list_id"], stored["sha256"])
    signature = sign(database, actor, PASSWORD, ACTIVATION, content, clock, role="unblinded_statistician")
    activate_list(
        service, Act(actor, signature=signature), STUDY, ActivateListRequest(list_id=stored["list_id"])
    )


def ship(service: Service) -> list[str]:
    """Run resupply, send off and receive what it ordered; gives the shipments."""
    orders = run_resupply(service, ACT, STUDY, RunResupplyRequest())["orders"]
    found = [order["shipment_id"] for order in orders]
    for shipment_id in found:
        dispatch_shipment(service, ACT, STUDY, DispatchRequest(shipment_id=shipment_id, carrier="Carrier"))
    service.clock.move(days=3)
    for shipment_id in found:
        receive_shipment(service, ACT, STUDY, ReceiveRequest(shipment_id=shipment_id))
    return found


def enrol(service: Service, site_id: str, *, until: str = "dispensed", stratum: str = "MILD") -> str:
    """A subject who comes as far as `until`: screening, failed, eligible, randomized, dispensed or discontinued."""
    body = {"site_id": site_id, "sex": "F", "age": 40, "factors": {"SEVERITY": stratum}}
    subject_id = screen(service, ACT, STUDY, ScreenRequest.model_validate(body))["subject_id"]
    if until == "screening":
        return subject_id
    eligible = EligibilityRequest(subject_id=subject_id, eligible=until != "failed")
    record_eligibility(service, ACT, STUDY, eligible)
    if until in ("failed", "eligible"):
        return subject_id
    randomize(service, ACT, STUDY, RandomizeRequest(subject_id=subject_id))
    if until in ("dispensed", "discontinued"):
        dispense(service, ACT, STUDY, DispenseRequest(subject_id=subject_id, visit_code="V2"))
    if until == "discontinued":
        discontinue(service, ACT, STUDY, EndRequest(subject_id=subject_id, end_reason="ADVERSE EVENT"))
    return subject_id
