"""Counting subjects against the protocol's caps, under a lock, so that two desks cannot pass a cap together.

A subject who was replaced no longer counts once its replacement does: the two are one place in the study.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from sqlalchemy import Select, func, select

from allocation.commands.transaction import Transaction
from allocation.errors import DomainRefusal
from allocation.ledger.schema import cohort as cohort_table
from allocation.ledger.schema import study, subject, subject_randomization
from allocation.rules.caps import cap_reached
from allocation.rules.supply_gates import refused_for_supply
from allocation.study.design import Cap
from allocation.study.protocol import Protocol
from allocation.study.strata import parse_stratum

_REPLACEMENT = subject.alias("replacement")


def check_caps(
    transaction: Transaction,
    kind: Literal["screening", "randomization"],
    site_id: str,
    country: str,
    cohort: str | None,
    stratum: str | None,
    *,
    factors: Mapping[str, str] | None = None,
    replaces: str | None = None,
) -> list[Cap]:
    """Refuse the act when a cap that it counts toward is reached; gives the caps that the act itself will reach.

    A randomization cap with `finish_screening` still takes in those who are in screening already, but no new screening. At screening
    the stratum is that of the `factors` known by then. Whom the subject `replaces` does not count. Raises DomainRefusal
    (`cap-reached`).
    """
    protocol = transaction.protocol
    known = {**(factors or {}), **levels_of_place(protocol, site_id, country)}
    keys = _keys(protocol, site_id, country, cohort, stratum)
    watched = [
        cap
        for cap in (*protocol.caps, *_cohort_caps(protocol))
        if (cap.kind == kind or (kind == "screening" and cap.kind == "randomization"))
        and _concerns(cap, keys, known if kind == "screening" else None)
    ]
    # What a full cohort or a cap on forced randomization counts later is counted under this same lock.
    later = kind == "randomization" and (
        bool(_closing_caps(protocol, cohort))
        or any(cap.kind == "forced_randomization" for cap in protocol.caps)
    )
    if watched or later:
        lock_study(transaction)
    reached = []
    for cap in watched:
        count = _count(transaction, cap, replaces)
        lets_pass = kind == "randomization" and cap.at_cap == "finish_screening"
        if cap_reached(count, cap.limit) and not lets_pass:
            where = f"{cap.scope} {cap.key}".strip()
            raise DomainRefusal(
                f"the {cap.kind} cap of the {where} ({cap.limit}) is reached",
                code="cap-reached",
                field=cap.scope,
                fix="the cap can be raised by a new protocol version",
            )
        if cap.kind == kind and count + 1 == cap.limit:
            reached.append(cap)
    return reached


def caps_facts(reached: list[Cap]) -> dict[str, Any]:
    """What the payload of an act says of the caps that it reached; nothing when it reached none."""
    facts = [cap.model_dump(mode="json", include={"kind", "scope", "key", "limit"}) for cap in reached]
    return {"caps_reached": facts} if facts else {}


def check_forced_cap(
    transaction: Transaction, site_id: str, country: str, cohort: str | None, stratum: str
) -> None:
    """Refuse a randomization whose draw was forced when a cap on forced randomization is reached.

    Asked after the draw. Raises `refused_for_supply`, the very refusal of a site that cannot supply: nobody learns that forcing was tried.
    """
    protocol = transaction.protocol
    keys = _keys(protocol, site_id, country, cohort, stratum)
    watched = [
        cap for cap in protocol.caps if cap.kind == "forced_randomization" and _concerns(cap, keys, None)
    ]
    if watched:
        lock_study(transaction)
    if any(cap_reached(_count(transaction, cap, None), cap.limit) for cap in watched):
        raise refused_for_supply()


def lock_study(transaction: Transaction) -> None:
    """Let nobody else count subjects of the study until this transaction ends."""
    transaction.connection.execute(
        select(study.c.study_id).where(study.c.study_id == transaction.study_id).with_for_update()
    )


def levels_of_place(protocol: Protocol, site_id: str, country: str) -> dict[str, str]:
    """The levels of the factors that the site, its country or its region states."""
    region = next((one.region for one in protocol.countries if one.code == country), None)
    of_place = {"site": site_id, "country": country, "region": region}
    levels = {factor.code: of_place.get(factor.source) for factor in protocol.stratification}
    return {code: level for code, level in levels.items() if level is not None}


def _keys(
    protocol: Protocol, site_id: str, country: str, cohort: str | None, stratum: str | None
) -> dict[str, str | None]:
    """Scope -> what the subject is in."""
    return {
        "study": "",
        "country": country,
        "site": site_id,
        "cohort": cohort,
        "stratum": stratum,
        "region": next((one.region for one in protocol.countries if one.code == country), None),
        "dose_level": next((one.dose_level for one in protocol.cohorts if one.code == cohort), None),
    }


def _concerns(cap: Cap, keys: Mapping[str, str | None], known: Mapping[str, str] | None) -> bool:
    """Whether a subject counts toward the cap; before a stratum is fixed, by the factor levels `known` of it."""
    if cap.scope == "stratum" and known is not None:
        return parse_stratum(cap.key).items() <= known.items()
    return keys[cap.scope] is not None and (cap.scope == "study" or cap.key == keys[cap.scope])


def _cohort_caps(protocol: Protocol) -> list[Cap]:
    return [
        Cap(kind="randomization", scope="cohort", key=one.code, limit=one.cap)
        for one in protocol.cohorts
        if one.cap is not None
    ]


def _count(transaction: Transaction, cap: Cap, replaces: str | None) -> int:
    if cap.scope == "stratum" and cap.kind == "screening":
        return _screened_in_stratum(transaction, cap.key, replaces)
    forced = cap.kind == "forced_randomization"
    table: Any = subject_randomization if forced else subject
    query = select(func.count()).select_from(table).where(table.c.study_id == transaction.study_id)
    query = (
        query.where(table.c.forced) if forced else _one_of_each_place(transaction, query, cap.kind, replaces)
    )
    if cap.scope == "region":
        inside = [country.code for country in transaction.protocol.countries if country.region == cap.key]
        query = query.where(table.c.country.in_(inside))
    elif cap.scope == "dose_level":
        at_level = [one.code for one in transaction.protocol.cohorts if one.dose_level == cap.key]
        query = query.where(table.c.cohort.in_(at_level))
    elif cap.scope != "study":
        column = {"site": "site_id"}.get(cap.scope, cap.scope)
        query = query.where(table.c[column] == cap.key)
    return int(transaction.connection.execute(query).scalar_one())


def _one_of_each_place(
    transaction: Transaction, query: Select[Any], kind: str, replaces: str | None
) -> Select[Any]:
    """Leave out those whose replacement counts itself, and whom the present subject replaces."""
    if kind == "randomization":
        query = query.where(subject.c.randomized_on.is_not(None))
    if transaction.protocol.screening.replacement == "none":
        return query
    if replaces is not None:
        query = query.where(subject.c.subject_id != replaces)
    if kind == "screening":
        return query.where(subject.c.replaced_by.is_(None))
    in_place = select(_REPLACEMENT.c.subject_id).where(
        _REPLACEMENT.c.study_id == subject.c.study_id,
        _REPLACEMENT.c.subject_id == subject.c.replaced_by,
        _REPLACEMENT.c.randomized_on.is_not(None),
    )
    return query.where(~in_place.exists())


def _screened_in_stratum(transaction: Transaction, key: str, replaces: str | None) -> int:
    """How many were screened with these factor levels, as far as they are known."""
    columns = subject.c
    query = select(columns.factors_json, columns.site_id, columns.country).where(
        columns.study_id == transaction.study_id
    )
    wanted = parse_stratum(key).items()
    rows = transaction.connection.execute(_one_of_each_place(transaction, query, "screening", replaces))
    return sum(
        wanted
        <= {
            **json.loads(row.factors_json),
            **levels_of_place(transaction.protocol, row.site_id, row.country),
        }.items()
        for row in rows
    )


def _closing_caps(protocol: Protocol, cohort: str | None) -> list[Cap]:
    """The caps that stop a cohort by themselves: its own, and those of its dose level."""
    level = next((one.dose_level for one in protocol.cohorts if one.code == cohort), None)
    return [
        cap
        for cap in (*protocol.caps, *_cohort_caps(protocol))
        if cap.kind == "randomization"
        and (
            (cap.scope == "cohort" and cap.key == cohort)
            or (cap.scope == "dose_level" and level is not None and cap.key == level)
        )
    ]


def cohorts_filled(
    transaction: Transaction, code: str | None, *, more: int, replaces: str | None = None
) -> list[str]:
    """The cohorts that are full when `more` subjects are randomized into cohort `code`: itself, or all of its dose level.

    For the subject who is being randomized: asked after `check_caps`, whose lock lets no other be counted or missed meanwhile.
    """
    full: set[str] = set()
    for cap in _closing_caps(transaction.protocol, code):
        if cap_reached(_count(transaction, cap, replaces) + more, cap.limit):
            full |= {
                one.code
                for one in transaction.protocol.cohorts
                if cap.key == (one.code if cap.scope == "cohort" else one.dose_level)
            }
    return [one.code for one in transaction.protocol.cohorts if one.code in full]


def is_cohort_open(transaction: Transaction, code: str) -> bool:
    """Whether the cohort takes subjects: as it was opened or closed last, else as the protocol says."""
    table = cohort_table.c
    query = select(table.open).where(table.study_id == transaction.study_id, table.cohort == code)
    changed = transaction.connection.execute(query).scalar()
    if changed is not None:
        return bool(changed)
    return any(one.open for one in transaction.protocol.cohorts if one.code == code)
