"""What may be seen of the exchange with the EDC: no model here has a place for an arm, a kit type, a lot or a dose."""

from __future__ import annotations

from datetime import datetime

from allocation.views.shape import View


class EdcTransfer(View):
    """A message that came. `unmapped`: OIDs that the study's map does not name; `code` and `detail`: why it was refused."""

    transfer_id: int
    came_at: datetime
    sender: str
    outcome: str
    message_id: str | None
    subjects: int
    facts: int
    superseded: int
    repeated: int
    unmapped: tuple[str, ...]
    code: str | None
    detail: str | None


class EdcDelivery(View):
    """A message to the EDC: waiting, sent, or dead (given up, until somebody sends it again)."""

    message_id: str
    subject_id: str
    site_id: str
    kind: str
    state: str
    attempts: int
    next_try_at: datetime
    sent_at: datetime | None
    last_error: str | None


class EdcContradiction(View):
    """What the EDC says otherwise than the record here. After randomization a factor's is a mis-stratification: nothing is changed."""

    subject_id: str
    site_id: str
    about: str
    kind: str
    here: str
    in_edc: str
    found_at: datetime


class EdcLog(View):
    """The exchange with the EDC, the latest first. `waiting`, `sent` and `dead` count all messages to it that may be seen."""

    mode: str
    transfers: tuple[EdcTransfer, ...]
    deliveries: tuple[EdcDelivery, ...]
    waiting: int
    sent: int
    dead: int
    contradictions: tuple[EdcContradiction, ...]


class EdcReadiness(View):
    """Whether the EDC has cleared a subject for randomization, and what is missing by name. In a standalone study it is not asked."""

    subject_id: str
    asked: bool
    ready: bool
    missing: tuple[str, ...]
