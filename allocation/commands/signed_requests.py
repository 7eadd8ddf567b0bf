"""What the signature of an act covers, for acts that are signed as they are asked for."""

from __future__ import annotations

from typing import Any

from allocation.commands.service import CommandRequest


def asked_content(study_id: str, command: str, request: CommandRequest, reason: str) -> dict[str, Any]:
    """The act, everything that was asked for, and the reason."""
    return {
        "study_id": study_id,
        "act": command,
        "asked": request.model_dump(mode="json"),
        "reason": reason,
    }
