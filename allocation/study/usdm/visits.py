"""The visits of a study file from the timelines of a USDM document: epoch, anchor, target day, window, dispensing."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from allocation.study.schedule import Visit
from allocation.study.usdm.document import JsonObject, UsdmDocument, text
from allocation.study.usdm.durations import study_day
from allocation.study.usdm.naming import CodeMaker, shortened
from allocation.study.usdm.stops import DISPENSING, RANDOMIZATION, Stop, described, numbers_of, stops_of
from allocation.study.usdm.structure import AFTER_TREATMENT, CodesById
from allocation.study.usdm.timeline import (
    TimingOf,
    instances_in_order,
    main_timeline,
    offset_between,
    timings,
)

_ENDS_EARLY = re.compile(r"terminat|withdraw|discontinu", re.IGNORECASE)
_DAY_WORDS = re.compile(r"\bday\s+(-?\d+)\b", re.IGNORECASE)
_FIRST_OPTIONAL_NUMBER = 101


@dataclass(slots=True)
class Schedule:
    """The visits in the order of the timeline, and the codes of those that a subject is screened and randomized at."""

    visits: list[dict[str, Any]] = field(default_factory=list)
    screening: str | None = None
    randomization: str | None = None


def schedule(document: UsdmDocument, codes: CodesById) -> Schedule:
    """Every visit of the main timeline, then the visits of early termination as optional ones; other timelines are ignored."""
    timeline = main_timeline(document)
    stops = stops_of(document, timeline) if timeline is not None else []
    if timeline is None or not stops:
        document.findings.to_fill_in(("visits",), "no schedule timeline of the document leads to a visit")
        return Schedule()
    timed = timings(document, timeline)
    randomized = [stop for stop in stops if stop.does(RANDOMIZATION)]
    if len(randomized) > 1:
        document.findings.doubtful(
            document.path(randomized[1].instance),
            "subjects are randomized at more than one visit; only the first one is taken",
        )
    times = _Times(document, stops, timed, randomized[0] if randomized else None)
    maker = CodeMaker()
    found = Schedule()
    for place, (stop, number) in enumerate(zip(stops, numbers_of(stops), strict=True)):
        visit = described(document, stop, maker) | {"number": number}
        epoch = codes.epochs.get(str(stop.instance.get("epochId")))
        visit["epoch"] = epoch or _assumed_epoch(document, codes, stop, found.visits)
        visit |= times.of(place)
        if _dispenses(document, codes, stop, visit, last=place == len(stops) - 1):
            visit["dispensing"] = True
        found.visits.append(visit)
    found.screening = found.visits[0]["code"]
    if randomized:
        found.randomization = found.visits[stops.index(randomized[0])]["code"]
    if not any(visit.get("dispensing") for visit in found.visits):
        document.findings.doubtful(
            document.path(timeline), "no activity speaks of dispensing: no visit dispenses"
        )
    found.visits += _early_termination(document, codes, timeline, maker)
    for place, visit in enumerate(found.visits):
        if not visit["epoch"]:
            del visit["epoch"]
            document.findings.to_fill_in(("visits", place, "epoch"), "the epoch that the visit belongs to")
    found.visits = [{key: visit[key] for key in Visit.model_fields if key in visit} for visit in found.visits]
    return found


class _Times:
    """When the stops are: their anchor, target day and window. The anchor's own day is 1, and there is no day 0."""

    def __init__(
        self, document: UsdmDocument, stops: list[Stop], timed: dict[str, TimingOf], randomized: Stop | None
    ) -> None:
        self._document = document
        self._stops = stops
        self._timed = timed
        fixed = (stop for stop in stops if (timing := timed.get(stop.key)) is not None and timing.fixed)
        self._anchor = randomized or next(fixed, None)
        self._anchor_name = "first_dose"
        if randomized is not None:
            self._anchor_name = "randomization"
        elif self._anchor is stops[0]:
            self._anchor_name = "screening"

    def of(self, place: int) -> dict[str, Any]:
        """`anchor`, `target_day`, `window_before` and `window_after` of the stop at `place`, as far as they say something."""
        stop, timing = self._stops[place], self._timed.get(self._stops[place].key)
        window: dict[str, Any] = {}
        if timing is not None:
            sides = (("window_before", timing.window_before), ("window_after", timing.window_after))
            window = {key: days for key, days in sides if days}
        if stop is self._anchor:
            return {"anchor": self._anchor_name, "target_day": 1} | window
        previous = self._stops[place - 1] if place else None
        if (
            timing is not None
            and previous is not None
            and previous is not self._anchor
            and timing.reference == previous.key
            and timing.days >= 0
        ):
            return {"anchor": "previous_visit", "target_day": timing.days} | window
        days = None
        if self._anchor is not None:
            days = offset_between(self._timed, stop.key, self._anchor.key)
        if days is None:
            self._document.findings.to_fill_in(
                ("visits", place, "target_day"),
                "no timing leads from the anchor visit to this one: its study day",
            )
            return {"anchor": self._anchor_name} | window
        target = study_day(days)
        self._compare_with_words(stop, target)
        return {"anchor": self._anchor_name, "target_day": target} | window

    def _compare_with_words(self, stop: Stop, target: int) -> None:
        match = None if stop.repeat else _DAY_WORDS.search(text(stop.encounter, "description"))
        if match and int(match[1]) != target:
            self._document.findings.doubtful(
                self._document.path(stop.encounter),
                f"described as {match[0]!r}, while its timing gives study day {target}; the timing counts",
            )


