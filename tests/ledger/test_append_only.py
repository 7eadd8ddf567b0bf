"""Nobody edits the ledger: the databases refuse it, and who gets round them is found out."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

import allocation.access.schema  # noqa: F401  (its tables are migrated too)
from allocation.commands.dispensing import DispenseRequest, dispense
from allocation.errors import NotFound
from allocation.ledger.database import MIGRATIONS, newest_revision
from allocation.ledger.export import export_ledger
from allocation.ledger.offline_verifier import Broken, main, verify
from allocation.ledger.protection import gaps
from allocation.ledger.reader import last_position, sealed_entries
from allocation.ledger.replay import rebuild_projections
from allocation.ledger.schema import metadata
from allocation.ledger.sealing import seal_pending
from allocation.ledger.verify import verify_ledger
from tests.api.trial import STUDY
from tests.commands.desk import ACT, Desk


def run(desk: Desk, statement: str) -> None:
    with desk.database.write() as connection:
        connection.execute(text(statement))


def force(desk: Desk, table: str, statement: str) -> None:
    """Change the ledger as somebody with all rights over the database could."""
    with desk.database.write() as connection:
        if desk.database.is_postgresql:
            connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER ALL"))
        else:
            names = connection.execute(
                text("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :table"),
                {"table": table},
            ).scalars()
            for name in list(names):
                connection.execute(text(f"DROP TRIGGER {name}"))
        connection.execute(text(statement))


@pytest.mark.parametrize("table", ["ledger_entry", "ledger_seal"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET study_id = 'X'", "DELETE FROM {}"])
def test_the_database_refuses_to_change_or_delete_what_was_written(
    desk: Desk, table: str, statement: str
) -> None:
    seal_pending(desk.database)
    with pytest.raises(DBAPIError, match="append-only"):
        run(desk, statement.format(table))


def test_postgresql_refuses_to_empty_the_ledger(desk: Desk) -> None:
    if not desk.database.is_postgresql:
        with pytest.raises(DBAPIError, match="append-only"):
            run(desk, "DELETE FROM ledger_entry")
        return
    with pytest.raises(DBAPIError, match="append-only"):
        run(desk, "TRUNCATE ledger_entry CASCADE")


def test_the_database_itself_refuses_a_kit_that_is_dispensed_past_its_last_dispense_date(desk: Desk) -> None:
    with pytest.raises(IntegrityError):
        run(
            desk,
            "UPDATE kit SET status = 'dispensed', place_kind = 'subject', place = 'X', dispensed_on = '2099-01-01' "
            "WHERE status = 'site_available'",
        )


def test_a_fresh_ledger_verifies(desk: Desk) -> None:
    who = desk.randomized()
    dispense(desk.service, ACT, STUDY, DispenseRequest(subject_id=who, visit_code="V2"))
    result = verify_ledger(desk.database, STUDY)
    assert result.intact
    assert result.entries == last_position(desk.database, STUDY)
    assert result.kits == 60


def test_a_changed_entry_is_found_by_its_position(desk: Desk) -> None:
    desk.randomized()
    seal_pending(desk.database)
    position = next(e.position for e in sealed_entries(desk.database, STUDY) if e.command == "screen")
    force(desk, "ledger_entry", "UPDATE ledger_entry SET reason = 'other' WHERE command = 'screen'")
    difference = verify_ledger(desk.database, STUDY).difference
    assert difference is not None
    assert (difference.check, difference.position) == ("content", position)


TRIGGERS = {
    "sqlite": [
        ("ledger_entry", "ledger_entry_no_update"),
        ("ledger_entry", "ledger_entry_no_delete"),
        ("ledger_seal", "ledger_seal_no_update"),
        ("ledger_seal", "ledger_seal_no_delete"),
    ],
    "postgresql": [
        ("ledger_entry", "ledger_entry_append_only"),
        ("ledger_entry", "ledger_entry_no_truncate"),
        ("ledger_entry", "ledger_entry_queue"),
        ("ledger_seal", "ledger_seal_append_only"),
        ("ledger_seal", "ledger_seal_no_truncate"),
    ],
}


def unprotected(desk: Desk) -> str:
    """What `rtsm ledger verify` says of the protection of a ledger in which nothing was changed."""
    difference = verify_ledger(desk.database, STUDY).difference
    assert difference is not None
    assert difference.check == "protection"
    return difference.message.partition(";")[0]


def test_a_ledger_without_one_of_its_triggers_is_unprotected_and_the_trigger_is_named(desk: Desk) -> None:
    missing: list[str] = []
    for table, name in TRIGGERS["postgresql" if desk.database.is_postgresql else "sqlite"]:
        run(desk, f"DROP TRIGGER {name}" + (f" ON {table}" if desk.database.is_postgresql else ""))
        missing.append(f"trigger {name} is missing")
        with desk.database.read() as connection:
            assert sorted(gaps(connection)) == sorted(missing)
    assert set(unprotected(desk).removeprefix("unprotected: ").split(", ")) == set(missing)


def test_a_trigger_that_is_switched_off_protects_nothing(desk: Desk) -> None:
    if not desk.database.is_postgresql:
        pytest.skip("SQLite cannot switch off a trigger")
    run(desk, "ALTER TABLE ledger_seal DISABLE TRIGGER ledger_seal_append_only")
    assert unprotected(desk) == "unprotected: trigger ledger_seal_append_only is switched off"


def test_a_trigger_that_lets_some_changes_pass_is_found(desk: Desk) -> None:
    if desk.database.is_postgresql:
        run(desk, "DROP TRIGGER ledger_entry_append_only ON ledger_entry")
        run(
            desk,
            "CREATE TRIGGER ledger_entry_append_only BEFORE UPDATE OR DELETE ON ledger_entry FOR EACH ROW "
            "WHEN (OLD.reason <> 'mine') EXECUTE FUNCTION refuse_change()",
        )
        assert unprotected(desk) == "unprotected: trigger ledger_entry_append_only was changed"
    else:
        run(desk, "DROP TRIGGER ledger_entry_no_update")
        run(
            desk,
            "CREATE TRIGGER ledger_entry_no_update BEFORE UPDATE OF study_id ON ledger_entry "
            "BEGIN SELECT RAISE(ABORT, 'ledger_entry is append-only: UPDATE refused'); END",
        )
        assert unprotected(desk) == "unprotected: trigger ledger_entry_no_update was changed"


def test_a_trigger_function_that_refuses_no_more_is_found(desk: Desk) -> None:
    if not desk.database.is_postgresql:
        pytest.skip("SQLite's triggers call no function")
    run(
        desk,
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
    )
    assert unprotected(desk).count("was changed") == 4


def test_the_command_that_verifies_says_what_is_unprotected_and_exits_1(
    desk: Desk, database_url: str
) -> None:
    def verified() -> tuple[int, str]:
        command = [sys.executable, "-m", "rtsm", "ledger", "verify", "--study", STUDY, "--db", database_url]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    table, name = TRIGGERS["postgresql" if desk.database.is_postgresql else "sqlite"][0]
    code, said = verified()
    assert (code, said.startswith(f"{STUDY}: intact.")) == (0, True)
    run(desk, f"DROP TRIGGER {name}" + (f" ON {table}" if desk.database.is_postgresql else ""))
    code, said = verified()
    assert (code, "intact" in said) == (1, False)
    assert f"unprotected: trigger {name} is missing" in said


def test_an_entry_taken_out_of_the_chain_is_found(desk: Desk) -> None:
    desk.randomized()
    seal_pending(desk.database)
    force(desk, "ledger_seal", "DELETE FROM ledger_seal WHERE position = 3")
    difference = verify_ledger(desk.database, STUDY).difference
    assert difference is not None
    assert (difference.check, difference.position) == ("chain", 3)


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE subject SET arm = 'ZZOTHER'", "subject S01-0001: arm"),
        ("DELETE FROM subject_visit", "subject_visit S01-0001/1/1: the row is missing"),
        ("UPDATE kit SET lot_id = 'ZZLOT3' WHERE lot_id = 'ZZLOT1'", "lot_id"),
    ],
)
def test_a_projection_that_differs_from_replay_is_found_and_named(
    desk: Desk, statement: str, named: str
) -> None:
    desk.randomized()
    run(desk, statement)
    difference = verify_ledger(desk.database, STUDY).difference
    assert difference is not None
    assert difference.check == "projection"
    assert named in difference.message
    assert difference.position is not None


def test_a_kit_that_vanished_breaks_conservation(desk: Desk) -> None:
    run(desk, "DELETE FROM kit WHERE kit_number IN (SELECT MIN(kit_number) FROM kit)")
    difference = verify_ledger(desk.database, STUDY).difference
    assert difference is not None
    assert difference.check == "conservation"
    assert difference.message == "60 kits were loaded but 59 are on the books"


def test_rebuilding_restores_the_projections_to_equality(desk: Desk) -> None:
    who = desk.randomized()
    dispense(desk.service, ACT, STUDY, DispenseRequest(subject_id=who, visit_code="V2"))
    before = desk.state()
    run(desk, "UPDATE kit SET status = 'expired' WHERE status = 'depot_available'")
    run(desk, "DELETE FROM subject_visit")
    assert not verify_ledger(desk.database, STUDY).intact
    seal_pending(desk.database)
    assert rebuild_projections(desk.database, STUDY) == last_position(desk.database, STUDY)
    after = desk.state()
    assert {k: v for k, v in after.items() if k != "ledger_seal"} == {
        k: v for k, v in before.items() if k != "ledger_seal"
    }
    assert verify_ledger(desk.database, STUDY).intact


def test_a_study_without_a_ledger_is_named(empty_desk: Desk) -> None:
    with pytest.raises(NotFound):
        verify_ledger(empty_desk.database, "NONE")


def test_an_export_is_checked_without_the_database(desk: Desk, tmp_path: Path) -> None:
    who = desk.randomized()
    dispense(desk.service, ACT, STUDY, DispenseRequest(subject_id=who, visit_code="V2"))
    file = tmp_path / "ledger.jsonl"
    entries = export_ledger(desk.database, STUDY, file)
    lines = file.read_text(encoding="utf-8").splitlines()
    assert verify(lines) == (entries, verify_ledger(desk.database, STUDY).chain_head)
    assert main([str(file)]) == 0


def test_the_offline_verifier_names_the_first_line_that_differs(desk: Desk, tmp_path: Path) -> None:
    desk.randomized()
    file = tmp_path / "ledger.jsonl"
    export_ledger(desk.database, STUDY, file)
    lines = file.read_text(encoding="utf-8").splitlines()
    changed = json.loads(lines[5]) | {"reason": "other"}
    for broken in (
        [*lines[:5], json.dumps(changed), *lines[6:]],
        [*lines[:5], *lines[6:]],
        [*lines[:5], lines[6], lines[5], *lines[7:]],
        [*lines[:5], lines[5][:40], *lines[6:]],
    ):
        with pytest.raises(Broken, match="line 6"):
            verify(broken)
    with pytest.raises(Broken, match="the file ends"):
        verify(lines[:-1])
    file.write_text("\n".join(lines[:-1]), encoding="utf-8")
    assert main([str(file)]) == 1


def test_the_migrations_make_the_tables_that_the_code_describes(desk: Desk) -> None:
    with desk.database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_the_newest_migration_by_name_is_the_only_head_of_all() -> None:
    assert ScriptDirectory(str(MIGRATIONS)).get_heads() == [newest_revision()]
