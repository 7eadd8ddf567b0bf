"""What is said of each act: builders of notices out of entries. The blinded ones take from a payload what a `BlindedNotice` can hold."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from sqlalchemy import select

from allocation.ledger.lot_units import names_by_lot
from allocation.ledger.schema import subject
from allocation.ledger.shipment_ends import ends_of_payload
from allocation.notify.blinded import BlindedNotice
from allocation.notify.happening import Happening, Told
from allocation.notify.places import NoticePlace, ends_of, shipment_ends
from allocation.notify.unblinded import UnblindedNotice, contents_of

Blinded = Told[BlindedNotice]
Unblinded = Told[UnblindedNotice]


def _numbers(after: dict[str, Any]) -> list[str]:
    """The kit numbers of a payload, whose kits are numbers or rows that begin with one."""
    return [one if isinstance(one, str) else one[0] for one in after.get("kits", ())]


def of_shipment(title: str) -> Callable[[Happening], list[Blinded]]:
    """The notice of what happened to a shipment, for the people at both of its ends."""

    def build(happening: Happening) -> list[Blinded]:
        after, shipment_id = happening.after, happening.after["shipment_id"]
        ends = ends_of(ends_of_payload(after, happening.site_id or ""))
        dispositions = Counter(one[1] for one in after.get("kits", ()) if not isinstance(one, str))
        expected = after.get("expected_on")
        said = BlindedNotice(
            title,
            shipment_id=shipment_id,
            from_place=str(ends[0]),
            to_place=str(ends[1]),
            kits=len(after["kits"]) if "kits" in after else None,
            found=tuple(sorted(dispositions.items())),
            carrier=after.get("carrier") or "",
            tracking_number=after.get("tracking_number") or "",
            due="Expected on",
            due_on=None if expected is None else date.fromisoformat(expected),
        )
        return [Told(said, ends)]

    return build


def _names(happening: Happening, numbers: Sequence[str]) -> tuple[str, ...]:
    return names_by_lot(happening.connection, happening.study_id, sorted(numbers))


ByPlace = Callable[[Happening], dict[NoticePlace, list[str]]]


def with_contents(
    blinded: Callable[[Happening], list[Blinded]], by_place: ByPlace | None = None
) -> Callable[[Happening], list[Unblinded]]:
    """The unblinded variant of a builder: the same notices, with the types and lots of the entry's kits, and the reason given.

    `by_place`: where the kits of an act are, when each place is told of its own; they are named by number then.
    """

    def build(happening: Happening) -> list[Unblinded]:
        after, told = happening.after, []
        places = {} if by_place is None else by_place(happening)
        for one in blinded(happening):
            numbers = [] if by_place is not None else _numbers(after)
            for place in one.places or sorted(places):
                numbers += places.get(place, ())
            said = (
                one.notice
                if by_place is None
                else replace(one.notice, kit_numbers=_names(happening, numbers))
            )
            contents = contents_of(happening.connection, happening.study_id, numbers)
            notice = UnblindedNotice(said, contents, after.get("lot_id", ""), happening.reason)
            told.append(Told(notice, one.places, one.local))
        return told

    return build


def of_kits(title: str, advice: str = "") -> Callable[[Happening], list[Blinded]]:
    """The notices of an act on kits where they are: how many at each place. Which ones would tell what is alike inside."""

    def build(happening: Happening) -> list[Blinded]:
        by_place = sorted(kits_by_place(happening).items())
        if not by_place:
            return []
        one_place = len(by_place) == 1
        told = [
            Told(
                BlindedNotice(title, place=str(place), kits=len(numbers), advice=advice),
                (place,),
                local=not one_place,
            )
            for place, numbers in by_place
        ]
        return told if one_place else [*told, Told(_in_all(title, by_place, advice))]

    return build


def _in_all(title: str, by_place: list[tuple[NoticePlace, list[str]]], advice: str) -> BlindedNotice:
    """One notice of several places, for people of the whole study."""
    return BlindedNotice(
        title,
        kits=sum(len(numbers) for _, numbers in by_place),
        found=tuple((str(place), len(numbers)) for place, numbers in by_place),
        advice=advice,
    )


def kits_by_place(happening: Happening) -> dict[NoticePlace, list[str]]:
    """Where the kits of an entry were, whose rows are (number, status, place kind, place)."""
    return _by_place(happening, happening.after.get("kits", ()))


def _by_place(happening: Happening, rows: Any) -> dict[NoticePlace, list[str]]:
    """Place -> the kits there. Kits in transit are their destination's, those with a subject its site's."""
    study_id, connection = happening.study_id, happening.connection
    on_way = {row[3] for row in rows if row[2] == "transit"}
    ends = shipment_ends(connection, study_id, on_way)
    who = sorted({row[3] for row in rows if row[2] == "subject"})
    found = connection.execute(
        select(subject.c.subject_id, subject.c.site_id).where(
            subject.c.study_id == study_id, subject.c.subject_id.in_(who)
        )
    )
    site_of = {row.subject_id: row.site_id for row in found} if who else {}
    by_place: dict[NoticePlace, list[str]] = defaultdict(list)
    for number, _, kind, key, *_ in rows:
        if kind == "transit":
            place = ends[key][1]
        elif kind == "subject":
            place = NoticePlace("site", site_of[key])
        else:
            place = NoticePlace(kind, key)
        by_place[place].append(number)
    return by_place


_SET_ASIDE = "Do not use, ship or hand out these kits. They are in quarantine."
_RECALLED_KITS = (
    f"{_SET_ASIDE} Ask subjects to bring back what they have: the page of recalled kits names them."
)
_RECALLED_AT_DEPOT = (
    "Kits here are in quarantine and are in no order any more. The unblinded supply manager has their list."
)


def recalled_by_place(happening: Happening) -> dict[NoticePlace, list[str]]:
    """Where the kits of a recall are: those set aside, and those that subjects are asked for."""
    asked = [[number, "dispensed", "subject", who] for number, who in happening.after.get("asked_back", ())]
    return _by_place(happening, [*happening.after["kits"], *asked])


def recall_at_sites(happening: Happening) -> list[Blinded]:
    """What each site must set aside or ask back, by number: no more of a recall than its own part of it."""
    return [
        Told(
            BlindedNotice(
                "Kits recalled",
                place=str(place),
                kits=len(numbers),
                kit_numbers=_names(happening, numbers),
                advice=_RECALLED_KITS,
            ),
            (place,),
            local=True,
        )
        for place, numbers in sorted(recalled_by_place(happening).items())
        if place.kind == "site"
    ]


def recall_in_numbers(happening: Happening) -> list[Blinded]:
    """How many kits a recall concerns: at each place for its people, and in all for those of the study."""
    by_place = sorted(recalled_by_place(happening).items())
    told = [
        Told(
            BlindedNotice(
                "Kits recalled",
                place=str(place),
                kits=len(numbers),
                advice=_RECALLED_AT_DEPOT if place.kind == "depot" else _SET_ASIDE,
            ),
            (place,),
            local=True,
        )
        for place, numbers in by_place
    ]
    advice = "They are in quarantine everywhere, and each place was told of its own."
    return [*told, Told(_in_all("Kits recalled", by_place, advice))]


def of_caps(happening: Happening) -> list[Blinded]:
    """One notice for all caps that an act reached. The dose level of a cap is not named: levels belong to arms."""
    words = []
    for cap in happening.after.get("caps_reached", ()):
        key = "" if cap["scope"] == "dose_level" else f" {cap['key']}".rstrip()
        words.append(f"{cap['kind']}, {cap['scope'].replace('_', ' ')}{key}: {cap['limit']}")
    if not words:
        return []
    place = () if happening.site_id is None else (NoticePlace("site", happening.site_id),)
    return [Told(BlindedNotice("Cap reached", place=", ".join(map(str, place)), cap="; ".join(words)), place)]
