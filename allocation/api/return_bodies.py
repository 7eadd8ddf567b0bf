"""Bodies and answers of the routes of returns: the command's own request, plus the reason and, where a step is signed, the signature."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from pydantic import Field

from allocation.api.answers import Answer, KitsAnswer, OfLot
from allocation.api.bodies import REASON, SignatureBody
from allocation.commands.count_corrections import CorrectKitCountRequest
from allocation.commands.kit_counts import ReturnFromSubjectRequest
from allocation.commands.return_ends import DestroyReturnedRequest, ReuseRequest
from allocation.commands.return_shipping import DispatchReturnRequest, ReceiveReturnRequest
from allocation.commands.return_steps import ReturnRequest
from allocation.commands.returns import ApproveReturnRequest, DeclareReturnRequest, ReconcileReturnRequest
from allocation.commands.service import CommandRequest
from allocation.rules.kit_authority import DESTROYED, REUSED
from allocation.rules.return_process import APPROVED


class ReturnFromSubjectBody(ReturnFromSubjectRequest):
    """Kits that a subject brings back, units counted. A reason is needed where a container did not come back."""

    reason: str = REASON


class CorrectKitCountBody(CorrectKitCountRequest):
    """The right count of a kit that came back, or of all that came back of lots of bulk supply. The reason must be given."""

    reason: str = REASON


class DeclareReturnBody(DeclareReturnRequest):
    """Kits that a site returns."""

    reason: str = REASON


class ReconcileReturnBody(ReconcileReturnRequest):
    """A monitor's count: the kits that differ from what was declared."""

    reason: str = REASON


class DispatchReturnBody(DispatchReturnRequest):
    """A return that leaves its site."""

    reason: str = REASON


class ReceiveReturnBody(ReceiveReturnRequest):
    """A return that arrives: the kits that are damaged or missing."""

    reason: str = REASON


class WithdrawReturnBody(ReturnRequest):
    """A return that is taken back or refused. The reason must be given."""

    reason: str = REASON


class ApproveReturnBody(ApproveReturnRequest):
    """An approval, signed, of a return as it was read."""

    reason: str = REASON
    signature: SignatureBody | None = None


class ReuseBody(ReuseRequest):
    """Kits of a received return that are used again, signed. The reason must be given."""

    reason: str = REASON
    signature: SignatureBody | None = None


class DestroyReturnedBody(DestroyReturnedRequest):
    """Kits of a return that were destroyed under a certificate, signed. The reason must be given."""

    reason: str = REASON
    signature: SignatureBody | None = None


class CountedKitAnswer(Answer):
    """The count of a kit. `used_units`: as stated, else what follows, where that is told."""

    kit_number: str
    returned_units: str
    lost_units: str
    used_units: str | None


class ReturnFromSubjectAnswer(KitsAnswer):
    """What came back from a subject. `asked_back`: kits of it that a recall had asked for."""

    subject_id: str
    returned_on: date
    kits: tuple[CountedKitAnswer, ...]
    asked_back: tuple[str, ...]


class CountedLotAnswer(OfLot):
    """So many units of a lot, and what each of them is now counted as."""

    returned_units: str
    lost_units: str
    used_units: str | None


class CorrectKitCountAnswer(Answer):
    """The corrected count of a subject's kit. `bulk`: of bulk supply under `kits`, the units of a lot that have the same count."""

    subject_id: str
    kit_number: str | None = None
    returned_units: str | None = None
    lost_units: str | None = None
    used_units: str | None = None
    bulk: dict[str, tuple[CountedLotAnswer, ...]] = Field(default_factory=dict)


class DeclareReturnAnswer(KitsAnswer):
    """A declared return, with its kits by number."""

    return_id: str
    state: str
    kits: tuple[str, ...]


class ReturnStateAnswer(KitsAnswer):
    """How far a return has come."""

    return_id: str
    state: str


class ReconcileReturnAnswer(ReturnStateAnswer):
    """A counted return, and how many kits differ."""

    differences: int


class WithdrawReturnAnswer(ReturnStateAnswer):
    """A return that was taken back, and its usable kits, which are in quarantine now."""

    quarantined: tuple[str, ...]


class DispatchReturnAnswer(DeclareReturnAnswer):
    """A return under way."""

    expected_on: date


class ReceiveReturnAnswer(ReturnStateAnswer):
    """A received return: how many kits were found how."""

    kits: dict[str, int]


class SettleReturnAnswer(DeclareReturnAnswer):
    """The kits that were settled, and how many of the return are left."""

    left: int


_KIT: Final = {"kit_number": "483920", "returned_units": "12", "lost_units": "1"}

RETURN_EXAMPLES: Final[dict[type[CommandRequest], dict[str, Any]]] = {
    ReturnFromSubjectBody: {"subject_id": "DE01-0001", "kits": [_KIT]},
    CorrectKitCountBody: {"subject_id": "DE01-0001", **_KIT, "reason": "two tablets were under the foil"},
    DeclareReturnBody: {"site_id": "DE01", "kit_numbers": ["483920", "483921"], "unused_as": "excess"},
    ReconcileReturnBody: {
        "return_id": "DE01-R001",
        "findings": [{"kit_number": "483920", "units": "11", "reason": "one tablet less than declared"}],
    },
    DispatchReturnBody: {
        "return_id": "DE01-R001",
        "carrier": "Cold Chain Express",
        "tracking_number": "CC124",
    },
    ReceiveReturnBody: {
        "return_id": "DE01-R001",
        "findings": [{"kit_number": "483921", "found": "damaged", "reason": "box crushed"}],
    },
    WithdrawReturnBody: {"return_id": "DE01-R001", "reason": "kits are still needed"},
    ApproveReturnBody: {
        "return_id": "DE01-R001",
        "content_hash": "0" * 64,
        "signature": {"password": "correct horse battery", "meaning": APPROVED},
    },
    ReuseBody: {
        "return_id": "DE01-R001",
        "kit_numbers": ["483921"],
        "reason": "closed site, temperature log complete",
        "signature": {"password": "correct horse battery", "meaning": REUSED},
    },
    DestroyReturnedBody: {
        "return_id": "DE01-R001",
        "certificate": {
            "number": "C-2026-17",
            "destroyed_on": "2026-08-14",
            "place": "Incinerator Nord",
            "file_name": "C-2026-17.pdf",
            "file_sha256": "0" * 64,
        },
        "reason": "end of study",
        "signature": {"password": "correct horse battery", "meaning": DESTROYED},
    },
}
"""One example for each body, for the OpenAPI description."""
