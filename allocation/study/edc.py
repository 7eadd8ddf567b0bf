"""The EDC in the protocol: whether it decides who may be randomized, which of its items is what, and what it is told.

Nothing secret stands here: keys, tokens and addresses are configuration of the installation (allocation/edc/README.md).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from allocation.study.model import Code, ProtocolPart
from allocation.study.supply import TimeZone

Oid = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
"""An identifier that the EDC's own set-up gives: an ODM OID, or the name of a REDCap field, instrument or event."""


class EdcItem(ProtocolPart):
    """An item of the EDC. `form`, `group` and `event` narrow it down; left out, the item counts wherever it stands.

    ODM: ItemOID, FormOID (in ODM 2.0 the outermost ItemGroupOID), ItemGroupOID, StudyEventOID. REDCap: `item` is the field, `event` the
    unique event name; a flat record does not say which instrument a field is on, so `form` is left out.
    """

    item: Oid
    form: Oid | None = None
    group: Oid | None = None
    event: Oid | None = None


class CriterionItem(EdcItem):
    """The item that says whether a subject meets `criteria` (none named: every criterion of the protocol at once).

    `met_by`: the values that mean so. Empty: Y for inclusion criteria (and where none is named), N for exclusion criteria.
    """

    criteria: tuple[Code, ...] = ()
    met_by: tuple[str, ...] = ()


class FactorItem(EdcItem):
    """The item that states a stratification factor. `levels`: value in the EDC -> level of the factor."""

    factor: Code
    levels: dict[str, Code] = Field(min_length=1)


class MeasuredItem(EdcItem):
    """An item with a measurement. `measured_on`: the item with its day, in the same event of the EDC.

    Without that item the day is the one on which the EDC was told, and the value that is on record already is no new measurement,
    since a snapshot repeats all that it has.
    """

    measured_on: EdcItem | None = None


class WeightItem(MeasuredItem):
    """The item with the body weight, in `unit`."""

    unit: Literal["kg", "g", "lb"] = "kg"


class HeightItem(MeasuredItem):
    """The item with the body height, in `unit`."""

    unit: Literal["cm", "m", "in"] = "cm"


class VisitDateItem(EdcItem):
    """The item with the date on which a planned visit took place."""

    visit: Code


class ScreenFailure(ProtocolPart):
    """By what the EDC says that a subject failed screening; with both, either is enough.

    * `item` with one of `values`, such as a disposition that is SCREEN FAILURE;
    * `form`, such as that of the disposition: once it is complete while a criterion is not met.

    `date`: the item with the day; without it the day is the one on which the EDC was told.
    """

    item: EdcItem | None = None
    values: tuple[str, ...] = ()
    form: Oid | None = None
    date: EdcItem | None = None


class RequiredForm(ProtocolPart):
    """A form that must be done in the EDC before randomization, before the dispensing at `visits`, or both.

    `status` says how far: complete, or complete and validated (which the EDC's own word for it means, see `FormStatus`).
    """

    form: Oid
    event: Oid | None = None
    randomization: bool = False
    visits: tuple[Code, ...] = ()
    status: Literal["complete", "validated"] = "validated"


class FormStatus(ProtocolPart):
    """Where the EDC says how far a form is, since ODM has no element for it, and by which words.

    * attribute: the attribute `name` of FormData (its local name, in whatever vendor namespace);
    * flag: the FlagValue of an Annotation of FormData whose CodeListOID is `name`;
    * item: the value of an item, `name` being its OID with {form} for the form's: REDCap's `{form}_complete` (0, 1, 2).

    A form in one of the `validated` states counts as complete, too.
    """

    source: Literal["attribute", "flag", "item"] = "attribute"
    name: Oid = "Status"
    complete: tuple[str, ...] = ("complete",)
    validated: tuple[str, ...] = ("validated",)


class SubjectItem(ProtocolPart):
    """How an EDC subject is known here: its SubjectKey (in REDCap the record id) is the screening number, or an item holds it."""

    source: Literal["key", "item"] = "key"
    item: EdcItem | None = None


