"""Reading the ledger: the events of a trial that went through the real commands, on both databases."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import polars as pl
import pytest

from allocation.ledger.database import Database
from allocation.ledger.projections import FOLDS, UNPROJECTED
from allocation.ledger.reader import iter_sealed, last_position
from pipelines.errors import UnreadableEntry
from pipelines.events.frames import EVENT_SCHEMAS, EventFrames, as_of, last_entry
from pipelines.events.reading import TRANSLATIONS, appended, read_events, translate
from tests.pipelines.small_trial import ARM_ORDER, STUDY, SmallTrial


def _same(one: EventFrames, other: EventFrames) -> bool:
    return all(one[name].equals(other[name]) for name in EVENT_SCHEMAS)


def test_every_command_that_changes_a_trial_has_a_translation() -> None:
    assert set(FOLDS) <= set(TRANSLATIONS) <= set(FOLDS) | UNPROJECTED


def test_every_sealed_entry_is_read_once_and_each_row_names_its_own(trial: SmallTrial) -> None:
    events = read_events(trial.database, STUDY)
    last = last_position(trial.database, STUDY)
    assert events["entries"]["position"].to_list() == list(range(1, last + 1))
    commands = dict(events["entries"].select("position", "command").rows())
    for name, command in (
        ("subjects", "screen"),
        ("randomizations", "randomize"),
        ("dispensings", "dispense"),
        ("eligibility", "record_eligibility"),
    ):
        assert {commands[position] for position in events[name]["position"]} == {command}
    for name, frame in events.items():
        assert frame.schema == pl.Schema(EVENT_SCHEMAS[name])
        assert frame.select("position", "line").is_unique().all()


def test_the_events_are_what_the_desks_did(played_events: EventFrames) -> None:
    events = played_events
    assert events["randomizations"].select("subject_id", "arm", "randomized_on").rows() == [
        (subject, arm, date(2026, 3, 10))
        for subject, arm in zip(("1001", "1002", "2001", "2002"), ARM_ORDER, strict=False)
    ]
    dispensed = events["dispensings"].group_by("subject_id", "visit_code", "kit_type", "dose_level").len()
    assert sorted(dispensed.rows()) == [
        ("1001", "V2", "KA", "L1", 2),
        ("1001", "V3", "KA", "L1", 2),
        ("1002", "V2", "KB", "L1", 2),
        ("1002", "V3", "KB", "L2", 2),
        ("2001", "V2", "KB", "L1", 2),
    ]
    assert events["dispensings"]["quantity"].unique().to_list() == [Decimal("17.5")]
    assert events["dispositions"].select(
        "subject_id", "status", "end_reason", "last_dose_on", "visit_code"
    ).rows() == [
        ("1003", "screen_failed", "SCREEN FAILURE", None, None),
        ("2002", "discontinued", "WITHDRAWAL BY SUBJECT", None, None),
        ("2001", "discontinued", "ADVERSE EVENT", date(2026, 3, 23), "V3"),
        ("1001", "completed", "COMPLETED", date(2026, 4, 6), "V4"),
    ]
    unscheduled = events["visits"].filter(pl.col("visit_code").is_null())
    assert unscheduled.select("subject_id", "visit_number", "name").rows() == [
        ("1001", Decimal("2.1"), "UNSCHEDULED 2.1")
    ]
    assert events["visits"].filter(pl.col("status") == "missed").select(
        "subject_id", "visit_code"
    ).rows() == [("1001", "V3T")]


def test_reading_in_steps_gives_what_reading_at_once_gives(trial: SmallTrial) -> None:
    whole = read_events(trial.database, STUDY)
    for position in (1, 7, 30, last_entry(whole)[0]):
        assert _same(read_events(trial.database, STUDY, as_of(whole, position)), whole)


def test_only_what_was_sealed_since_is_read(trial: SmallTrial, monkeypatch: pytest.MonkeyPatch) -> None:
    known = read_events(trial.database, STUDY)
    asked: list[int] = []

    def counting(database: Database, study_id: str, after: int = 0, up_to: int | None = None) -> object:
        asked.append(after)
        return iter_sealed(database, study_id, after, up_to)

    monkeypatch.setattr("pipelines.events.reading.iter_sealed", counting)
    trial.on(4, 15).unscheduled("1002", "4.1")
    trial.sealed()
    more = read_events(trial.database, STUDY, known)
    assert last_entry(more)[0] == last_entry(known)[0] + 1
    # The last known entry, to see that it is the same ledger, and those behind it.
    assert asked == [last_entry(known)[0] - 1, last_entry(known)[0]]


def test_events_of_another_ledger_are_left_aside(trial: SmallTrial) -> None:
    events = read_events(trial.database, STUDY)
    foreign = {**events, "entries": events["entries"].with_columns(pl.lit("other").alias("chain_hash"))}
    assert _same(read_events(trial.database, STUDY, foreign), events)
    ahead = {**events, "entries": events["entries"].with_columns(pl.col("position") + 1000)}
    assert _same(read_events(trial.database, STUDY, ahead), events)


def test_what_stood_at_a_position_holds_no_later_row(played_events: EventFrames) -> None:
    earlier = as_of(played_events, 20)
    assert last_entry(earlier)[0] == 20
    later = {name: frame.filter(pl.col("position") > 20) for name, frame in played_events.items()}
    assert _same(appended(earlier, later), played_events)


def test_an_unused_entry_of_the_randomization_list_is_nowhere(played_events: EventFrames) -> None:
    numbers = [f"R{(index + 1) * 7919 % 9973:04d}" for index in range(len(ARM_ORDER))]
    text = "\n".join(str(frame.rows()) for frame in played_events.values())
    assert [number in text for number in numbers] == [True] * 4 + [False] * 4


def test_an_unknown_command_stops_the_reading_and_is_named(trial: SmallTrial) -> None:
    entry = next(iter_sealed(trial.database, STUDY))
    with pytest.raises(UnreadableEntry, match=r"entry 1 .*'teleport'"):
        translate([replace(entry, command="teleport")])


def test_a_payload_that_lacks_a_field_is_named(trial: SmallTrial) -> None:
    entry = next(one for one in iter_sealed(trial.database, STUDY) if one.command == "screen")
    lacking = {name: value for name, value in entry.after.items() if name != "screened_on"}
    with pytest.raises(UnreadableEntry, match=rf"entry {entry.position} .*screen.*screened_on"):
        translate([replace(entry, after=lacking)])
