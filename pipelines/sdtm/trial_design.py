"""The trial as the SDTM datasets need it: arms, cells, elements, visits, exposure and parameters, as of a cut-off.

A builder sees the protocol only through this value. The blinded product is built from `masking.masked_design(events)`, which has
one arm and one masked regimen, so no builder of a blinded dataset can name a treatment (DESIGN.md rule 7).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import polars as pl

from allocation.rules.visits import offset_of_study_day, study_day_of_offset
from allocation.study.design import Criterion, Element
from allocation.study.protocol import Protocol
from allocation.study.schedule import ExposurePeriod, Visit
from pipelines.errors import DerivationError
from pipelines.events.frames import EventFrames


@dataclass(frozen=True, slots=True)
class TrialArm:
    """An arm. A subject who never had `unless_dose_level` counts as treated by `then_arm` (None: always as planned)."""

    code: str
    name: str
    unless_dose_level: str | None = None
    then_arm: str | None = None


@dataclass(frozen=True, slots=True)
class TrialCell:
    """One element of an arm (a row of TA); `order` counts from 1 within the arm, `epoch` is the controlled term."""

    arm: str
    order: int
    element: str
    epoch: str
    branch: str
    transition: str


@dataclass(frozen=True, slots=True)
class TrialVisit:
    """A planned visit (a row of TV). `day` is the planned study day from the reference start date; None where it has none."""

    code: str
    number: Decimal
    name: str
    epoch: str
    day: int | None
    dispensing: bool
    start_rule: str
    end_rule: str


@dataclass(frozen=True, slots=True)
class TrialRegimen:
    """What subjects of an arm take. `dose` None: the dose is masked and `dose_text` stands in its place."""

    arm: str
    dose_level: str | None
    visits: tuple[str, ...]
    treatment: str
    dose: Decimal | None
    dose_text: str | None
    unit: str
    form: str
    frequency: str
    route: str


@dataclass(frozen=True, slots=True)
class TrialParameter:
    """A row of TS that the protocol gives."""

    code: str
    sequence: int
    value: str | None
    null_flavor: str | None = None
    value_code: str | None = None
    reference: str | None = None
    reference_version: str | None = None


@dataclass(frozen=True, slots=True)
class TrialDesign:
    """See the module. `cut_off` is the date up to which the data reach: it ends what still goes on then.

    `criteria` are by protocol version. `masked`: treatments are masked, there is one arm.
    """

    study_id: str
    usubjid_template: str
    cut_off: date
    masked: bool
    arms: tuple[TrialArm, ...]
    cells: tuple[TrialCell, ...]
    elements: tuple[Element, ...]
    visits: tuple[TrialVisit, ...]
    periods: tuple[ExposurePeriod, ...]
    regimens: tuple[TrialRegimen, ...]
    criteria: tuple[tuple[int, tuple[Criterion, ...]], ...]
    parameters: tuple[TrialParameter, ...]
    screening_epoch: str
    depots: tuple[tuple[str, str], ...] = ()
    """Depot and its country, of every version that has taken effect."""

    def table(self, rows: Iterable[Sequence[Any]], schema: dict[str, Any]) -> pl.DataFrame:
        """A frame of SDTM rows that begin with STUDYID; `schema` names the columns after it."""
        with_study = [(self.study_id, *row) for row in rows]
        return pl.DataFrame(with_study, schema={"STUDYID": pl.String(), **schema}, orient="row")


@lru_cache(maxsize=32)
def _protocol(document: str) -> Protocol:
    return Protocol.model_validate_json(document)


def protocols_in_force(events: EventFrames) -> list[Protocol]:
    """The protocol versions that have taken effect in any country by the last entry, oldest first.

    Raises DerivationError where there is none.
    """
    moment = events["entries"]["recorded_at"].max()
    # A country's moment may be said again before it has come: the last word counts.
    countries = (
        events["version_countries"]
        .sort("position", "line")
        .group_by("version", "country", maintain_order=True)
        .last()
        .group_by("version")
        .agg(pl.col("effective_at").min().alias("first_at"))
    )
    effective = (
        events["protocol_versions"]
        .join(countries, on="version", how="left")
        .filter(pl.coalesce("first_at", "effective_at") <= moment)
        .sort("version")
    )
    if effective.is_empty():
        # A first version that takes effect later is the only design there is.
        effective = events["protocol_versions"].sort("version").head(1)
    if effective.is_empty():
        raise DerivationError(
            "the ledger of this study has no protocol version yet: load one with `rtsm study load`"
        )
    return [_protocol(document) for document in effective["protocol_json"]]


def cut_off_date(events: EventFrames) -> date:
    """The date up to which the data reach: that of the last entry (UTC), or of the last visit or kit where that is later.

    A site east of Greenwich may already write the next day when the entry's UTC date is still the day before.
    """
    moment = events["entries"]["recorded_at"].max()
    if not isinstance(moment, datetime):
        raise DerivationError("the ledger of this study has no sealed entry yet")
    seen = [events["visits"]["end_date"].max(), events["subjects"]["screened_on"].max()]
    return max([moment.date(), *(one for one in seen if isinstance(one, date))])


def trial_design(events: EventFrames) -> TrialDesign:
    """The unmasked design as of the events. Raises DerivationError for a protocol whose parts a dataset cannot be built from."""
    from pipelines.sdtm.trial_parameters import stated_parameters

    protocols = protocols_in_force(events)
    latest = protocols[-1]
    terms = {epoch.code: epoch.term for epoch in latest.epochs}
    screening = latest.visit(latest.screening.visit)
    return TrialDesign(
        depots=tuple(
            sorted({one.code: one.country for protocol in protocols for one in protocol.depots}.items())
        ),
        study_id=latest.study.id,
        usubjid_template=latest.subject_identifier.template,
        cut_off=cut_off_date(events),
        masked=False,
        arms=tuple(
            TrialArm(
                arm.code,
                arm.name,
                arm.as_treated.unless_dose_level if arm.as_treated else None,
                arm.as_treated.then_arm if arm.as_treated else None,
            )
            for arm in latest.arms
        ),
        cells=_cells(latest),
        elements=latest.elements,
        visits=_visits(protocols),
        periods=latest.exposure.periods,
        regimens=tuple(
            TrialRegimen(
                one.arm,
                one.dose_level,
                one.visits,
                one.treatment,
                one.dose,
                None,
                one.unit,
                one.form,
                one.frequency,
                one.route,
            )
            for one in latest.exposure.regimens
        ),
        criteria=_criteria(protocols),
        parameters=stated_parameters(latest),
        screening_epoch=terms[screening.epoch] if screening else latest.epochs[0].term,
    )


def _cells(protocol: Protocol) -> tuple[TrialCell, ...]:
    """Cells in order of arm and epoch; branch and transition belong to the cell's last element."""
    cells = []
    for arm in protocol.arms:
        order = 0
        for epoch in protocol.epochs:
            for cell in protocol.cells:
                if (cell.arm, cell.epoch) != (arm.code, epoch.code):
                    continue
                for element in cell.elements:
                    order += 1
                    last = element == cell.elements[-1]
                    branch, transition = (cell.branch, cell.transition) if last else ("", "")
                    cells.append(TrialCell(arm.code, order, element, epoch.term, branch, transition))
    return tuple(cells)


