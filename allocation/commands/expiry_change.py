"""Changing a lot's expiry, later or earlier, everywhere or in some countries; and relabelling kits whose labels say a date.

Both name a lot, and so are for those who may learn kit types. What comes of it for each kit is `rules/expiry_change.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field, model_validator
from sqlalchemy import Row, select

from allocation.commands.kit_authority import require_reason_and_signature, require_roles
from allocation.commands.kit_scope import locked_lot
from allocation.commands.lent_lots import decided_in, enter_with_borrowers, lot_there, may_see_subjects
from allocation.commands.lot_expiry import (
    country_of_kit,
    date_texts,
    expiry_windows,
    held_dates,
    lot_expiries,
)
from allocation.commands.lot_places import countries_named
from allocation.commands.service import Act, CommandRequest, Service
from allocation.commands.signed_requests import asked_content
from allocation.commands.transaction import Transaction, execute
from allocation.errors import DomainRefusal, NotFound
from allocation.ledger.schema import depot, kit, site
from allocation.plain_values import Day
from allocation.rules.expiry_change import Effect, LotExpiry, check_new_label, effect_of_change, kit_dates
from allocation.rules.kit_status import Act as KitAct
from allocation.rules.kit_status import KitStatus, Place, check_transition, rows_of
from allocation.rules.lot_status import NEVER_AGAIN, lot_never_used
from allocation.study.model import Code


class ChangeLotExpiryRequest(CommandRequest):
    """A lot's new expiry date. `countries`: country codes and label groups; none: everywhere, and no country keeps another date."""

    lot_id: Code
    expiry_date: Day
    countries: tuple[Code, ...] = ()


class RelabelKitsRequest(CommandRequest):
    """Kits of a lot at a site or depot whose labels now say `printed_expiry`.

    Without `kit_numbers`, all of the lot there that are in quarantine or expired.
    """

    lot_id: Code
    printed_expiry: Day
    site_id: Code | None = None
    depot_id: Code | None = None
    kit_numbers: tuple[Code, ...] = Field(default=(), max_length=20_000)

    @model_validator(mode="after")
    def _one_place(self) -> RelabelKitsRequest:
        if (self.site_id is None) == (self.depot_id is None):
            raise ValueError("name the place where they were relabelled by one of site_id and depot_id")
        return self


