"""Counting subjects against the protocol's caps, under a lock, so that two desks cannot pass a cap together."""

from __future__ import annotations

from typing import Literal

from sqlalchemy import func, select

from allocation.commands.transaction import Transaction
from allocation.errors import DomainRefusal
from allocation.ledger.schema import cohort as cohort_table
from allocation.ledger.schema import study, subject
from allocation.rules.caps import cap_reached
from allocation.study.design import Cap


def check_caps(
    transaction: Transaction,
    kind: Literal["screening", "randomization"],
    site_id: str,
    country: str,
    cohort: str | None,
    stratum: str | None,
) -> None:
    """Refuse the act when a cap that it counts toward is reached.

    A randomization cap with `finish_screening` still takes in those who are in screening already, but no new screening. Raises
    DomainRefusal (`cap-reached`).
    """
    protocol = transaction.protocol
    region = next((one.region for one in protocol.countries if one.code == country), None)
    keys = {
        "study": "",
        "country": country,
        "site": site_id,
        "cohort": cohort,
        "stratum": stratum,
        "region": region,
        "dose_level": next((one.dose_level for one in protocol.cohorts if one.code == cohort), None),
    }
    of_cohorts = [
        Cap(kind="randomization", scope="cohort", key=one.code, limit=one.cap)
        for one in protocol.cohorts
        if one.cap is not None
    ]
    watched = [
        cap
        for cap in (*protocol.caps, *of_cohorts)
        if keys[cap.scope] is not None
        and (cap.scope == "study" or cap.key == keys[cap.scope])
        and (
            cap.kind == kind
            or (kind == "screening" and cap.kind == "randomization" and cap.scope != "stratum")
        )
        and not (kind == "randomization" and cap.at_cap == "finish_screening")
    ]
    if not watched:
        return
    transaction.connection.execute(
        select(study.c.study_id).where(study.c.study_id == transaction.study_id).with_for_update()
    )
    for cap in watched:
        if cap_reached(_count(transaction, cap), cap.limit):
            where = f"{cap.scope} {cap.key}".strip()
            raise DomainRefusal(
                f"the {cap.kind} cap of the {where} ({cap.limit}) is reached",
                code="cap-reached",
                field=cap.scope,
                fix="the cap can be raised by a new protocol version",
            )


def _count(transaction: Transaction, cap: Cap) -> int:
    query = select(func.count()).select_from(subject).where(subject.c.study_id == transaction.study_id)
    if cap.kind == "randomization":
        query = query.where(subject.c.randomized_on.is_not(None))
    if cap.scope == "region":
        inside = [country.code for country in transaction.protocol.countries if country.region == cap.key]
        query = query.where(subject.c.country.in_(inside))
    elif cap.scope == "dose_level":
        at_level = [one.code for one in transaction.protocol.cohorts if one.dose_level == cap.key]
        query = query.where(subject.c.cohort.in_(at_level))
    elif cap.scope != "study":
        column = {
            "country": subject.c.country,
            "site": subject.c.site_id,
            "cohort": subject.c.cohort,
            "stratum": subject.c.stratum,
        }
        query = query.where(column[cap.scope] == cap.key)
    return int(transaction.connection.execute(query).scalar_one())


def cap_closes_cohort(transaction: Transaction, code: str | None) -> bool:
    """Whether the subject who is being randomized fills its cohort, which then closes by itself.

    Asked after the draw, which holds the lock of the event's list or method: no other randomization is counted or missed meanwhile.
    """
    cap = next((one.cap for one in transaction.protocol.cohorts if one.code == code), None)
    if cap is None:
        return False
    counted = Cap(kind="randomization", scope="cohort", key=code or "", limit=cap)
    return cap_reached(_count(transaction, counted) + 1, cap)


def is_cohort_open(transaction: Transaction, code: str) -> bool:
    """Whether the cohort takes subjects: as it was opened or closed last, else as the protocol says."""
    table = cohort_table.c
    query = select(table.open).where(table.study_id == transaction.study_id, table.cohort == code)
    changed = transaction.connection.execute(query).scalar()
    if changed is not None:
        return bool(changed)
    return any(one.open for one in transaction.protocol.cohorts if one.code == code)
