"""Resupply settings in the words of other systems, as our parameters: the same inputs must give the orders of the source system.

Each vocabulary has its own boundary conventions. `need(a, b)` are the kits due in the days after day a through day b from the run day
(day 0), visits that are overdue or due on the day itself counted at once; `inventory` is usable stock plus stock on its way.

| vocabulary | order when | up to |
|---|---|---|
| trigger_weeks, predictive | inventory < need in trigger weeks + MinB | need in resupply weeks from today + MaxB |
| trigger_weeks, buffer (no weeks) | inventory <= MinB | MaxB |
| windows | inventory < floor + need in the short window | ceiling + need in short window + need in the long window after it |
| check_range | inventory <= trigger buffer + need in the check range | ceiling buffer + need in the maximum range from today |

Sources (read as public pages, 2026): Oracle IRT Cloud user guide, "Flowchart: Resupply configuration" ("not sufficient to cover") and
"Resupply Setting page"; Oracle Clinical One, "Create a min/max resupply strategy" ("reaches the number specified"); 4C Supply,
"Resupply Thresholds" (ceiling: demand in the short window plus demand in the long window) and "Supply Configuration" ("Below floor");
EDETEK IWRS, "Supply plan" ("lower than or equal to the trigger buffer") and "Configure predictive supply window" (minimum and maximum
days from the current date). No public manual was found that says "check range"; the last two pages describe such a range in other words.
Manuals contradict each other (Clinical One's page on the predictive strategy says both "greater than" and "equal or less"), so a file may
state trigger and start of the long window line by line, and what was taken by convention is listed as a doubt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from allocation.errors import InvalidParameter
from allocation.rules import resupply as rule
from allocation.rules.orders import check_blinding_gap

DAYS_A_WEEK: Final = 7


class Vocabulary(StrEnum):
    """The words that a file of settings uses."""

    TRIGGER_WEEKS = "trigger_weeks"
    WINDOWS = "windows"
    CHECK_RANGE = "check_range"


@dataclass(frozen=True, slots=True)
class Words:
    """What a vocabulary calls each parameter: the columns of its files. A window is `days_a_unit` days a unit."""

    short_window: str
    long_window: str
    min_buffer: str
    max_buffer: str
    seed_quantity: str
    days_a_unit: int
    trigger: rule.Trigger
    trigger_of_buffers: rule.Trigger
    long_window_from: rule.LongWindowFrom

    @property
    def quantities(self) -> tuple[str, ...]:
        """The columns that hold whole numbers and that every file has."""
        return (self.short_window, self.long_window, self.min_buffer, self.max_buffer)


WORDS: Final[Mapping[Vocabulary, Words]] = {
    Vocabulary.TRIGGER_WEEKS: Words(
        "trigger_weeks",
        "resupply_weeks",
        "min_b",
        "max_b",
        "initial_quantity",
        DAYS_A_WEEK,
        rule.Trigger.BELOW,
        rule.Trigger.AT,
        rule.LongWindowFrom.TODAY,
    ),
    Vocabulary.WINDOWS: Words(
        "short_window",
        "long_window",
        "floor",
        "ceiling",
        "initial_shipment",
        1,
        rule.Trigger.BELOW,
        rule.Trigger.BELOW,
        rule.LongWindowFrom.END_OF_SHORT_WINDOW,
    ),
    Vocabulary.CHECK_RANGE: Words(
        "check_range",
        "maximum_range",
        "trigger_buffer",
        "ceiling_buffer",
        "initial_stock",
        1,
        rule.Trigger.AT,
        rule.Trigger.AT,
        rule.LongWindowFrom.TODAY,
    ),
}

TRIGGER_WORDS: Final[Mapping[str, rule.Trigger]] = {
    "at": rule.Trigger.AT,
    "at floor": rule.Trigger.AT,
    "at value": rule.Trigger.AT,
    "below": rule.Trigger.BELOW,
    "below floor": rule.Trigger.BELOW,
    "below value": rule.Trigger.BELOW,
}
"""How systems write the option: `Below floor`, `At value`; upper and lower case count as one."""

START_WORDS: Final[Mapping[str, rule.LongWindowFrom]] = {one.value: one for one in rule.LongWindowFrom}


@dataclass(frozen=True, slots=True)
class Doubt:
    """What was mapped although the source may mean something else: the column (empty: the whole line) and what to check."""

    column: str
    message: str


@dataclass(frozen=True, slots=True)
class MappedSettings:
    """One line as our parameters (checked by the rule itself), the first shipment where it is given, and what is doubtful."""

    parameters: rule.ResupplyParameters
    seed_quantity: int | None
    doubts: tuple[Doubt, ...]


def map_settings(
    vocabulary: Vocabulary,
    values: Mapping[str, int | None],
    trigger: rule.Trigger | None = None,
    long_window_from: rule.LongWindowFrom | None = None,
) -> MappedSettings:
    """Map one line of settings. `values` by the vocabulary's columns, None where a cell is empty; windows in its own unit.

    No windows: stock is kept by the buffers alone; no buffers: by predicted demand alone. `trigger` and `long_window_from` are what
    the source is known to do, in place of the vocabulary's convention. Raises InvalidParameter naming the column.
    """
    words = WORDS[vocabulary]
    doubts: list[Doubt] = []
    short, long = _windows(vocabulary, words, values, doubts)
    predicts = short + long > 0
    low, high = _buffers(words, values, doubts, predicts=predicts)
    convention = words.trigger if predicts else words.trigger_of_buffers
    starts = long_window_from or words.long_window_from
    if vocabulary == Vocabulary.TRIGGER_WEEKS and trigger is None:
        doubts.append(Doubt("trigger", _trigger_doubt(words, convention, predicts=predicts)))
    elif vocabulary == Vocabulary.WINDOWS and long_window_from is None and predicts:
        doubts.append(Doubt("long_window_from", _WINDOW_DOUBT))
    elif vocabulary == Vocabulary.CHECK_RANGE and (
        trigger is None or (long_window_from is None and predicts)
    ):
        doubts.append(Doubt(words.short_window, _CHECK_RANGE_DOUBT))
    try:
        parameters = rule.ResupplyParameters(short, long, low, high, trigger or convention, starts)
    except InvalidParameter as refused:
        raise _in_their_words(refused, words, values) from None
    seed = values.get(words.seed_quantity)
    _doubt_result(words, parameters, seed, doubts)
    return MappedSettings(parameters, seed, tuple(doubts))


def _windows(
    vocabulary: Vocabulary, words: Words, values: Mapping[str, int | None], doubts: list[Doubt]
) -> tuple[int, int]:
    """Short and long window in days."""
    short, long = values[words.short_window], values[words.long_window]
    if short is None and long is None:
        return 0, 0
    if long is None and vocabulary == Vocabulary.CHECK_RANGE:
        doubts.append(
            Doubt(words.long_window, f"is empty: the {words.short_window} of {short} days was taken for both")
        )
        long = short
    for column, value in ((words.short_window, short), (words.long_window, long)):
        if value is None:
            raise InvalidParameter(
                "is empty, and the other window is given",
                field=column,
                fix="give both, or neither for settings by buffers alone",
            )
    return (short or 0) * words.days_a_unit, (long or 0) * words.days_a_unit


def _buffers(
    words: Words, values: Mapping[str, int | None], doubts: list[Doubt], *, predicts: bool
) -> tuple[int, int]:
    """Min and max buffer in kits."""
    low, high = values[words.min_buffer], values[words.max_buffer]
    for column, value in ((words.min_buffer, low), (words.max_buffer, high)):
        if value is None and not predicts:
            raise InvalidParameter(
                "is empty, and so are the windows: nothing would ever be ordered",
                field=column,
                fix="give both buffers, or both windows",
            )
        if value is None:
            doubts.append(
                Doubt(
                    column, "is empty and was taken as 0; a source that computes it itself has other orders"
                )
            )
    return low or 0, high or 0


def _trigger_doubt(words: Words, taken: rule.Trigger, *, predicts: bool) -> str:
    kind = "with weeks" if predicts else "by buffers alone"
    return (
        f"a line {kind} was taken to order {_TRIGGER_TEXT[taken]} its level; manuals of systems with {words.short_window} "
        "contradict each other here: compare one order, and state at or below in a column trigger"
    )


_WINDOW_DOUBT: Final = (
    "the long window was taken to begin where the short one ends; some systems count it from today: compare one order, and state "
    "today or end_of_short_window in a column long_window_from"
)
_CHECK_RANGE_DOUBT: Final = (
    "orders were taken to be made at or below the level, and both ranges to begin today; few systems publish this: compare one order, "
    "and state the columns trigger and long_window_from"
)
_TRIGGER_TEXT: Final = {rule.Trigger.AT: "at or below", rule.Trigger.BELOW: "only below"}


def _in_their_words(
    refused: InvalidParameter, words: Words, values: Mapping[str, int | None]
) -> InvalidParameter:
    """The rule's refusal, in the columns of the file."""
    column = str(getattr(words, refused.field or "", refused.field))
    other = {words.max_buffer: words.min_buffer, words.long_window: words.short_window}.get(column)
    if other is None or (values[column] or 0) < 0:
        return InvalidParameter(
            f"{values[column]} is below 0", field=column, fix="give a whole number from 0"
        )
    fix = f"make it at least {words.short_window if column == words.long_window else words.min_buffer}"
    return InvalidParameter(
        f"{values[column] or 0} is less than {other} {values[other] or 0}", field=column, fix=fix
    )


def _doubt_result(
    words: Words, parameters: rule.ResupplyParameters, seed: int | None, doubts: list[Doubt]
) -> None:
    try:
        check_blinding_gap(parameters.min_buffer, parameters.max_buffer)
    except InvalidParameter:
        doubts.append(
            Doubt(
                words.max_buffer,
                f"is less than 2 above {words.min_buffer}: in a blinded study orders would show the arm",
            )
        )
    if seed is not None and seed < parameters.min_buffer + (parameters.trigger == rule.Trigger.AT):
        doubts.append(
            Doubt(
                words.seed_quantity,
                "does not reach over the trigger: a second shipment follows the first at once",
            )
        )
