"""Replacing a subject who left: the link is made when the new subject is screened, at the same site and in the same cohort."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, bindparam, select

from allocation.commands.allocating import (
    Allocated,
    gated_supply,
    holder_of,
    no_open_arm,
    require_arm_supply,
)
from allocation.commands.randomization_admission import Passage
from allocation.commands.transaction import Transaction
from allocation.errors import NotFound
from allocation.ledger.schema import list_entry, subject, subject_randomization
from allocation.rules.replacement import ReplacedSubject, check_replaceable, same_arm_replacement
from allocation.study.allocation_scheme import event_ratio, run_key
from allocation.study.strata import stratum_key

METHOD = "replacement"
"""How a subject who takes the arm of the one it replaces was allocated."""

_COLUMNS = (
    subject.c.subject_id,
    subject.c.site_id,
    subject.c.cohort,
    subject.c.status,
    subject.c.stratum,
    subject.c.randomization_number,
    subject.c.arm,
    subject.c.replaced_by,
)
_ONE = select(*_COLUMNS).where(
    subject.c.study_id == bindparam("study"), subject.c.subject_id == bindparam("who")
)
_NEW = subject.alias("new")
_REPLACED = select(*_COLUMNS).where(
    subject.c.study_id == bindparam("study"),
    subject.c.subject_id
    == select(_NEW.c.replaces)
    .where(_NEW.c.study_id == bindparam("study"), _NEW.c.subject_id == bindparam("who"))
    .scalar_subquery(),
)


def subject_to_replace(transaction: Transaction, subject_id: str, site_id: str) -> Any:
    """The subject whose place a new one takes at this site, which is locked.

    Raises NotFound also for a subject of another site, of which this one may learn nothing; DomainRefusal when it is not to be replaced.
    """
    keys = {"study": transaction.study_id, "who": subject_id}
    row = transaction.connection.execute(_ONE, keys).first()
    if row is None or row.site_id != site_id:
        raise NotFound(
            f"subject {subject_id!r} is not known at site {site_id}",
            field="replaces",
            fix="name a subject of this site who left",
        )
    check_replaceable(transaction.protocol.screening.replacement, _facts(row))
    return row


def replaced_by(transaction: Transaction, subject_id: str) -> str | None:
    """Whom the subject replaces, None for nobody or where the protocol replaces nobody."""
    row = _replaced_row(transaction, subject_id)
    return None if row is None else str(row.subject_id)


def allocate_replacement(
    transaction: Transaction, row: Row[Any], passage: Passage, factors: dict[str, str]
) -> Allocated | None:
    """The allocation of a subject who takes the arm of the one it replaces; None for everybody else, who is drawn for.

    The event's supply gate is asked as for anybody; where the event forces, the kits of that one arm must be at the site, since another
    arm would be no replacement. Raises DomainRefusal for another stratum, when the protocol allocates to that arm no more, and for
    want of supply, in the same words as for anybody.
    """
    if not passage.is_first or transaction.protocol.screening.replacement != "same_arm":
        return None
    replaced = _replaced_row(transaction, row.subject_id)
    if replaced is None:
        return None
    protocol, event = transaction.protocol, passage.event
    stratum = stratum_key(factors, event.factors)
    decision = same_arm_replacement(_facts(replaced), stratum, lambda number: _is_taken(transaction, number))
    if decision.arm not in dict(event_ratio(protocol, event, row.cohort)):
        raise no_open_arm()
    supply = gated_supply(transaction, row, event, None)
    require_arm_supply(event, supply, decision.arm)
    holder = holder_of(transaction, row, event)
    run = run_key(protocol, event, factors, row.cohort, None)
    record = {
        "rule_version": decision.rule_version,
        "replaces": decision.replaces,
        "replaced_number": replaced.randomization_number,
        "supply": None if supply is None else supply.record(),
    }
    return Allocated(METHOD, decision.arm, decision.arm, False, decision.number, holder, run, record)


def _replaced_row(transaction: Transaction, subject_id: str) -> Any:
    if transaction.protocol.screening.replacement == "none":
        return None
    keys = {"study": transaction.study_id, "who": subject_id}
    return transaction.connection.execute(_REPLACED, keys).first()


def _facts(row: Any) -> ReplacedSubject:
    return ReplacedSubject(
        row.subject_id, row.status, row.stratum, row.randomization_number, row.arm, row.replaced_by
    )


def _is_taken(transaction: Transaction, number: str) -> bool:
    """Whether a list or a subject has that randomization number."""
    return any(
        transaction.connection.execute(
            select(table.c.study_id).where(
                table.c.study_id == transaction.study_id, table.c.randomization_number == number
            )
        ).first()
        for table in (list_entry, subject_randomization)
    )
