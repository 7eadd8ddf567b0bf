"""May a subject be randomized, or be given kits, as far as the EDC is concerned?

In a unified study the EDC must have said that the subject meets every criterion, that every form required at this point is done, and
which levels the factors have that come from it. What it has not said is as good as no: the answer names everything that is missing, so
that a site mends it at once. The answer holds codes of criteria and factors and names of forms, none of which tells an arm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from allocation.errors import DomainRefusal

RULE_VERSION: Final = "edc-gate/1"

FormState = Literal["open", "complete", "validated"]
"""How far a form is in the EDC: each state includes those before it."""

_RANK: Final[dict[str, int]] = {"open": 0, "complete": 1, "validated": 2}


@dataclass(frozen=True, slots=True)
class NeededForm:
    """A form that is required at this point: `name` as people know it, the state that it needs, and that of each of its instances."""

    name: str
    needed: FormState
    states: tuple[FormState, ...]


@dataclass(frozen=True, slots=True)
class EdcGateDecision:
    """What the EDC has not said yet, or has said no to. Nothing missing: the gate is open.

    Criteria and factors by code, forms by name, each in the order in which they were asked for.
    """

    criteria_not_met: tuple[str, ...]
    criteria_unknown: tuple[str, ...]
    forms_absent: tuple[str, ...]
    forms_not_complete: tuple[str, ...]
    forms_not_validated: tuple[str, ...]
    factors_unknown: tuple[str, ...]
    rule_version: str = RULE_VERSION

    @property
    def is_open(self) -> bool:
        """True when nothing is missing."""
        return not self.missing

    @property
    def missing(self) -> tuple[str, ...]:
        """One text for each thing that is missing, such as `criterion IN02 is not met`."""
        return (
            *(f"criterion {code} is not met" for code in self.criteria_not_met),
            *(f"criterion {code} is not answered" for code in self.criteria_unknown),
            *(f"form {name} is not there" for name in self.forms_absent),
            *(f"form {name} is not complete" for name in self.forms_not_complete),
            *(f"form {name} is not validated" for name in self.forms_not_validated),
            *(f"factor {code} is not known" for code in self.factors_unknown),
        )

    def require_open(self, subject_id: str) -> None:
        """Raise DomainRefusal "edc-not-ready", which names all that is missing, unless the gate is open."""
        if self.is_open:
            return
        raise DomainRefusal(
            f"the EDC has not cleared subject {subject_id}: {', '.join(self.missing)}",
            code="edc-not-ready",
            field="subject_id",
            fix="complete this in the EDC, wait until it has been sent, and try again",
        )


def judge_edc(
    criteria: Mapping[str, Sequence[bool]],
    forms: Sequence[NeededForm],
    factors: Mapping[str, str | None],
) -> EdcGateDecision:
    """What is missing before the gate opens.

    `criteria`: code -> what each answer in the EDC says (met or not); no answer at all is unknown, and one no among several answers is no,
    since the EDC then contradicts itself. `forms`: all that are required here; of one with several instances every one counts. `factors`:
    code of each factor that comes from the EDC -> its level, None while that is unknown.
    """
    absent, not_complete, not_validated = [], [], []
    for form in forms:
        if not form.states:
            absent.append(form.name)
            continue
        worst = min(_RANK[state] for state in form.states)
        if worst < min(_RANK[form.needed], _RANK["complete"]):
            not_complete.append(form.name)
        elif worst < _RANK[form.needed]:
            not_validated.append(form.name)
    return EdcGateDecision(
        criteria_not_met=tuple(code for code, answers in criteria.items() if answers and not all(answers)),
        criteria_unknown=tuple(code for code, answers in criteria.items() if not answers),
        forms_absent=tuple(absent),
        forms_not_complete=tuple(not_complete),
        forms_not_validated=tuple(not_validated),
        factors_unknown=tuple(code for code, level in factors.items() if level is None),
    )
