"""Bodies of the routes that run a command: the command's own request, plus the reason that the ledger keeps."""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeVar, cast

from pydantic import Field, SecretStr

from allocation.commands.cohorts import SetCohortRequest
from allocation.commands.confirming import ConfirmDispensingRequest
from allocation.commands.dispensing import DispenseRequest
from allocation.commands.dose_hold import HoldDosingRequest, ResumeDosingRequest
from allocation.commands.kit_replacement import ReplaceKitRequest
from allocation.commands.lists import ActivateListRequest, GenerateListRequest, UploadListRequest
from allocation.commands.participation import CompleteRequest, EndRequest
from allocation.commands.randomization_methods import ActivateMethodRequest
from allocation.commands.randomizing import RandomizeRequest
from allocation.commands.screening import EligibilityRequest, ScreenRequest
from allocation.commands.service import CommandRequest
from allocation.commands.shipments import ReceiveRequest
from allocation.commands.sites import OpenSiteRequest
from allocation.commands.stratum_correction import CorrectStratumRequest
from allocation.commands.studies import LoadStudyVersionRequest
from allocation.commands.version_effects import PutVersionIntoEffectRequest
from allocation.commands.visits import MissVisitRequest, VisitRequest
from allocation.plain_values import PlainModel

RequestT = TypeVar("RequestT", bound=CommandRequest)

REASON = Field(default="", max_length=1000, description="why, for the ledger")


Password = Annotated[SecretStr, Field(max_length=1000)]
"""A password as it is sent; models of it are `PlainModel`, which refuses what cannot be written as UTF-8."""


class SignatureBody(PlainModel):
    """An electronic signature: the password again, and what signing means (21 CFR 11.50, 11.200)."""

    password: Password = Field(examples=["correct horse battery"])
    meaning: str = Field(min_length=1, max_length=200, examples=["randomization list activated"])


class ScreenBody(ScreenRequest):
    """A subject who comes to screening."""

    reason: str = REASON


class EligibilityBody(EligibilityRequest):
    """Whether a subject meets the criteria."""

    reason: str = REASON


class RandomizeBody(RandomizeRequest):
    """A subject to randomize."""

    reason: str = REASON


class DispenseBody(DispenseRequest):
    """A dispensing visit."""

    reason: str = REASON


class ConfirmDispensingBody(ConfirmDispensingRequest):
    """What became of the assigned kits."""

    reason: str = REASON


class ReplaceKitBody(ReplaceKitRequest):
    """A kit to replace, with the reason."""

    reason: str = REASON


class HoldDosingBody(HoldDosingRequest):
    """A dose hold, with the reason."""

    reason: str = REASON


class ResumeDosingBody(ResumeDosingRequest):
    """The end of a dose hold, with the reason."""

    reason: str = REASON


class VisitBody(VisitRequest):
    """A visit without dispensing."""

    reason: str = REASON


class MissVisitBody(MissVisitRequest):
    """A planned visit that did not take place."""

    reason: str = REASON


class DiscontinueBody(EndRequest):
    """How a subject left the study early."""

    reason: str = REASON


class CompleteBody(CompleteRequest):
    """A subject who went through the whole study."""

    reason: str = REASON


class SetCohortBody(SetCohortRequest):
    """A cohort to open or to close."""

    reason: str = REASON


class CorrectStratumBody(CorrectStratumRequest):
    """The true factor levels of a subject."""

    reason: str = REASON


class OpenSiteBody(OpenSiteRequest):
    """A site to open."""

    reason: str = REASON


class ReceiveBody(ReceiveRequest):
    """A shipment that arrives."""

    reason: str = REASON


class UploadListBody(UploadListRequest):
    """A statistician's randomization list."""

    reason: str = REASON


class GenerateListBody(GenerateListRequest):
    """A randomization list to generate."""

    reason: str = REASON


class ActivateListBody(ActivateListRequest):
    """A list to put into use, signed."""

    reason: str = REASON
    signature: SignatureBody


class ActivateMethodBody(ActivateMethodRequest):
    """A method to put into use for an event that draws at randomization, signed."""

    reason: str = REASON
    signature: SignatureBody


