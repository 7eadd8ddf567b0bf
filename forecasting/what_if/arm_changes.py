"""Changes of the arms: another ratio, and an arm that nobody is randomized to any more."""

from __future__ import annotations

from typing import Any

from allocation.rules.restricted.methods import METHODS
from allocation.study.inconsistency import Findings, Path
from forecasting.what_if.change_file import ArmDropped, RatioChange
from forecasting.what_if.documents import Documents


def change_ratio(change: RatioChange, documents: Documents, path: Path, findings: Findings) -> None:
    """Give arms another share, and blocks a length that holds it."""
    protocol = documents.protocol
    arms = [arm["code"] for arm in protocol["arms"]]
    known = [findings.name((*path, "arms", code), code, arms, "arm") for code in change.arms]
    if not all(known):
        return
    before = ratio_of(protocol)
    not_drawn = [code for code in change.arms if code not in before]
    if not_drawn:
        findings.add(
            (*path, "arms", not_drawn[0]),
            not_drawn[0],
            "is not an arm that the first randomization event allocates to",
            f"name one of {', '.join(before)}",
        )
        return
    event = protocol["randomization"][0]
    if event["ratio"]:
        event["ratio"] = [
            {**one, "ratio": change.arms.get(one["arm"], one["ratio"])} for one in event["ratio"]
        ]
    for arm in protocol["arms"] if not event["ratio"] else ():
        arm["ratio"] = change.arms.get(arm["code"], arm["ratio"])
    _fit_blocks(change.block_sizes, before, documents, path, findings)


def drop_arm(change: ArmDropped, documents: Documents, path: Path, findings: Findings) -> None:
    """Close an arm, as an amendment would: on a day of the scenario, or in the protocol where there is no list to pass it over in."""
    protocol = documents.protocol
    before = ratio_of(protocol)
    if not findings.name((*path, "arm"), change.arm, list(before), "arm that subjects are randomized to"):
        return
    if len(before) < 2:
        findings.add((*path, "arm"), change.arm, "is the only arm", "leave it, or pause recruitment")
        return
    event, replacement = protocol["randomization"][0], protocol["screening"]["replacement"]
    listed = event["drawn"] == "from_list" and event["forced"] == "none" and replacement != "same_arm"
    if change.on is not None or listed:
        on = change.on.isoformat() if change.on else documents.scenario["starts_on"]
        documents.scenario["arm_closings"].append({"arm": change.arm, "on": on})
    elif len(before) == 2:
        findings.add(
            (*path, "arm"),
            change.arm,
            "leaves one arm, and the method draws between two or more",
            "drop an arm of three",
        )
    else:
        for arm in protocol["arms"]:
            arm["open"] = arm["open"] and arm["code"] != change.arm
        _fit_blocks((), before, documents, path, findings)


def ratio_of(protocol: dict[str, Any]) -> dict[str, int]:
    """The open arms of the first event with their shares, as `allocation.study.allocation_scheme.event_ratio` gives them."""
    event = protocol["randomization"][0]
    shares = {
        arm["code"]: arm["ratio"]
        for arm in protocol["arms"]
        if not event["arms"] or arm["code"] in event["arms"]
    }
    if event["ratio"]:
        shares = {one["arm"]: one["ratio"] for one in event["ratio"]}
    return {
        arm["code"]: shares[arm["code"]] for arm in protocol["arms"] if arm["code"] in shares and arm["open"]
    }


def _fit_blocks(
    given: tuple[int, ...], before: dict[str, int], documents: Documents, path: Path, findings: Findings
) -> None:
    """Blocks of the `given` lengths, else with as many rounds of the ratio as they had under the ratio `before`."""
    event = documents.protocol["randomization"][0]
    if given:
        event["block_sizes"] = list(given)
        return
    if event["method"] == "list":
        findings.add(
            path,
            "list",
            "is made by the statistician for the present ratio",
            "name the method that it was made by in the protocol",
        )
        return
    if event["method"] in METHODS and event["block_sizes"]:
        rounds = [size // sum(before.values()) or 1 for size in event["block_sizes"]]
        total = sum(ratio_of(documents.protocol).values())
        event["block_sizes"] = list(dict.fromkeys(total * one for one in rounds))