def change_lot_expiry(
    service: Service, act: Act, study_id: str, request: ChangeLotExpiryRequest
) -> dict[str, Any]:
    """Give a lot another expiry date, with a reason and signed, and its kits the last dates that follow, in transit included.

    Kits that had expired and no longer have go into quarantine; kits whose label says an earlier date wait until they are relabelled;
    dispensed ones keep theirs and are listed. It UNBLINDS. Raises NotFound, SignatureRefused, DomainRefusal for a recalled lot, an
    unknown country, or a date that the lot has already.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        others = enter_with_borrowers(transaction, request.lot_id)
        found = locked_lot(transaction, request.lot_id)
        content = asked_content(study_id, "change_lot_expiry", request, act.reason)
        require_reason_and_signature(transaction, KitAct.EXTEND, content)
        require_roles(transaction, rows_of(KitAct.EXTEND))
        if found.status in NEVER_AGAIN:
            raise lot_never_used(found.status)
        countries = countries_named(transaction.protocol, request.countries, "countries")
        held = lot_expiries(transaction.connection, study_id, [request.lot_id])[request.lot_id]
        lot_expiry = held.changed(request.expiry_date, countries)
        if lot_expiry == held:
            raise _refused(
                "the lot has that date there already", code="expiry-unchanged", fix="give another date"
            )
        changed = _changed(transaction, found, held, lot_expiry, countries)
        elsewhere = [_changed_there(transaction, other, request, countries) for other in others]
        answer = {**changed.answer, "other_studies": [one for one in elsewhere if one is not None]}
        return transaction.append(
            changed.after, before=changed.before, answer=answer, kit_numbers=changed.numbers
        )

    return execute(service, act, study_id, "change_lot_expiry", request, body)


@dataclass(frozen=True, slots=True)
class _Changed:
    """What another expiry date does in one study: payload, kits, and what is answered of it."""

    before: dict[str, Any]
    after: dict[str, Any]
    numbers: tuple[str, ...]
    answer: dict[str, Any]


def _changed(
    transaction: Transaction,
    found: Row[Any],
    held: LotExpiry,
    lot_expiry: LotExpiry,
    countries: Sequence[str],
) -> _Changed:
    study_id, lot_id = transaction.study_id, str(found.lot_id)
    windows = expiry_windows(transaction.protocol, found.kit_type)
    zones = _zones(transaction)
    dated, taken_up, dispensed, waiting = [], [], [], Counter[str]()
    for one in _kits_of_lot(transaction, lot_id):
        place = Place(one.place_kind)
        country = country_of_kit(transaction.connection, study_id, one)
        dates = kit_dates(lot_expiry, country, one.printed_expiry, windows)
        today = transaction.at_zone(zones.get((one.place_kind, one.place), "UTC"))
        effect = effect_of_change(
            KitStatus(one.status), place, one.dispensed_on is not None, held_dates(one), dates, today
        )
        if effect == Effect.DATED:
            dated.append([one.kit_number, *date_texts(dates)])
        elif effect == Effect.TAKEN_UP:
            taken_up.append([one.kit_number, one.status, one.place_kind, one.place, *date_texts(dates)])
        elif one.status == KitStatus.DISPENSED:
            dispensed.append([one.kit_number, one.place])
        still_ours = place in (Place.DEPOT, Place.SITE, Place.TRANSIT)
        if still_ours and dates.expiry < lot_expiry.for_use_in(country):
            waiting[f"{one.place_kind} {one.place}"] += 1
    after = {
        "lot_id": lot_id,
        "changed_on": transaction.today.isoformat(),
        "countries": list(countries),
        "expiry_date": lot_expiry.own.isoformat(),
        "by_country": sorted([key, day.isoformat()] for key, day in lot_expiry.by_country.items()),
        "sooner_in": sorted(
            one.code
            for one in transaction.protocol.countries
            if lot_expiry.for_use_in(one.code) < held.for_use_in(one.code)
        ),
        "dates": dated,
        "kits": taken_up,
        "dispensed": dispensed,
    }
    before = {
        "expiry_date": held.own.isoformat(),
        "by_country": sorted([key, day.isoformat()] for key, day in held.by_country.items()),
    }
    numbers = [row[0] for row in taken_up]
    answer = {
        "lot_id": lot_id,
        "expiry_date": after["expiry_date"],
        "by_country": {key: day.isoformat() for key, day in sorted(lot_expiry.by_country.items())},
        "dated": len(dated) + len(taken_up),
        "quarantined": numbers,
        "to_relabel": dict(sorted(waiting.items())),
        "dispensed": [{"kit_number": number, "subject_id": who} for number, who in dispensed],
    }
    kits = tuple(sorted([*numbers, *(row[0] for row in dated)]))
    return _Changed(before, after, kits, answer)


def _changed_there(
    transaction: Transaction, other: Transaction, request: ChangeLotExpiryRequest, countries: Sequence[str]
) -> dict[str, Any] | None:
    """Change the date in a study that has kits of the lot from this one, in the countries that it shares; None where that changes nothing.

    Whoever changes it is told of its kits and places, and of its subjects only with the right to do the same there.
    """
    found = lot_there(other, request.lot_id)
    theirs = {one.code for one in other.protocol.countries}
    shared = tuple(one for one in countries if one in theirs)
    if found is None or found.status in NEVER_AGAIN or (countries and not shared):
        return None
    held = lot_expiries(other.connection, other.study_id, [request.lot_id])[request.lot_id]
    lot_expiry = held.changed(request.expiry_date, shared)
    if lot_expiry == held:
        return None
    changed = _changed(other, found, held, lot_expiry, shared)
    other.append(
        {**changed.after, **decided_in(transaction)},
        before=changed.before,
        answer={},
        kit_numbers=changed.numbers,
        follows=other.command,
    )
    told = ("dated", "quarantined", "to_relabel", "dispensed")
    facts = {name: changed.answer[name] for name in told}
    shown = may_see_subjects(transaction, other.study_id)
    return {
        "study_id": other.study_id,
        **facts,
        "dispensed": facts["dispensed"] if shown else [],
        "subjects_shown": shown,
    }


def relabel_kits(service: Service, act: Act, study_id: str, request: RelabelKitsRequest) -> dict[str, Any]:
    """Record, with a reason and signed, that kits of a lot got labels with another expiry date where they are; answers the kits.

    They must be in quarantine or expired, and are in quarantine after it. It UNBLINDS. Raises NotFound, SignatureRefused,
    KitTransitionRefused, DomainRefusal for a lot whose labels say no date, or a date that is later than the lot's there.
    """

    def body(transaction: Transaction) -> dict[str, Any]:
        place = request.site_id or str(request.depot_id)
        kind = Place.SITE if request.site_id else Place.DEPOT
        country = None
        if request.site_id is not None:
            country = transaction.at_site(request.site_id).site_country
        else:
            transaction.in_study(depot_id=place)
        found = locked_lot(transaction, request.lot_id)
        content = asked_content(study_id, "relabel_kits", request, act.reason)
        require_reason_and_signature(transaction, KitAct.RELABEL, content)
        require_roles(transaction, rows_of(KitAct.RELABEL))
        if found.status in NEVER_AGAIN:
            raise lot_never_used(found.status)
        if found.printed_expiry is None:
            raise _refused(
                "the labels of this lot say no expiry date",
                code="expiry-not-printed",
                fix="change the lot's expiry: it reaches all kits at once",
            )
        expiry = lot_expiries(transaction.connection, study_id, [request.lot_id])[request.lot_id]
        check_new_label(request.printed_expiry, expiry, country)
        chosen = _to_relabel(transaction, request, kind, place)
        dates = kit_dates(
            expiry, country, request.printed_expiry, expiry_windows(transaction.protocol, found.kit_type)
        )
        after = {
            "lot_id": request.lot_id,
            "moved_on": transaction.today.isoformat(),
            "printed_expiry": request.printed_expiry.isoformat(),
            "kits": [
                [one.kit_number, one.status, one.place_kind, one.place, *date_texts(dates)] for one in chosen
            ],
        }
        numbers = tuple(one.kit_number for one in chosen)
        answer = {"kits": list(numbers), "expiry_date": dates.expiry.isoformat()}
        return transaction.append(after, answer=answer, site_id=request.site_id, kit_numbers=numbers)

    return execute(service, act, study_id, "relabel_kits", request, body)


def _refused(message: str, *, code: str, fix: str) -> DomainRefusal:
    return DomainRefusal(message, code=code, field="lot_id", fix=fix)


def _zones(transaction: Transaction) -> dict[tuple[str, str], str]:
    """The time zone of every depot and site."""
    zones: dict[tuple[str, str], str] = {}
    for kind, table, key in (
        (Place.DEPOT, depot, depot.c.depot_id),
        (Place.SITE, site, site.c.site_id),
    ):
        query = select(key.label("place"), table.c.timezone).where(table.c.study_id == transaction.study_id)
        zones |= {(kind.value, row.place): row.timezone for row in transaction.connection.execute(query)}
    return zones


def _kits_of_lot(transaction: Transaction, lot_id: str) -> Sequence[Row[Any]]:
    query = select(kit).where(kit.c.study_id == transaction.study_id, kit.c.lot_id == lot_id)
    return transaction.connection.execute(query.order_by(kit.c.kit_number).with_for_update()).all()


def _to_relabel(
    transaction: Transaction, request: RelabelKitsRequest, kind: Place, place: str
) -> list[Row[Any]]:
    """The kits, each of which the table lets be relabelled. Raises NotFound, KitTransitionRefused."""
    at_place = [
        one
        for one in _kits_of_lot(transaction, request.lot_id)
        if (one.place_kind, one.place) == (kind.value, place)
    ]
    if strangers := sorted(set(request.kit_numbers) - {one.kit_number for one in at_place}):
        raise NotFound(
            f"kits {', '.join(strangers)} are not of this lot at this place",
            field="kit_numbers",
            fix="correct the kit numbers",
        )
    possible = {(row.from_status, row.from_place) for row in rows_of(KitAct.RELABEL)}
    if request.kit_numbers:
        chosen = [one for one in at_place if one.kit_number in request.kit_numbers]
        for one in chosen:
            check_transition(one.kit_number, KitStatus(one.status), kind, KitAct.RELABEL)
    else:
        chosen = [one for one in at_place if (KitStatus(one.status), kind) in possible]
    if not chosen:
        raise _refused(
            "no kit of this lot is in quarantine or expired at this place",
            code="nothing-to-relabel",
            fix="put the kits that are relabelled into quarantine first",
        )
    return chosen
