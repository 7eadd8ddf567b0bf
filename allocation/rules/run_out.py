"""Rule F: on which day a site is projected to run out of a kit type, and whether that is near enough for an alarm. An alert, no order.

    expected demand until day d = kits due to the subjects that count until d
                                + those of screened subjects, each weighted by (1 - screen-failure rate) and by its arm's share
    run-out date                = the first day on which the expected demand is more than the site's inventory (SAI)
    alarm                       = the run-out date is within `alarm_days` days from today

Who is assessed eligible already is weighted by the arm's share alone. What is due today or overdue counts on the first day, as in
resupply.py. Kits that expire before they are used are not taken off. Source: field note resupply.md, rule F.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np

from allocation.errors import InvalidParameter, RuleError
from allocation.rules.compilable import IntArray, compilable
from allocation.rules.draws import FloatArray

RULE_VERSION: Final = "run-out/1"

NO_RUN_OUT: Final = -1
"""Not within the horizon."""
HORIZON_DAYS: Final = 730
"""How far ahead a run-out is looked for."""
_ROUNDING: Final = 1e-9
"""Two thirds and one third of a kit are one kit, whatever their floats sum to."""


@compilable
def run_out_offset(
    sai: int, due_offsets: IntArray, quantities: IntArray, weights: FloatArray, horizon: int
) -> int:
    """Return the first day (1 to `horizon`, days from today) on which the expected demand exceeds `sai`, or NO_RUN_OUT.

    Visit i needs `quantities[i]` kits in `due_offsets[i]` days with the chance `weights[i]`.
    """
    needed = np.zeros(horizon + 1)
    for i in range(len(due_offsets)):
        day = max(due_offsets[i], 1)
        if day <= horizon:
            needed[day] += quantities[i] * weights[i]
    expected = 0.0
    for day in range(1, horizon + 1):
        expected += needed[day]
        if expected > sai + _ROUNDING:
            return day
    return NO_RUN_OUT


@dataclass(frozen=True, slots=True)
class ExpectedVisit:
    """Kits of the type that one subject may receive in `due_offset` days, with the chance `weight`: 1 for a randomized one."""

    subject: str
    due_offset: int
    quantity: int
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class RunOutDecision:
    """The record of one projection. `run_out_on` is the site's date, None when it is not within the horizon of two years."""

    rule_version: str
    kit_type: str
    today: date
    sai: int
    run_out_on: date | None
    alarm_days: int
    alarm: bool


def project_run_out(
    kit_type: str, sai: int, visits: Sequence[ExpectedVisit], today: date, alarm_days: int
) -> RunOutDecision:
    """Project the run-out of one kit type at one site from `today` (the site's date); `alarm_days` 0 raises no alarm.

    Raises RuleError for a negative inventory, InvalidParameter for a weight outside 0 to 1 or negative days.
    """
    if sai < 0:
        raise RuleError(f"inventory {sai} must be 0 or more", field="sai")
    if alarm_days < 0:
        raise InvalidParameter(f"must be 0 or more, not {alarm_days}", field="run_out_alarm_days")
    for visit in visits:
        if not 0 <= visit.weight <= 1:
            raise InvalidParameter(
                f"subject {visit.subject} has weight {visit.weight}",
                field="screen_failure_rate",
                fix="give a rate from 0 to 1",
            )
    offset = int(
        run_out_offset(
            sai,
            np.array([visit.due_offset for visit in visits], dtype=np.int64),
            np.array([visit.quantity for visit in visits], dtype=np.int64),
            np.array([visit.weight for visit in visits], dtype=np.float64),
            HORIZON_DAYS,
        )
    )
    ends = offset != NO_RUN_OUT
    return RunOutDecision(
        rule_version=RULE_VERSION,
        kit_type=kit_type,
        today=today,
        sai=sai,
        run_out_on=today + timedelta(days=offset) if ends else None,
        alarm_days=alarm_days,
        alarm=ends and offset <= alarm_days,
    )
