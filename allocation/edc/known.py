"""What the EDC has said of a subject so far, and what that means under the study's map: answers, forms, levels, sizes, dates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from sqlalchemy import Connection, select

from allocation.edc.field_map import matches
from allocation.ledger.projections.edc import ADDRESS
from allocation.ledger.schema import edc_fact
from allocation.rules.edc_gate import EdcGateDecision, FormState, NeededForm, judge_edc
from allocation.rules.edc_order import Stamp, stamp_of
from allocation.study.edc import CriterionItem, Edc, EdcItem, MeasuredItem, RequiredForm
from allocation.study.protocol import Protocol

LARGEST: Final = 10**6
"""No weight or height, in any unit, has such a number."""

_TO_KG: Final = {"kg": Decimal(1), "g": Decimal("0.001"), "lb": Decimal("0.45359237")}
_TO_CM: Final = {"cm": Decimal(1), "m": Decimal(100), "in": Decimal("2.54")}


@dataclass(frozen=True, slots=True)
class Measured:
    """A weight in kg or a height in cm, and when the EDC says that it was entered or changed (UTC).

    `on`: the day of measuring by the EDC; None where the map names no item for it.
    """

    value: Decimal
    at: datetime
    on: date | None = None


@dataclass(frozen=True, slots=True)
class ScreeningWord:
    """What the EDC says of a screen failure. `told`: whether it has said anything at all. `at` (UTC), `on`: when, and on which day."""

    told: bool
    failed: bool = False
    at: datetime | None = None
    on: date | None = None


def keys_of(connection: Connection, study_id: str, edc: Edc, subject_id: str) -> list[str]:
    """The keys under which the EDC speaks of this subject, in order; usually one."""
    item = edc.subject.item
    if edc.subject.source == "key" or item is None:
        return [subject_id]
    facts = edc_fact.c
    found = connection.execute(
        select(edc_fact).where(
            facts.study_id == study_id,
            facts.kind == "item",
            facts.item == item.item,
            facts.value == subject_id,
        )
    )
    return sorted({row.subject_key for row in found if matches(item, row)})


def subject_named_by(connection: Connection, study_id: str, edc: Edc, subject_key: str) -> str | None:
    """The screening number that the EDC gives the subject of this key, None while it has not said so."""
    item = edc.subject.item
    if edc.subject.source == "key" or item is None:
        return subject_key
    return value_of(known_facts(connection, study_id, [subject_key]), item)


def known_facts(connection: Connection, study_id: str, subject_keys: Sequence[str]) -> list[Any]:
    """The facts that stand: rows of `edc_fact` that no later removal covers, the newest first."""
    rows = connection.execute(
        select(edc_fact).where(edc_fact.c.study_id == study_id, edc_fact.c.subject_key.in_(subject_keys))
    ).all()
    removals = [row for row in rows if row.kind == "removal"]
    standing = [
        row
        for row in rows
        if row.kind != "removal"
        and not any(_covers(gone, row) and _order(gone) >= _order(row) for gone in removals)
    ]
    return sorted(standing, key=_order, reverse=True)


def value_of(facts: Iterable[Any], item: EdcItem) -> str | None:
    """The newest value of an item, None while there is none."""
    return next((row.value for row in _items_at(item, facts) if row.value is not None), None)


def gate(protocol: Protocol, facts: Sequence[Any], visit: str | None) -> EdcGateDecision:
    """Whether the EDC has cleared the subject for randomization (`visit` None), or for dispensing at a visit."""
    edc = protocol.edc
    ask_criteria = visit is None or edc.criteria_at_dispensing
    return judge_edc(
        criteria_answers(protocol, facts) if ask_criteria else {},
        [
            NeededForm(_form_name(required), required.status, form_states(required, facts))
            for required in edc.required_forms
            if (required.randomization if visit is None else visit in required.visits)
        ],
        factor_levels(protocol, facts, from_edc_only=True) if visit is None else {},
    )


def criteria_answers(protocol: Protocol, facts: Sequence[Any]) -> dict[str, tuple[bool, ...]]:
    """Criterion -> what each of its answers in the EDC says. Without any mapped criterion there is nothing to ask: empty."""
    edc = protocol.edc
    if not edc.criteria:
        return {}
    category: dict[str, str] = {criterion.code: criterion.category for criterion in protocol.criteria}
    answers: dict[str, list[bool]] = {code: [] for code in category}
    for mapped in edc.criteria:
        for row in facts:
            if row.kind == "item" and row.value is not None and matches(mapped, row):
                for code in mapped.criteria or tuple(category):
                    answers[code].append(row.value in _met_by(mapped, category))
    return {code: tuple(said) for code, said in answers.items()}


def form_states(required: RequiredForm, facts: Iterable[Any]) -> tuple[FormState, ...]:
    """How far each instance of a required form is."""
    return tuple(
        row.value
        for row in facts
        if row.kind == "form" and row.form == required.form and required.event in (None, row.event)
    )


def factor_levels(
    protocol: Protocol, facts: Sequence[Any], *, from_edc_only: bool = False
) -> dict[str, str | None]:
    """Mapped factor -> its level by the EDC; None while unknown, or for a value that the map does not have."""
    source = {factor.code: factor.source for factor in protocol.stratification}
    levels = {}
    for mapped in protocol.edc.factors:
        if from_edc_only and source[mapped.factor] != "edc":
            continue
        value = value_of(facts, mapped)
        levels[mapped.factor] = None if value is None else mapped.levels.get(value)
    return levels


def visit_dates(edc: Edc, facts: Sequence[Any]) -> dict[str, date]:
    """Visit -> the date on which it took place by the EDC; a text that is no ISO date is passed over."""
    dates = {}
    for mapped in edc.visit_dates:
        value = value_of(facts, mapped)
        if value is not None and (day := _day(value)) is not None:
            dates[mapped.visit] = day
    return dates


def screening_word(protocol: Protocol, facts: Sequence[Any]) -> ScreeningWord:
    """Whether the subject failed screening by the EDC, as the map says that the EDC says so."""
    failure = protocol.edc.screen_failure
    if failure is None:
        return ScreeningWord(told=False)
    said = [] if failure.item is None else _items_at(failure.item, facts)
    found = [row for row in said if row.value in failure.values]
    answers = criteria_answers(protocol, facts)
    if failure.form is not None and any(not all(given) for given in answers.values()):
        done = ("complete", "validated")
        found += [
            row for row in facts if row.kind == "form" and row.form == failure.form and row.value in done
        ]
    if not found:
        return ScreeningWord(told=bool(said))
    day = None if failure.date is None else value_of(facts, failure.date)
    return ScreeningWord(True, True, max(row.source_at for row in found), None if day is None else _day(day))


def weights_kg(edc: Edc, facts: Sequence[Any]) -> tuple[Measured, ...]:
    """The body weight in kg, the newest that the EDC has stated, or each by its day; nothing for what is no positive number."""
    return () if edc.weight is None else _measured(edc.weight, _TO_KG[edc.weight.unit], facts)


def heights_cm(edc: Edc, facts: Sequence[Any]) -> tuple[Measured, ...]:
    """The body height in cm, as `weights_kg`."""
    return () if edc.height is None else _measured(edc.height, _TO_CM[edc.height.unit], facts)


def _measured(item: MeasuredItem, factor: Decimal, facts: Sequence[Any]) -> tuple[Measured, ...]:
    stated = [row for row in _items_at(item, facts) if row.value is not None]
    if item.measured_on is None:
        return tuple(
            Measured(number * factor, row.source_at) for row in stated[:1] if (number := _number(row.value))
        )
    by_day: dict[date, Measured] = {}
    for row in stated:
        dated = (day for day in _items_at(item.measured_on, facts) if _event_of(day) == _event_of(row))
        day = next((_day(one.value) for one in dated if one.value is not None), None)
        number = _number(row.value)
        if day is not None and number is not None:
            by_day.setdefault(day, Measured(number * factor, row.source_at, day))
    return tuple(by_day[day] for day in sorted(by_day))


def _items_at(item: EdcItem, facts: Iterable[Any]) -> list[Any]:
    """The facts of an item wherever it stands, the newest first, also those that say that nothing is entered any more."""
    return [row for row in facts if row.kind == "item" and matches(item, row)]


def _event_of(row: Any) -> tuple[str, str]:
    return row.event, row.event_repeat


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() and 0 < number < LARGEST else None


def _met_by(mapped: CriterionItem, category: dict[str, str]) -> tuple[str, ...]:
    if mapped.met_by:
        return mapped.met_by
    return ("N",) if {category[code] for code in mapped.criteria} == {"EXCLUSION"} else ("Y",)


def _form_name(required: RequiredForm) -> str:
    return required.form if required.event is None else f"{required.form} at {required.event}"


def _covers(removal: Any, row: Any) -> bool:
    """Whether the fact stands under what was removed: every level that the removal names is the fact's, too."""
    for name in ADDRESS[1:-1]:
        named = getattr(removal, name)
        if named and named != getattr(row, name):
            return False
    return True


def _order(row: Any) -> Stamp:
    return stamp_of(row.source_at, row.message_at, row.message_id, row.ordinal, row.value)


def _day(text: str) -> date | None:
    try:
        return datetime.fromisoformat(text).date()
    except ValueError:
        return None
