"""Deciding about the kits of an excursion: released or rejected, under signature, by the stability budget of each kit."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Literal

from pydantic import Field
from sqlalchemy import Connection, Row, select

from allocation.commands.kit_authority import require_reason_and_signature, require_roles
from allocation.commands.lot_expiry import dates_where_they_are
from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.shipments import entered_shipment
from allocation.commands.signed_requests import asked_content
from allocation.commands.transaction import Transaction, execute
from allocation.errors import DomainRefusal, NotFound
from allocation.ledger.projections.excursions import OUTCOMES
from allocation.ledger.schema import excursion, excursion_kit, kit, lot
from allocation.rules.kit_status import Act as KitAct
from allocation.rules.kit_status import KitStatus, Place, check_transition, rows_of
from allocation.rules.lot_status import NEVER_AGAIN, kit_never_used
from allocation.rules.temperature import budget, require_releasable
from allocation.study.exposure_limits import limits_by_kit_type
from allocation.study.model import Code


class SettleExcursionRequest(CommandRequest):
    """What is decided about an excursion's kits; without `kit_numbers`, about all that are still open and in quarantine."""

    excursion_id: str = Field(min_length=1, max_length=80)
    decision: Literal["release", "reject"]
    kit_numbers: tuple[Code, ...] = Field(default=(), max_length=20_000)


def settle_excursion(
    service: Service, act: Act, study_id: str, request: SettleExcursionRequest
) -> dict[str, Any]:
    """Release kits of an excursion from quarantine, or reject them, with a reason and signed; answers them.

    A kit is released only while its stability budget lasts, over all its excursions; one that is in another open excursion, too, stays
    in quarantine until that is settled (`waiting`). Raises NotFound, NotPermitted, SignatureRefused, KitTransitionRefused, DomainRefusal
    with the numbers for a budget that is spent.
    """
    kit_act = KitAct(request.decision)

    def body(transaction: Transaction) -> dict[str, Any]:
        site_id = _entered(transaction, request.excursion_id)
        content = asked_content(study_id, "settle_excursion", request, act.reason)
        require_reason_and_signature(transaction, kit_act, content)
        chosen = _chosen(transaction, request, kit_act)
        require_roles(
            transaction,
            [
                check_transition(one.kit_number, KitStatus(one.status), Place(one.place_kind), kit_act)
                for one in chosen
            ],
        )
        if kit_act == KitAct.RELEASE:
            _require_budgets(transaction, chosen)
        elsewhere = open_excursions(transaction.connection, study_id, excluding=request.excursion_id)
        waits = {
            one.kit_number for one in chosen if kit_act == KitAct.RELEASE and one.kit_number in elsewhere
        }
        moving = [one for one in chosen if one.kit_number not in waits]
        dates: list[list[str]] = []
        if kit_act == KitAct.RELEASE:
            dates = dates_where_they_are(transaction.connection, study_id, transaction.protocol, moving)
        after = {
            "excursion_id": request.excursion_id,
            "decision": request.decision,
            "moved_on": transaction.today.isoformat(),
            "settled": [one.kit_number for one in chosen],
            "kits": [[one.kit_number, one.status, one.place_kind, one.place] for one in moving],
            **({"dates": dates} if dates else {}),
        }
        answer = {
            "excursion_id": request.excursion_id,
            "outcome": OUTCOMES[request.decision],
            "kits": [one.kit_number for one in moving],
            "waiting": sorted(waits),
        }
        numbers = tuple(one.kit_number for one in chosen)
        return transaction.append(after, answer=answer, site_id=site_id, kit_numbers=numbers)

    return execute(service, act, study_id, "settle_excursion", request, body)


def open_excursions(connection: Connection, study_id: str, *, excluding: str = "") -> dict[str, str]:
    """Kit -> an excursion in which nothing is decided about it yet."""
    table = excursion_kit.c
    query = select(table.kit_number, table.excursion_id).where(
        table.study_id == study_id, table.outcome.is_(None), table.excursion_id != excluding
    )
    rows = connection.execute(query.order_by(table.kit_number, table.excursion_id))
    return {row.kit_number: row.excursion_id for row in rows}