def _assumed_epoch(document: UsdmDocument, codes: CodesById, stop: Stop, before: list[dict[str, Any]]) -> str:
    known = list(codes.epochs.values())
    assumed = str(before[-1]["epoch"]) if before else (known[0] if known else "")
    document.findings.doubtful(
        document.path(stop.instance), f"names no known epoch; {assumed or 'none'} is taken"
    )
    return assumed


def _dispenses(
    document: UsdmDocument, codes: CodesById, stop: Stop, visit: dict[str, Any], *, last: bool
) -> bool:
    if not stop.does(DISPENSING):
        return False
    if last or codes.terms.get(visit["epoch"]) in AFTER_TREATMENT:
        document.findings.doubtful(
            document.path(stop.instance),
            f"{visit['name']!r} has a dispensing activity, but no treatment follows: taken as return only",
        )
        return False
    return True


def _early_termination(
    document: UsdmDocument, codes: CodesById, main: JsonObject, maker: CodeMaker
) -> list[dict[str, Any]]:
    """Optional visits for the timelines that end a subject's participation early; the other ones are remarked."""
    found: list[dict[str, Any]] = []
    for timeline in document.items(document.design, "scheduleTimelines"):
        if timeline is main:
            continue
        name = text(timeline, "label", "name", "id")
        condition = text(timeline, "entryCondition")
        if not _ENDS_EARLY.search(" ".join((name, condition))):
            document.findings.ignored(
                document.path(timeline), f"timeline {name!r} ({condition}): no visit of the plan"
            )
            continue
        for instance in instances_in_order(document, timeline):
            label = text(instance, "label", "name") or name
            epoch = codes.epochs.get(str(instance.get("epochId"))) or next(
                reversed(codes.epochs.values()), ""
            )
            visit = {
                "code": maker.code(text(instance, "name"), label),
                "number": _FIRST_OPTIONAL_NUMBER + len(found),
                "name": shortened(label, 40),
                "epoch": epoch,
                "anchor": "none",
                "optional": True,
            }
            document.findings.doubtful(
                document.path(instance),
                f"{label!r} is taken as the optional visit {visit['code']}, number {visit['number']}, in the epoch {epoch}",
            )
            found.append(visit | ({"start_rule": condition} if condition else {}))
    return found
