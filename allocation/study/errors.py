"""Errors of a study document: every problem of it at once, each with its place in the file and the fix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from allocation.errors import RTSMError


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem of a document: `path` in it (such as `visits[3].window_before`), the value there, and the fix.

    `line` and `column` count from 1; both are 0 for a document that did not come from a text.
    """

    path: str
    line: int
    column: int
    value: str
    message: str
    fix: str

    @property
    def text(self) -> str:
        """Without the place: `visits[3].window_before: three is not a whole number; write it like 3, without quotes`."""
        return f"{self.path}: {self.value} {self.message}; {self.fix}".removeprefix(": ")

    def __str__(self) -> str:
        """The same after line and column, where they are known."""
        return f"{self.line}:{self.column}: {self.text}" if self.line else self.text


class DocumentError(RTSMError):
    """A YAML document (a protocol, a scenario) cannot be used; `problems` has every reason, in the order of the file."""

    default_code = "document-invalid"

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__(f"{source} has {count}")
        self.source = source
        self.problems = tuple(problems)

    def __str__(self) -> str:
        """The count, then a line for each problem that begins with file, line and column."""
        places = [f"{self.source}:{one}" if one.line else f"{self.source}: {one}" for one in self.problems]
        return "\n".join([self.message, *places])

    def as_json(self) -> dict[str, object]:
        """The same for `--json` and for problem+json answers."""
        return {
            "source": self.source,
            "code": self.code,
            "problems": [asdict(problem) for problem in self.problems],
        }


class ProtocolError(DocumentError):
    """A study protocol cannot be used."""

    default_code = "protocol-invalid"
