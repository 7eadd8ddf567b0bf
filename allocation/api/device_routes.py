"""The route of an inspected device, with its body and answer."""

from __future__ import annotations

from typing import Any, Final

from allocation.api.answers import Answer
from allocation.api.bodies import REASON, SignatureBody
from allocation.api.command_route import SUPPLY, CommandRoute
from allocation.commands.devices import ReissueDeviceRequest, reissue_device
from allocation.commands.service import CommandRequest


class ReissueDeviceBody(ReissueDeviceRequest):
    """The inspection of a device that came back from a subject; signed, with a reason."""

    reason: str = REASON
    signature: SignatureBody | None = None


class ReissueDeviceAnswer(Answer):
    """A device after its inspection. `uses`: how often it was used, the use that ended included."""

    kit_number: str
    site_id: str
    status: str
    uses: int


SIGNED_DEVICE_ROUTES: Final[tuple[CommandRoute, ...]] = (
    CommandRoute(
        "reissue_device",
        "device-inspections",
        SUPPLY,
        "Record the inspection of a returned device (signed)",
        reissue_device,
        ReissueDeviceRequest,
        ReissueDeviceBody,
        ReissueDeviceAnswer,
    ),
)

DEVICE_EXAMPLES: Final[dict[type[CommandRequest], dict[str, Any]]] = {
    ReissueDeviceBody: {
        "kit_number": "4711",
        "outcome": "fit",
        "reason": "cleaned, battery and needle guard checked",
        "signature": {"password": "correct horse battery", "meaning": "device inspected"},
    },
}
