"""What the import could not take over as it stands: ignored, doubtful, or still to fill in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from allocation.study.inconsistency import Path, path_text

Kind = Literal["ignored", "doubtful", "to_fill_in"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One remark of the import.

    `path` of an `ignored` or `doubtful` finding is where in the USDM document it comes from; of a `to_fill_in` finding it is
    where in the study file a person must decide, and `place` is that path in steps.
    """

    kind: Kind
    path: str
    message: str
    place: Path = ()


class Findings:
    """The list that every part of the import writes its remarks into, in the order of the walk."""

    def __init__(self) -> None:
        self.found: list[Finding] = []
        self._known: set[Finding] = set()

    def ignored(self, path: str, message: str) -> None:
        """The document says something that the study file has no place for."""
        self._add(Finding("ignored", path, message))

    def doubtful(self, path: str, message: str) -> None:
        """Something was taken over, or left out, on an assumption that a person should check."""
        self._add(Finding("doubtful", path, message))

    def to_fill_in(self, place: Path, message: str) -> None:
        """USDM does not say it and a study cannot run without it."""
        self._add(Finding("to_fill_in", path_text(place), message, place))

    def _add(self, finding: Finding) -> None:
        if finding not in self._known:  # one fact may be asked for by several parts
            self._known.add(finding)
            self.found.append(finding)


@dataclass(frozen=True, slots=True)
class ImportedProtocol:
    """The outcome of an import: `protocol_data` has the shape of a study file, without what is still to fill in."""

    protocol_data: dict[str, Any]
    findings: list[Finding]

    def of_kind(self, kind: Kind) -> list[Finding]:
        """The findings of one kind."""
        return [finding for finding in self.findings if finding.kind == kind]
