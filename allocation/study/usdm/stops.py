"""The stops of the main timeline: its instances that are visits, with the encounter, the activities, a number and a name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from allocation.study.usdm.document import JsonObject, UsdmDocument, decode_of, text
from allocation.study.usdm.naming import CodeMaker, shortened
from allocation.study.usdm.timeline import instances_in_order

RANDOMIZATION = re.compile(r"\brandomi[sz](ed|ation)\b", re.IGNORECASE)
DISPENSING = re.compile(r"\bdispens", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Stop:
    """An instance of the main timeline that is a visit: `repeat` when an earlier stop used its encounter already."""

    instance: JsonObject
    encounter: JsonObject
    repeat: bool
    activities: tuple[str, ...]

    @property
    def key(self) -> str:
        """The id of the instance, which the timings name."""
        return str(self.instance.get("id"))

    def does(self, what: re.Pattern[str]) -> bool:
        """Whether the name or label of an activity here speaks of `what`."""
        return any(what.search(activity) for activity in self.activities)


def stops_of(document: UsdmDocument, timeline: JsonObject) -> list[Stop]:
    """The stops in their order; instances without an encounter and encounters without an instance are remarked."""
    found: list[Stop] = []
    used: set[int] = set()
    for instance in instances_in_order(document, timeline):
        encounter = document.by_id(instance.get("encounterId"))
        name = text(instance, "name", "label", "id")
        if encounter is None:
            document.findings.ignored(
                document.path(instance), f"{name!r} has no encounter: it is not a visit"
            )
            continue
        activities = document.referred(instance, "activityIds")
        words = tuple(text(activity, part) for activity in activities for part in ("name", "label"))
        repeat = id(encounter) in used
        if repeat:
            document.findings.doubtful(
                document.path(instance),
                f"{name!r} uses the encounter {text(encounter, 'label', 'name')!r} again: "
                "taken as a further contact with a number of its own",
            )
        used.add(id(encounter))
        found.append(Stop(instance, encounter, repeat, words))
    for encounter in document.items(document.design, "encounters"):
        if id(encounter) not in used:
            document.findings.ignored(
                document.path(encounter),
                f"{text(encounter, 'label', 'name')!r} is on no main timeline: no visit",
            )
    return found


def numbers_of(stops: list[Stop]) -> list[int | float]:
    """The visit numbers (SDTM VISITNUM): 1, 2, 3, ...

    A further contact after visit 8 is 8.1, 8.2, ...; where ten or more follow each other, 8.01, 8.02, ...
    """
    runs: list[tuple[int, int]] = []
    for stop in stops:
        whole, repeats = runs[-1] if runs else (0, 0)
        runs.append((whole, repeats + 1) if stop.repeat and runs else (whole + 1, 0))
    parts = 10 if max((repeats for _, repeats in runs), default=0) < 10 else 100
    return [round(whole + repeats / parts, 2) if repeats else whole for whole, repeats in runs]


def described(document: UsdmDocument, stop: Stop, maker: CodeMaker) -> dict[str, Any]:
    """Code, name, contact and the start and end rules of a stop, as the study file has them."""
    first, second = (stop.instance, stop.encounter) if stop.repeat else (stop.encounter, stop.instance)
    name = text(first, "label", "name") or text(second, "label", "name") or "Visit"
    visit: dict[str, Any] = {
        "code": maker.code(text(stop.instance, "name"), text(stop.encounter, "name"), name),
        "name": shortened(name, 40),
    }
    if name != visit["name"]:
        document.findings.doubtful(
            document.path(stop.encounter), f"the name {name!r} is cut to 40 characters"
        )
    contact = _contact(stop)
    if contact != "clinic":
        visit["contact"] = contact
    if not stop.repeat:
        for rule, key in (("transitionStartRule", "start_rule"), ("transitionEndRule", "end_rule")):
            stated = stop.encounter.get(rule)
            words = text(stated, "text", "description") if isinstance(stated, dict) else ""
            if words:
                visit[key] = words
    return visit


def _contact(stop: Stop) -> str:
    """`clinic`, `phone` or `home`: of an encounter both in person and by telephone, the repeats are by telephone."""

    def decodes(key: str) -> str:
        stated = stop.encounter.get(key)
        return " ".join(decode_of(one).lower() for one in stated) if isinstance(stated, list) else ""

    modes, places = decodes("contactModes"), decodes("environmentalSettings")
    if "telephone" in modes and (stop.repeat or "in person" not in modes):
        return "phone"
    return "home" if "home" in places and "clinic" not in places else "clinic"
