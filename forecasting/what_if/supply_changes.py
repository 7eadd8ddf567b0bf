"""Changes of the supply: thresholds, lead times, shelf lives, depots that are lost."""

from __future__ import annotations

from datetime import date, timedelta
from math import ceil
from typing import Any, Final

from allocation.study.inconsistency import Findings, Path
from forecasting.what_if.change_file import DepotLost, LeadTimeChange, ShelfLifeChange, ThresholdChange
from forecasting.what_if.documents import Documents

_LOWER: Final = ("study", "country_group", "country", "profile", "site")
"""Levels of parameters, from the highest to the lowest."""


def change_thresholds(change: ThresholdChange, documents: Documents, path: Path, findings: Findings) -> None:
    """Put parameters over those of their level, key and kit type; `everywhere`: take them out of the levels below."""
    kit_types = [one["code"] for one in documents.protocol["kit_types"]]
    if not findings.name((*path, "kit_type"), change.kit_type, kit_types, "kit type"):
        return
    asked = {
        name: value for name, value in change.parameters.model_dump(mode="json").items() if value is not None
    }
    begins = asked.get("valid_from")
    named = set(asked) - {"valid_from"}
    if not named:
        findings.add((*path, "parameters"), "(nothing)", "changes no parameter", "give one, like min_buffer")
        return
    sets: list[dict[str, Any]] = documents.protocol["supply"]["parameters"]
    if change.everywhere:
        for one in sets:
            if _is_below(one, change):
                for name in named:
                    one["parameters"][name] = None
        sets[:] = [one for one in sets if _says_something(one)]
    for one in sets:
        same = (one["level"], one["key"], one["kit_type"]) == (change.level, change.key, change.kit_type)
        if same and one["parameters"]["valid_from"] == begins:
            one["parameters"] |= asked
            return
    sets.append({"level": change.level, "key": change.key, "kit_type": change.kit_type, "parameters": asked})


def _is_below(one: dict[str, Any], change: ThresholdChange) -> bool:
    """Whether a set goes before the change where both hold: it is of a lower level, or of a kit type on the same one, or comes later."""
    if change.kit_type is not None and one["kit_type"] not in (None, change.kit_type):
        return False
    if "depot" in (one["level"], change.level):
        return bool(one["level"] == change.level and one["key"] == change.key)
    return _LOWER.index(one["level"]) >= _LOWER.index(change.level)


def _says_something(one: dict[str, Any]) -> bool:
    return any(value is not None for name, value in one["parameters"].items() if name != "valid_from")


def change_lead_times(change: LeadTimeChange, documents: Documents, path: Path, findings: Findings) -> None:
    """Make lanes longer or shorter; never below 0 days."""
    wanted = {
        name: getattr(change, name)
        for name in ("depot", "country", "site", "to_depot")
        if getattr(change, name) is not None
    }
    lanes = [
        lane
        for lane in documents.protocol["lanes"]
        if all(lane[name] == value for name, value in wanted.items())
    ]
    if not lanes:
        asked = ", ".join(f"{name} {value}" for name, value in wanted.items()) or "any place"
        findings.add(path, asked, "has no lane in this protocol", "name a depot and place as its lanes do")
    for lane in lanes:
        days = lane["lead_time_days"]
        if change.days is not None:
            days = change.days
        elif change.factor is not None:
            days = ceil(round(days * change.factor, 6))
        else:
            days += change.add_days or 0
        lane["lead_time_days"] = max(days, 0)


def change_shelf_life(change: ShelfLifeChange, documents: Documents, path: Path, findings: Findings) -> None:
    """Let lots and campaigns expire on another day."""
    kit_types = [one["code"] for one in documents.protocol["kit_types"]]
    if not findings.name((*path, "kit_type"), change.kit_type, kit_types, "kit type"):
        return
    for lot in documents.scenario["lots"]:
        if change.kit_type in (None, lot["kit_type"]):
            made, expires = date.fromisoformat(lot["manufactured_on"]), date.fromisoformat(lot["expires_on"])
            lot["expires_on"] = _earlier(made, expires, change).isoformat()
    for campaign in documents.scenario["campaigns"]:
        if change.kit_type in (None, campaign["kit_type"]):
            # From its first run on, the day of which is that of every run, in so far as months are as long.
            begins = date.fromisoformat(campaign["starts_on"])
            days = campaign["shelf_life_days"] or round((campaign["shelf_life_months"] or 0) * 365.25 / 12)
            life = (_earlier(begins, begins + timedelta(days=days), change) - begins).days
            campaign |= {"shelf_life_months": None, "shelf_life_days": life}


def _earlier(made: date, expires: date, change: ShelfLifeChange) -> date:
    if change.factor is not None:
        return made + timedelta(days=round((expires - made).days * change.factor))
    return expires - timedelta(days=change.days or 0)


def lose_depot(change: DepotLost, documents: Documents, path: Path, findings: Findings) -> None:
    """Let nothing leave or reach a depot for a time."""
    depots = [depot["code"] for depot in documents.protocol["depots"]]
    if not findings.name((*path, "depot"), change.depot, depots, "depot"):
        return
    last = change.first_day + timedelta(days=change.days - 1)
    begins = date.fromisoformat(documents.scenario["starts_on"])
    if last < begins:
        findings.add(
            (*path, "first_day"),
            change.first_day,
            f"is over before day 0, {begins}",
            "give a day that is still to come",
        )
        return
    documents.scenario["shipping"]["outages"].append(
        {"depot": change.depot, "first_day": change.first_day.isoformat(), "last_day": last.isoformat()}
    )
