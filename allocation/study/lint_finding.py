"""One finding of the blinding linter, and the list that merges what is the same at many places into one."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, Final

from allocation.study.inconsistency import Path, path_text

SHOWN_PLACES: Final = 4
"""Places that are named in a line for people; the JSON has them all."""


class Severity(StrEnum):
    """An error can show an arm or leave a site without kits; a warning makes it likelier; a note is to be known."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class LintFinding:
    """What was found: a stable `code`, where, the value, the reason (`message`) and the fix. UNBLINDED: it names kit types.

    `path` is the place in the protocol, empty for what only the database knows; `source` the parameter set that the value came
    from; `places` are the study, countries, profiles, sites or depots; `since` is the day on which it begins, None: from the start.
    """

    code: str
    severity: Severity
    path: Path
    value: str
    message: str
    fix: str
    kit_types: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    source: str = ""
    since: date | None = None

    @property
    def where_text(self) -> str:
        """Kit types, places and first day as people read them, such as `K1, K2; site S01, site S02; from 2026-09-01`."""
        shown = list(self.places[:SHOWN_PLACES])
        if len(self.places) > SHOWN_PLACES:
            shown.append(f"{len(self.places) - SHOWN_PLACES} more")
        parts = [", ".join(self.kit_types), ", ".join(shown)]
        if self.since is not None:
            parts.append(f"from {self.since}")
        return "; ".join(part for part in parts if part)

    def as_json(self) -> dict[str, Any]:
        """The finding for `--json`: places and kit types in full, dates in ISO 8601."""
        return {
            "code": self.code,
            "severity": self.severity.value,
            "path": path_text(self.path),
            "value": self.value,
            "message": self.message,
            "fix": self.fix,
            "kit_types": list(self.kit_types),
            "places": list(self.places),
            "source": self.source,
            "since": None if self.since is None else self.since.isoformat(),
        }


_ORDER: Final = tuple(Severity)


@dataclass(slots=True)
class LintFindings:
    """The list that the linter's checks append to."""

    found: list[LintFinding] = field(default_factory=list)

    def add(
        self,
        code: str,
        severity: Severity,
        path: Path,
        value: object,
        message: str,
        fix: str,
        *,
        kit_type: str | None = None,
        place: str | None = None,
        source: str = "",
        since: date | None = None,
    ) -> None:
        """Note one finding at one place; `message` and `fix` name no place, so that equal findings can be merged."""
        self.found.append(
            LintFinding(
                code,
                severity,
                path,
                str(value),
                message,
                fix,
                () if kit_type is None else (kit_type,),
                () if place is None else (place,),
                source,
                None if since == date.min else since,
            )
        )

    def merged(self) -> list[LintFinding]:
        """The findings, equal ones of several kit types, places and phases as one; errors first, else in the order of the checks."""
        by_key: dict[tuple[object, ...], list[LintFinding]] = {}
        for one in self.found:
            key = (one.code, one.severity, one.path, one.value, one.message, one.fix, one.source)
            by_key.setdefault(key, []).append(one)
        merged = [
            LintFinding(
                same[0].code,
                same[0].severity,
                same[0].path,
                same[0].value,
                same[0].message,
                same[0].fix,
                tuple(dict.fromkeys(code for one in same for code in one.kit_types)),
                tuple(dict.fromkeys(place for one in same for place in one.places)),
                same[0].source,
                min((one.since for one in same if one.since is not None), default=None)
                if all(one.since is not None for one in same)
                else None,
            )
            for same in by_key.values()
        ]
        return sorted(merged, key=lambda one: _ORDER.index(one.severity))