class Sender(ProtocolPart):
    """Who may send: an account with the role edc, whatever key it signs with, or `redcap` for records that the service fetches itself."""

    account: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._@-]{1,63}$")]
    description: str = ""


class OutgoingItems(ProtocolPart):
    """The ItemOIDs under which the EDC takes what it is told."""

    randomization_number: Oid = "RTSM.RANDNO"
    randomization_date: Oid = "RTSM.RANDDAT"
    visit_date: Oid = "RTSM.VISDAT"
    visit_number: Oid = "RTSM.VISNUM"
    visit_status: Oid = "RTSM.VISSTAT"
    dispensing_date: Oid = "RTSM.DISPDAT"
    kit_number: Oid = "RTSM.KITNO"
    kit_replaced: Oid = "RTSM.KITREPL"
    kit_found: Oid = "RTSM.KITFND"


class Outgoing(ProtocolPart):
    """What the EDC is told, one way. There is no place for an arm, a kit type or a lot: they are never sent.

    `events`: visit -> StudyEventOID, where it is not the visit's own code. `unscheduled`: StudyEventOID of all unscheduled visits, told
    apart by its repeat key (null: the EDC is not told of them). `kit_numbers`: whether numbers of kits go out, which tell nothing of
    their contents.
    """

    format: Literal["odm-1.3.2-xml", "odm-2.0-json"] = "odm-1.3.2-xml"
    study_oid: Oid
    metadata_version_oid: Oid
    facts: tuple[Literal["randomization", "visit", "dispensing"], ...] = (
        "randomization",
        "visit",
        "dispensing",
    )
    events: dict[Code, Oid] = Field(default_factory=dict)
    unscheduled: Oid | None = "UNSCHEDULED"
    form: Oid = "RTSM"
    group: Oid = "RTSM"
    items: OutgoingItems = OutgoingItems()
    kit_numbers: bool = True


class Edc(ProtocolPart):
    """How study and EDC work together.

    `unified`: randomization and dispensing are possible only when the EDC has said that the subject meets every criterion and that the
    required forms are done. `standalone`: the site desk decides; what an EDC sends is compared with it. `time_zone`: in which
    the EDC's moments without an offset are. `study_oids`: the StudyOIDs whose ODM data are taken, so that a test environment's never are;
    empty: any. `criteria_at_dispensing` false: criteria count for randomization only.
    """

    mode: Literal["standalone", "unified"] = "standalone"
    time_zone: TimeZone = "UTC"
    study_oids: tuple[Oid, ...] = ()
    subject: SubjectItem = SubjectItem()
    criteria: tuple[CriterionItem, ...] = ()
    factors: tuple[FactorItem, ...] = ()
    weight: WeightItem | None = None
    height: HeightItem | None = None
    visit_dates: tuple[VisitDateItem, ...] = ()
    screen_failure: ScreenFailure | None = None
    required_forms: tuple[RequiredForm, ...] = ()
    form_status: FormStatus = FormStatus()
    criteria_at_dispensing: bool = True
    senders: tuple[Sender, ...] = ()
    outgoing: Outgoing | None = None
    field_map: dict[str, str] = Field(
        default_factory=dict, description="read by nothing; stays so that stored versions read back"
    )

    @property
    def items(self) -> tuple[EdcItem, ...]:
        """Every item that the map names, in the order of the document."""
        failure = self.screen_failure or ScreenFailure()
        days = [one.measured_on for one in (self.weight, self.height) if one is not None]
        single = [self.subject.item, self.weight, self.height, *days, failure.item, failure.date]
        return (*(one for one in single if one), *self.criteria, *self.factors, *self.visit_dates)

    @property
    def forms(self) -> tuple[Oid, ...]:
        """Every form whose state means something, each once."""
        failure = self.screen_failure
        named = [required.form for required in self.required_forms]
        return tuple(dict.fromkeys([*named, *([failure.form] if failure and failure.form else [])]))
