"""The walk along a schedule timeline: which instances follow each other, and how far each lies from which other one.

USDM puts the time of a visit on a `Timing` of the timeline: `relativeFromScheduledInstanceId` is the instance that is timed,
`relativeToScheduledInstanceId` the one that it counts from. Two conventions are in use for "before": type Before with `P2W`, and
a negative value `-P2W`; both are read.
"""

from __future__ import annotations

from dataclasses import dataclass

from allocation.study.usdm.document import JsonObject, UsdmDocument, decode_of, text
from allocation.study.usdm.durations import whole_days


@dataclass(frozen=True, slots=True)
class TimingOf:
    """When an instance happens: `days` after (negative: before) the instance `reference`, within a window of days around it."""

    reference: str
    days: int
    window_before: int
    window_after: int
    fixed: bool


def main_timeline(document: UsdmDocument) -> JsonObject | None:
    """The timeline that every subject follows, or None; without a mark the one with most instances, remarked."""
    timelines = document.items(document.design, "scheduleTimelines")
    path = f"{document.path(document.design)}.scheduleTimelines"
    marked = [timeline for timeline in timelines if timeline.get("mainTimeline") is True]
    if len(marked) == 1:
        return marked[0]
    if not timelines:
        return None
    chosen = max(marked or timelines, key=lambda timeline: len(document.items(timeline, "instances")))
    document.findings.doubtful(
        path, f"{len(marked)} timelines are marked as the main one; {text(chosen, 'name')!r} is taken"
    )
    return chosen


def instances_in_order(document: UsdmDocument, timeline: JsonObject) -> list[JsonObject]:
    """The activity instances from `entryId` along `defaultConditionId`; those that this path misses are remarked."""
    instances = document.items(timeline, "instances")
    own = {str(instance.get("id")): instance for instance in instances}
    current = own.get(str(timeline.get("entryId")))
    if current is None and instances:
        current = instances[0]
        document.findings.doubtful(
            document.path(timeline), "entryId names none of its instances; the walk starts at the first one"
        )
    order: list[JsonObject] = []
    passed: set[str] = set()
    while current is not None and str(current.get("id")) not in passed:
        passed.add(str(current.get("id")))
        if current.get("instanceType") == "ScheduledDecisionInstance" or current.get("conditionAssignments"):
            document.findings.ignored(document.path(current), "a decision: only its default way is followed")
        else:
            order.append(current)
        following = current.get("defaultConditionId")
        current = own.get(str(following)) if following else None
        if following and current is None:
            document.findings.doubtful(
                document.path(order[-1]) if order else document.path(timeline),
                f"the next instance {following!r} is not on this timeline",
            )
        elif current is not None and str(following) in passed:
            document.findings.doubtful(
                document.path(current), "the timeline comes back to this instance: a cycle"
            )
    for key, instance in own.items():
        if key not in passed:
            document.findings.ignored(
                document.path(instance),
                f"{text(instance, 'name')!r} is not on the default way of the timeline",
            )
    return order


def timings(document: UsdmDocument, timeline: JsonObject) -> dict[str, TimingOf]:
    """The timing of each instance by the instance's id; timings that cannot be read are remarked and left out."""
    found: dict[str, TimingOf] = {}
    for timing in document.items(timeline, "timings"):
        instance = str(timing.get("relativeFromScheduledInstanceId"))
        read = _read_timing(document, timing, instance)
        if read is None:
            continue
        if instance in found:
            document.findings.doubtful(
                document.path(timing), f"instance {instance} has two timings; the first one counts"
            )
        found.setdefault(instance, read)
    return found


def _read_timing(document: UsdmDocument, timing: JsonObject, instance: str) -> TimingOf | None:
    path = document.path(timing)
    kind = decode_of(timing.get("type")).lower()
    reference = str(timing.get("relativeToScheduledInstanceId") or "")
    fixed = "fixed" in kind or reference in ("", instance)
    before, after = (_window(document, timing, key) for key in ("windowLower", "windowUpper"))
    if fixed:
        return TimingOf(instance, 0, before, after, fixed=True)
    value = whole_days(timing.get("value"))
    if value is None:
        document.findings.doubtful(
            f"{path}.value", f"{timing.get('value')!r} is no ISO 8601 duration; the timing is left out"
        )
        return None
    if value.remark:
        document.findings.doubtful(f"{path}.value", value.remark)
    days = -abs(value.days) if "before" in kind else value.days
    if kind and "before" not in kind and "after" not in kind:
        document.findings.doubtful(f"{path}.type", f"{kind!r} is read as {'before' if days < 0 else 'after'}")
    relation = decode_of(timing.get("relativeToFrom"))
    if relation and relation.lower() != "start to start":
        document.findings.doubtful(
            f"{path}.relativeToFrom", f"{relation!r} is counted in days like Start to Start"
        )
    return TimingOf(reference, days, before, after, fixed=False)


def _window(document: UsdmDocument, timing: JsonObject, key: str) -> int:
    path = f"{document.path(timing)}.{key}"
    if timing.get(key) in (None, ""):
        return 0
    value = whole_days(timing.get(key))
    if value is None:
        document.findings.doubtful(
            path, f"{timing.get(key)!r} is no ISO 8601 duration; the window is taken as 0 days"
        )
        return 0
    if value.remark:
        document.findings.doubtful(path, value.remark)
    if key == "windowUpper" and value.days < 0:
        document.findings.doubtful(path, f"an upper window of {value.days} days; taken as 0")
        return 0
    return abs(value.days)


def offset_between(timed: dict[str, TimingOf], instance: str, anchor: str) -> int | None:
    """Days from `anchor` to `instance` along the chain of timings; None where the chain does not lead there."""
    days = 0
    passed: set[str] = set()
    while instance != anchor:
        timing = timed.get(instance)
        if timing is None or timing.fixed or instance in passed:
            return None
        passed.add(instance)
        days += timing.days
        instance = timing.reference
    return days