class LoadStudyVersionBody(LoadStudyVersionRequest):
    """A protocol version; signed in production and for every version after the first."""

    reason: str = REASON
    signature: SignatureBody | None = None


class PreviewAmendmentBody(LoadStudyVersionRequest):
    """A protocol version as it would be loaded; nothing is signed or recorded."""


class PutVersionIntoEffectBody(PutVersionIntoEffectRequest):
    """A loaded version that was approved in one more country, signed."""

    reason: str = REASON
    signature: SignatureBody


def request_of(body: CommandRequest, kind: type[RequestT]) -> RequestT:
    """The command's request within a body, which has been validated as such already."""
    return cast(RequestT, kind.model_construct(**{name: getattr(body, name) for name in kind.model_fields}))


EXAMPLES: Final[dict[type[CommandRequest], dict[str, Any]]] = {
    ScreenBody: {
        "site_id": "DE01",
        "screened_on": "2026-03-02",
        "sex": "F",
        "age": 47,
        "factors": {"SEVERITY": "SEVERE", "PRIOR": "NO"},
    },
    EligibilityBody: {"subject_id": "DE01-0001", "eligible": True, "assessed_on": "2026-03-09"},
    RandomizeBody: {"subject_id": "DE01-0001", "randomized_on": "2026-03-09"},
    DispenseBody: {"subject_id": "DE01-0001", "visit_code": "V4", "titration": "up"},
    ConfirmDispensingBody: {
        "subject_id": "DE01-0001",
        "handed_out": ["483920"],
        "not_dispensed": [{"kit_number": "483921", "reason": "carton was open"}],
    },
    ReplaceKitBody: {
        "subject_id": "DE01-0001",
        "kit_number": "483920",
        "found": "lost",
        "reason": "left on a train",
    },
    HoldDosingBody: {"subject_id": "DE01-0001", "reason": "laboratory value out of range"},
    ResumeDosingBody: {"subject_id": "DE01-0001", "reason": "laboratory value in range again"},
    VisitBody: {"subject_id": "DE01-0001", "visit_code": "V3", "visit_date": "2026-03-23"},
    MissVisitBody: {"subject_id": "DE01-0001", "visit_code": "V3"},
    DiscontinueBody: {
        "subject_id": "DE01-0001",
        "ended_on": "2026-05-04",
        "end_reason": "ADVERSE EVENT",
        "end_term": "Headache",
        "last_dose_on": "2026-05-03",
    },
    CompleteBody: {"subject_id": "DE01-0001", "ended_on": "2027-03-08", "visit_code": "V11"},
    SetCohortBody: {"cohort": "C2", "open": True, "reason": "Data of cohort C1 reviewed on 2026-05-04"},
    CorrectStratumBody: {
        "subject_id": "DE01-0001",
        "factors": {"PRIOR": "YES"},
        "reason": "Source data verification: prior therapy found",
    },
    OpenSiteBody: {"site_id": "DE01"},
    ReceiveBody: {
        "shipment_id": "DE01-S001",
        "dispositions": {"483920": "damaged", "483921": "not_arrived"},
        "unlisted": ["(01)09521234543213(21)594400"],
    },
    UploadListBody: {
        "list_id": "MRL1",
        "event": "RAND",
        "entries": [
            {
                "line": 2,
                "stratum": "SEVERITY=MODERATE|PRIOR=NO",
                "sequence": 1,
                "block": 1,
                "randomization_number": "R10482",
                "arm": "ORT20",
            }
        ],
    },
    GenerateListBody: {"list_id": "MRL1", "event": "RAND", "entries_per_stratum": 300},
    ActivateListBody: {
        "list_id": "MRL1",
        "signature": {"password": "correct horse battery", "meaning": "randomization list activated"},
    },
    PutVersionIntoEffectBody: {
        "version": 2,
        "country": "FRA",
        "effective_at": "2026-05-01T00:00:00Z",
        "signature": {
            "password": "correct horse battery",
            "meaning": "protocol version approved for the country",
        },
    },
    ActivateMethodBody: {
        "event": "RAND",
        "signature": {"password": "correct horse battery", "meaning": "randomization method activated"},
    },
}
"""One example for each body, for the OpenAPI description."""
