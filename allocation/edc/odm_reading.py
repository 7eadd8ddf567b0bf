"""ODM's clinical data as what a reader of XML or JSON meets, element by element: one handler for 1.3.2 and 2.0.

A moment belongs to an element by its AuditRecord, or by one that it refers to, else to the element around it, else to the file. ODM
2.0 puts the AuditRecord after the data and 1.3.2 may collect them at the end of the file, so moments are worked out last.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from allocation.edc.refusals import malformed

DEEPEST: Final = 64
"""Elements within each other. ODM needs some ten; item groups of 2.0 may nest."""

EARLIEST: Final = 1970
"""No EDC is older. Some write the first moment of their calendar where they know none, and what was so then would be news never."""

_LEVELS: Final = {
    "SubjectData": "SubjectKey",
    "StudyEventData": "StudyEventOID",
    "FormData": "FormOID",
    "ItemGroupData": "ItemGroupOID",
}
_REPEATS: Final = {
    "StudyEventData": "StudyEventRepeatKey",
    "FormData": "FormRepeatKey",
    "ItemGroupData": "ItemGroupRepeatKey",
}


@dataclass(slots=True)
class Place:
    """An element of the clinical data, with what is known of its moment once the file has been read."""

    name: str
    oid: str
    repeat: str
    above: Place | None
    transaction: str
    audit_id: str = ""
    at: datetime | None = None
    attributes: dict[str, str] = field(default_factory=dict)
    flags: list[tuple[str, str]] = field(default_factory=list)

    def up(self) -> Iterator[Place]:
        """This place and those around it, from the inside out."""
        place: Place | None = self
        while place is not None:
            yield place
            place = place.above

    @property
    def removed(self) -> bool:
        """Whether this, or something around it, is taken back."""
        return any(place.transaction == "Remove" for place in self.up())


@dataclass(slots=True)
class Found:
    """An item's value, a form, or a removal, at a place. `value` and `item` are those of an item."""

    kind: str
    place: Place
    item: str = ""
    value: str | None = None
    ordinal: int = 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """The OIDs of items and forms that are kept; a file may hold a thousand times as much."""

    items: frozenset[str]
    forms: frozenset[str]


@dataclass(slots=True)
class Header:
    """The root element."""

    file_oid: str = ""
    file_type: str = ""
    version: str = ""
    created_at: datetime | None = None
    as_of: datetime | None = None


