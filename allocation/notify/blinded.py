"""What a blinded mail can say, and its words. `BlindedNotice` has no place for an arm, a kit type, a strength, a dose or a lot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, slots=True)
class BlindedNotice:
    """All that may be said of an event to blinded people; what is empty is not said.

    `look` is the label of a blinding group, `found` counts kits by what was found of them, `due_on` is the date of `due` (such as
    "expected on"), and `advice` says what to do. Kits by number go only to those who see these numbers in the service.
    """

    title: str
    place: str = ""
    shipment_id: str = ""
    from_place: str = ""
    to_place: str = ""
    kits: int | None = None
    kit_numbers: tuple[str, ...] = ()
    look: str = ""
    found: tuple[tuple[str, int], ...] = ()
    carrier: str = ""
    tracking_number: str = ""
    due: str = ""
    due_on: date | None = None
    cap: str = ""
    subject_id: str = ""
    category: str = ""
    proposal_id: str = ""
    advice: str = ""


def subject_line(study_id: str, said: BlindedNotice) -> str:
    """The mail's subject, such as `[ORT-301] Shipment dispatched: 701-S003`."""
    about = said.shipment_id or said.proposal_id or said.place
    return f"[{study_id}] {said.title}" + (f": {about}" if about else "")


def lines_of(study_id: str, at: datetime, said: BlindedNotice) -> Iterator[str]:
    """The lines of the mail's text. `at` is UTC."""
    yield said.title
    yield ""
    facts: list[tuple[str, object]] = [
        ("Study", study_id),
        ("Place", said.place),
        ("Subject", said.subject_id),
        ("Why", said.category),
        ("Proposal", said.proposal_id),
        ("Shipment", said.shipment_id),
        ("From", said.from_place),
        ("To", said.to_place),
        ("Kits", said.kits),
        ("Look", said.look),
        *((f"  {what}", count) for what, count in said.found),
        ("Carrier", said.carrier),
        ("Tracking", said.tracking_number),
        (said.due, said.due_on),
        ("Cap", said.cap),
        ("Recorded", f"{at:%Y-%m-%d %H:%M} UTC"),
    ]
    for name, value in facts:
        if value not in (None, ""):
            yield f"{name + ':':<22}{value}"
    if said.kit_numbers:
        yield ""
        yield "Kit numbers: " + ", ".join(said.kit_numbers)
    if said.advice:
        yield ""
        yield said.advice


def blinded_mail(study_id: str, at: datetime, said: BlindedNotice) -> tuple[str, str]:
    """Subject and text of the mail: the same bytes whenever it is written. `at` is the moment (UTC) of what it tells of."""
    return subject_line(study_id, said), "\n".join(lines_of(study_id, at, said)) + "\n"
