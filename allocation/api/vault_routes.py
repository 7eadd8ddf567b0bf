"""The routes of parcels to patients, and of the vault of their addresses: keep one, forget one, read one, and who opened it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Final

from fastapi import APIRouter, Response

from allocation.api.answers import Answer, KitsAnswer
from allocation.api.bodies import REASON
from allocation.api.command_route import SITE_DESK, CommandRoute
from allocation.api.identity import RunningService, WhoAsks
from allocation.api.problems import responses
from allocation.commands.home_parcels import SendHomeRequest, send_home
from allocation.commands.service import CommandRequest
from allocation.commands.vault import (
    AddressOfSubject,
    PatientAddress,
    SetAddressRequest,
    forget_patient_address,
    list_vault_accesses,
    read_patient_address,
    set_patient_address,
)
from allocation.views.blinded.home_parcels import HomeParcels, list_home_parcels

router = APIRouter(prefix="/studies")
_REFUSALS = responses(401, 403, 404, 422)


class SetAddressBody(SetAddressRequest):
    """The address of a subject."""

    reason: str = REASON


class ForgetAddressBody(AddressOfSubject):
    """A subject whose address is deleted, with the reason."""

    reason: str = REASON


class SetAddressAnswer(Answer):
    """That an address is kept, and whether it took the place of another one."""

    subject_id: str
    replaced: bool


class ForgetAddressAnswer(Answer):
    """That the address is gone."""

    subject_id: str
    forgotten: bool


class SendHomeBody(SendHomeRequest):
    """A parcel to a subject's home."""

    reason: str = REASON


class SendHomeAnswer(KitsAnswer):
    """The parcel and its kits, by number."""

    parcel_id: str
    subject_id: str
    visit_number: str
    kits: tuple[str, ...]
    expected_on: date


class VaultAccess(Answer):
    """An opening of the vault."""

    at: datetime
    actor: str
    role: str
    act: str


VAULT_ROUTES: Final[tuple[CommandRoute, ...]] = (
    CommandRoute(
        "set_patient_address",
        "patient-addresses",
        SITE_DESK,
        "Keep the address of a subject in the vault",
        set_patient_address,
        SetAddressRequest,
        SetAddressBody,
        SetAddressAnswer,
    ),
    CommandRoute(
        "forget_patient_address",
        "forgotten-patient-addresses",
        SITE_DESK,
        "Delete the address of a subject",
        forget_patient_address,
        AddressOfSubject,
        ForgetAddressBody,
        ForgetAddressAnswer,
    ),
    CommandRoute(
        "send_home",
        "home-parcels",
        SITE_DESK,
        "Send the kits assigned to a subject to its home",
        send_home,
        SendHomeRequest,
        SendHomeBody,
        SendHomeAnswer,
    ),
)

VAULT_EXAMPLES: Final[dict[type[CommandRequest], dict[str, Any]]] = {
    SetAddressBody: {
        "subject_id": "DE01-0001",
        "address": {
            "recipient": "Erika Mustermann",
            "lines": ["Heidestrasse 17"],
            "postcode": "51147",
            "city": "Koeln",
            "country": "DEU",
        },
    },
    SendHomeBody: {"subject_id": "DE01-0001", "carrier": "Swift Couriers", "tracking_number": "SC-7781"},
    ForgetAddressBody: {"subject_id": "DE01-0001", "reason": "the subject asked for it"},
}


@router.get(
    "/{study_id}/subjects/{subject_id}/address",
    response_model=PatientAddress,
    tags=[SITE_DESK],
    summary="The address of a subject; the reading is recorded",
    responses=_REFUSALS,
)
def address(
    study_id: str, subject_id: str, service: RunningService, actor: WhoAsks, response: Response
) -> PatientAddress:
    """For people of the subject's site, who send to it."""
    response.headers["Cache-Control"] = "no-store"
    return read_patient_address(service, actor, study_id, subject_id)


@router.get(
    "/{study_id}/home-parcels",
    response_model=HomeParcels,
    tags=[SITE_DESK],
    summary="Parcels to subjects",
    responses=_REFUSALS,
)
def home_parcels(study_id: str, service: RunningService, actor: WhoAsks) -> HomeParcels:
    """Those of the sites that the caller may see, the latest sent first; no address."""
    return list_home_parcels(service.database, actor, study_id)


@router.get(
    "/{study_id}/subjects/{subject_id}/address-accesses",
    response_model=list[VaultAccess],
    tags=[SITE_DESK],
    summary="Who kept, read or deleted the address of a subject",
    responses=_REFUSALS,
)
def accesses(study_id: str, subject_id: str, service: RunningService, actor: WhoAsks) -> list[dict[str, Any]]:
    """The latest first; never what the address was."""
    return list_vault_accesses(service, actor, study_id, subject_id)