def _visits(protocols: Sequence[Protocol]) -> tuple[TrialVisit, ...]:
    """Visits of all versions by number; a number that an amendment dropped stays, since subjects have had the visit."""
    found: dict[Decimal, TrialVisit] = {}
    for protocol in protocols:
        terms = {epoch.code: epoch.term for epoch in protocol.epochs}
        days = planned_days(protocol.visits)
        for visit in protocol.visits:
            found[visit.number] = TrialVisit(
                visit.code,
                visit.number,
                visit.name,
                terms[visit.epoch],
                days[visit.code],
                visit.dispensing,
                visit.start_rule,
                visit.end_rule,
            )
    return tuple(found[number] for number in sorted(found))


def planned_days(visits: Sequence[Visit]) -> dict[str, int | None]:
    """The planned study day (no day 0) of each visit from the reference start date. The first case which applies:

    1. no target: none (a visit when needed);
    2. counted from randomization or the first dose: the target day itself;
    3. counted from the previous visit (the nearest earlier one that is not optional): its planned day and as many days, if any;
    4. counted from screening: none, since the days between screening and randomization are not planned.
    """
    days: dict[str, int | None] = {}
    previous: int | None = None
    for visit in sorted(visits, key=lambda one: one.number):
        day: int | None = None
        if visit.target_day is not None:
            if visit.anchor in ("randomization", "first_dose"):
                day = visit.target_day
            elif visit.anchor == "previous_visit" and previous is not None:
                day = study_day_of_offset(offset_of_study_day(previous) + visit.target_day)
        days[visit.code] = day
        previous = previous if visit.optional else day
    return days


def _criteria(protocols: Sequence[Protocol]) -> tuple[tuple[int, tuple[Criterion, ...]], ...]:
    """The criteria of every version that changed them."""
    found: list[tuple[int, tuple[Criterion, ...]]] = []
    for protocol in protocols:
        if not found or found[-1][1] != protocol.criteria:
            found.append((protocol.study.version, protocol.criteria))
    return tuple(found)
