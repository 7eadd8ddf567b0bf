"""Picking from what an EDC sent the facts that the study's map names; the rest is counted by its OID and not kept.

Values that the trial does not need stay out of the ledger, which forgets nothing (data minimisation).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from allocation.edc.facts import LONGEST_KEY, LONGEST_VALUE, EdcMessage, Fact, SubjectFacts
from allocation.edc.odm_reading import Found, OdmReader, Place, Wanted
from allocation.edc.refusals import malformed
from allocation.study.edc import Edc, EdcItem

FORM_OPEN: Final = "open"
LISTED: Final = 500
"""Unmapped OIDs of a message that are listed by name at most."""


def matches(mapped: EdcItem, fact: Any) -> bool:
    """Whether an item's fact (a `Fact`, or a row of `edc_fact`) stands where the map says."""
    return (
        mapped.item == fact.item
        and mapped.form in (None, fact.form)
        and mapped.group in (None, fact.item_group)
        and mapped.event in (None, fact.event)
    )


def form_state(edc: Edc, word: str | None) -> str:
    """How far a form is that the EDC describes by this word."""
    if word in edc.form_status.validated:
        return "validated"
    return "complete" if word in edc.form_status.complete else FORM_OPEN


@dataclass
class Picked:
    """The facts of a message by subject, in the order in which subjects first appear."""

    edc: Edc
    facts: dict[str, list[Fact]] = field(default_factory=dict)
    unmapped: dict[str, None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """A message may hold a million items: what the map names is worked out once."""
        self._items = self.edc.items
        self._forms = self.edc.forms
        status = self.edc.form_status
        told = self._forms if status.source == "item" else ()
        self._form_told_by = {status.name.replace("{form}", form): form for form in told}

    def add_item(self, subject_key: str, fact: Fact) -> None:
        """Keep the fact if the map names its item; an item that tells of a form becomes a fact about that form."""
        of_form = self._form_told_by.get(fact.item)
        if of_form is not None:
            state = form_state(self.edc, fact.value)
            told = fact.model_copy(
                update={
                    "kind": "form",
                    "form": of_form,
                    "item_group": "",
                    "group_repeat": "",
                    "item": "",
                    "value": state,
                }
            )
            self._keep(subject_key, told)
        elif any(matches(mapped, fact) for mapped in self._items):
            self._keep(subject_key, fact)
        elif fact.value is not None:  # a flat record has empty fields wherever an item does not belong
            self.pass_over(fact.item)

    def add_form(self, subject_key: str, fact: Fact, word: str | None) -> None:
        """Keep how far a form is that the map names; others are passed over. With statuses told by items, a form itself says nothing."""
        if self.edc.form_status.source == "item":
            return
        if fact.form in self._forms:
            self._keep(subject_key, fact.model_copy(update={"value": form_state(self.edc, word)}))

    def add_removal(self, subject_key: str, fact: Fact) -> None:
        """Keep a removal, whatever it takes away: what is mapped may come later."""
        self._keep(subject_key, fact)

    def subjects(self) -> tuple[SubjectFacts, ...]:
        """All that was picked."""
        return tuple(SubjectFacts(subject_key=key, facts=tuple(facts)) for key, facts in self.facts.items())

    def pass_over(self, item: str) -> None:
        """List the OID of an item that nobody mapped."""
        if len(self.unmapped) < LISTED:
            self.unmapped[checked(item, "an ItemOID")] = None

    def _keep(self, subject_key: str, fact: Fact) -> None:
        self.facts.setdefault(checked(subject_key, "a subject key"), []).append(fact)


def wanted_by(edc: Edc) -> Wanted:
    """The OIDs that are worth keeping while a file is read, wherever they stand in it."""
    status = edc.form_status
    items = {mapped.item for mapped in edc.items}
    if status.source == "item":
        items |= {status.name.replace("{form}", form) for form in edc.forms}
    return Wanted(frozenset(items), frozenset(edc.forms))


def message_of(
    reader: OdmReader, edc: Edc, source: Literal["odm-xml", "odm-json"], sha256: str
) -> EdcMessage:
    """The message that an ODM file is for this study. Raises DomainRefusal for a value that cannot be kept."""
    if edc.study_oids and (others := [oid for oid in reader.study_oids if oid not in edc.study_oids]):
        raise malformed(
            f"it has data of study {others[0][:40]!r}, which is none of edc.study_oids",
            "send the data of this study's own production environment; nothing of this message was kept",
        )
    picked = Picked(edc)
    for oid in reader.passed_over:
        picked.pass_over(oid)
    for found in reader.found:
        subject_key, fact = _fact(reader, found)
        if found.kind == "item":
            picked.add_item(subject_key, fact)
        elif found.kind == "form":
            picked.add_form(subject_key, fact, _status_word(edc, found.place))
        else:
            picked.add_removal(subject_key, fact)
    return EdcMessage(
        message_id=checked(reader.header.file_oid, "FileOID"),
        source=source,
        file_type="Snapshot" if reader.header.file_type == "Snapshot" else "Transactional",
        created_at=reader.created_at,
        sha256=sha256,
        subjects=picked.subjects(),
        unmapped=tuple(picked.unmapped),
    )


def checked(text: str, what: str, longest: int = LONGEST_KEY) -> str:
    """The text, when both databases can keep it. Raises DomainRefusal for one that is too long or holds what is no character."""
    if len(text) > longest:
        raise malformed(f"{what} has more than {longest} characters", "map items with short values only")
    if "\0" in text or not _encodable(text):
        raise malformed(f"{what} holds a character that is none")
    return text


def item_fact(address: dict[str, str], value: str | None, at: datetime, ordinal: int) -> Fact:
    """An item's fact from a source without ODM's elements. Raises DomainRefusal for a value that cannot be kept."""
    return _made("item", address, value, at, ordinal)


def _fact(reader: OdmReader, found: Found) -> tuple[str, Fact]:
    place = found.place
    levels: dict[str, list[Place]] = {}
    for one in place.up():
        levels.setdefault(one.name, []).append(one)
    groups = levels.get("ItemGroupData", [])
    forms = levels.get("FormData", []) or groups[-1:]  # ODM 2.0: the outermost item group is the form
    events = levels.get("StudyEventData", [])
    address = {
        "event": events[0].oid if events else "",
        "event_repeat": events[0].repeat if events else "",
        "form": forms[0].oid if forms else "",
        "form_repeat": forms[0].repeat if forms else "",
        "item_group": groups[0].oid if groups and found.kind != "form" else "",
        "group_repeat": groups[0].repeat if groups and found.kind != "form" else "",
        "item": found.item,
    }
    if found.kind == "removal" and place.name == "ItemGroupData" and forms == groups[:1]:
        address["item_group"] = address["group_repeat"] = ""
    fact = _made(found.kind, address, found.value, reader.moment(place), found.ordinal)
    return levels["SubjectData"][0].oid, fact


def _made(kind: Any, address: dict[str, str], value: str | None, at: datetime, ordinal: int) -> Fact:
    kept = {name: checked(text, name) for name, text in address.items()}
    if value is not None:
        value = checked(value.strip(), f"the value of item {address['item']}", LONGEST_VALUE) or None
    return Fact(kind=kind, **kept, value=value, at=at, ordinal=ordinal)


def _status_word(edc: Edc, place: Place) -> str | None:
    status = edc.form_status
    if status.source == "attribute":
        return place.attributes.get(status.name)
    return next((value.strip() for codelist, value in place.flags if codelist == status.name), None)


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