def _entered(transaction: Transaction, excursion_id: str) -> str | None:
    """Act at the excursion's place; gives the site, where it is one or goes to one. Raises NotFound."""
    query = select(excursion).where(
        excursion.c.study_id == transaction.study_id, excursion.c.excursion_id == excursion_id
    )
    found = transaction.connection.execute(query).first()
    if found is None:
        transaction.refuse_strangers()
        raise NotFound(
            f"excursion {excursion_id!r} is not known", field="excursion_id", fix="list the excursions first"
        )
    if found.place_kind == Place.SITE.value:
        transaction.at_site(found.place)
        return str(found.place)
    if found.place_kind == Place.DEPOT.value:
        transaction.in_study(depot_id=found.place)
        return None
    _, ends = entered_shipment(transaction, found.place)
    return ends.site_id


def _chosen(transaction: Transaction, request: SettleExcursionRequest, kit_act: KitAct) -> list[Row[Any]]:
    """The kits that are meant, locked. Raises NotFound for one that is not open in the excursion, DomainRefusal where there is none."""
    of_excursion = excursion_kit.c
    query = (
        select(kit, lot.c.status.label("lot_status"), of_excursion.mean_kinetic)
        .join_from(
            excursion_kit,
            kit,
            (kit.c.study_id == of_excursion.study_id) & (kit.c.kit_number == of_excursion.kit_number),
        )
        .join(lot, (lot.c.study_id == kit.c.study_id) & (lot.c.lot_id == kit.c.lot_id))
        .where(
            of_excursion.study_id == transaction.study_id,
            of_excursion.excursion_id == request.excursion_id,
            of_excursion.outcome.is_(None),
        )
        .order_by(kit.c.kit_number)
        .with_for_update(of=kit)
    )
    rows = transaction.connection.execute(query).all()
    if strangers := sorted(set(request.kit_numbers) - {one.kit_number for one in rows}):
        raise NotFound(
            f"kits {', '.join(strangers)} are not open in this excursion",
            field="kit_numbers",
            fix="name kits that are still open in it",
        )
    possible = {(row.from_status, row.from_place) for row in rows_of(kit_act)}
    barred = NEVER_AGAIN if kit_act == KitAct.RELEASE else frozenset()
    if not request.kit_numbers:
        chosen = [
            one
            for one in rows
            if (KitStatus(one.status), Place(one.place_kind)) in possible and one.lot_status not in barred
        ]
    else:
        chosen = [one for one in rows if one.kit_number in request.kit_numbers]
    if refused := next((one for one in chosen if one.lot_status in barred), None):
        raise kit_never_used(refused.kit_number, refused.lot_status)
    if not chosen:
        raise DomainRefusal(
            "no kit of the excursion is open and in quarantine",
            code="nothing-to-settle",
            field="excursion_id",
            fix="look at the excursion",
        )
    return chosen


def _require_budgets(transaction: Transaction, chosen: list[Row[Any]]) -> None:
    """Raise DomainRefusal, with the numbers, for a kit that has spent more than it may over all its excursions."""
    limits = limits_by_kit_type(transaction.protocol)
    spent = spent_minutes(transaction.connection, transaction.study_id)
    for one in chosen:
        if one.kit_type in limits:
            has = budget(spent[one.kit_number], limits[one.kit_type])
            require_releasable(one.kit_number, has, float(one.mean_kinetic), limits[one.kit_type])


def spent_minutes(connection: Connection, study_id: str) -> dict[str, list[tuple[int, int]]]:
    """Kit -> minutes above and below its range in each of its excursions."""
    table = excursion_kit.c
    query = select(table.kit_number, table.minutes_above, table.minutes_below).where(
        table.study_id == study_id
    )
    spent: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for row in connection.execute(query):
        spent[row.kit_number].append((row.minutes_above, row.minutes_below))
    return spent