class OdmReader:
    """Takes the elements of a file in its order; `found` then holds what is wanted of the clinical data.

    `passed_over`: OIDs of the other items, each once. `study_oids`: whose data they are by the EDC. `zone`: of moments without offset.
    """

    def __init__(self, zone: ZoneInfo, wanted: Wanted) -> None:
        self.header = Header()
        self.found: list[Found] = []
        self.passed_over: dict[str, None] = {}
        self.study_oids: dict[str, None] = {}
        self._zone = zone
        self._wanted = wanted
        self._ordinal = 0
        self._audits: dict[str, datetime] = {}
        self._names: list[str] = []
        self._places: list[Place] = []
        self._item: Found | None = None
        self._values: list[str] = []
        self._audit: tuple[str, Place | None] | None = None
        self._flag: list[str] | None = None

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins. `name` and the names of attributes are without their namespaces. Raises DomainRefusal."""
        self._names.append(name)
        self.refuse_too_deep(0)
        if len(self._names) == 1:
            self._root(name, attributes)
        elif name == "ClinicalData":
            self.study_oids[attributes.get("StudyOID", "")] = None
        elif name in _LEVELS:
            self._begin_level(name, attributes)
        elif name.startswith("ItemData") and self._places:
            self._begin_item(name, attributes)
        elif name == "AuditRecord":
            self._audit = (attributes.get("ID", ""), self._places[-1] if self._places else None)
        elif name in ("FlagValue", "FlagType"):
            self._flag = [attributes.get("CodeListOID", "")] if name == "FlagValue" else None

    def refuse_too_deep(self, more: int) -> None:
        """Raise DomainRefusal where elements, with so many that are not read, lie deeper than any that is ODM's."""
        if len(self._names) + more > DEEPEST:
            raise malformed(f"elements lie more than {DEEPEST} deep")

    def end(self, name: str, text: str) -> None:
        """The element ends; `text` is what stood in it."""
        self._names.pop()
        if name in _LEVELS:
            place = self._places.pop()
            if place.name == "ItemData":
                raise malformed("an item holds other data")
        elif name.startswith("ItemData") and self._item is not None and self._places[-1].name == "ItemData":
            self._places.pop()
            self._end_item(name, text)
        elif name == "Value" and self._item is not None:
            self._values.append(text)
        elif name == "DateTimeStamp" and self._audit is not None:
            self._stamp(text)
        elif name == "AuditRecord":
            self._audit = None
        elif name == "FlagValue" and self._flag is not None and self._places:
            self._places[-1].flags.append((self._flag[0], text))
            self._flag = None

    def moment(self, place: Place) -> datetime:
        """When the EDC says that this was so (aware). To be asked after the last element."""
        for one in place.up():
            if one.at is not None:
                return one.at
            if one.audit_id in self._audits:
                return self._audits[one.audit_id]
        return self.header.as_of or self.created_at

    @property
    def created_at(self) -> datetime:
        """The file's own moment. Raises DomainRefusal when it has none."""
        if self.header.created_at is None:
            raise malformed("ODM has no CreationDateTime")
        return self.header.created_at

    def _root(self, name: str, attributes: dict[str, str]) -> None:
        if name != "ODM":
            raise malformed(f"its outermost element is {name[:40]}, not ODM")
        header = self.header
        header.file_oid = attributes.get("FileOID", "")
        header.file_type = attributes.get("FileType", "")
        header.version = attributes.get("ODMVersion", "")
        if not header.file_oid:
            raise malformed("ODM has no FileOID")
        if header.file_type not in ("Snapshot", "Transactional"):
            raise malformed("FileType is neither Snapshot nor Transactional")
        if header.version and not header.version.startswith(("1.3", "2.0")):
            raise malformed(f"ODM {header.version[:20]} is not read", "send ODM 1.3.2 or 2.0")
        header.created_at = self._parsed(attributes.get("CreationDateTime", ""))
        if attributes.get("AsOfDateTime"):
            header.as_of = self._parsed(attributes["AsOfDateTime"])

    def _begin_level(self, name: str, attributes: dict[str, str]) -> None:
        above = self._places[-1] if self._places else None
        if above is None and name != "SubjectData":
            # Data of the study itself (ODM 2.0 allows item groups there): not about a subject.
            self._places.append(Place("study", "", "", None, ""))
            return
        if above is not None and (name == "SubjectData" or above.name == "ItemData"):
            raise malformed(f"{name} stands inside of {above.name}")
        oid = attributes.get(_LEVELS[name], "")
        if not oid:
            raise malformed(f"{name} has no {_LEVELS[name]}")
        transaction = attributes.get("TransactionType", "")
        repeat = attributes.get(_REPEATS.get(name, ""), "")
        place = Place(name, oid, repeat, above, transaction, attributes.get("AuditRecordID", ""))
        self._places.append(place)
        is_form = name == "FormData" or (
            name == "ItemGroupData" and above is not None and above.name == "StudyEventData"
        )
        if transaction == "Remove":
            self._add(Found("removal", place))
        elif is_form and not place.removed:
            place.attributes = attributes
            self._add(Found("form", place))

    def _begin_item(self, name: str, attributes: dict[str, str]) -> None:
        if self._item is not None:
            raise malformed("an item stands inside of an item")
        oid = attributes.get("ItemOID", "")
        if not oid:
            raise malformed(f"{name} has no ItemOID")
        transaction = attributes.get("TransactionType", "")
        place = Place("ItemData", "", "", self._places[-1], transaction, attributes.get("AuditRecordID", ""))
        self._places.append(place)
        value = None if attributes.get("IsNull") == "Yes" else attributes.get("Value")
        self._item = Found("item", place, oid, value)
        self._values = []

    def _end_item(self, name: str, text: str) -> None:
        found = self._item
        assert found is not None  # noqa: S101  (the caller looked)
        self._item = None
        if found.value is None and self._values:
            found.value = ";".join(self._values)
        elif found.value is None and name != "ItemData" and text:
            found.value = text  # the typed items of 1.3.2, such as ItemDataString
        if found.place.removed or found.value == "":
            found.value = None
        if found.place.transaction != "Context":
            self._add(found)

    def _add(self, found: Found) -> None:
        if any(place.name == "study" for place in found.place.up()):
            return
        self._ordinal += 1
        found.ordinal = self._ordinal
        if found.kind == "item" and found.item not in self._wanted.items:
            self.passed_over[found.item] = None
        elif found.kind != "form" or found.place.oid in self._wanted.forms:
            self.found.append(found)

    def _stamp(self, text: str) -> None:
        assert self._audit is not None  # noqa: S101  (the caller looked)
        audit_id, place = self._audit
        at = self._parsed(text)
        if audit_id:
            self._audits[audit_id] = at
        if place is not None:
            place.at = at

    def _parsed(self, text: str) -> datetime:
        try:
            at = datetime.fromisoformat(text.strip())
        except ValueError:
            raise malformed(f"{text[:40]!r} is no date and time of ISO 8601") from None
        if at.year < EARLIEST:
            raise malformed(f"{text[:40]!r} is no moment of an EDC", "leave out a moment that is not known")
        return at if at.tzinfo is not None else at.replace(tzinfo=self._zone)
