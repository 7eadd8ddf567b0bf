"""The vault of patients' addresses: who opens it, with which key, and that no address is anywhere else."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import MetaData, delete, select, update
from sqlalchemy.exc import DBAPIError

from allocation.access.actors import SYSTEM_ACTOR, Actor
from allocation.commands.service import Act
from allocation.commands.vault import (
    AddressOfSubject,
    PatientAddress,
    SetAddressRequest,
    forget_patient_address,
    list_vault_accesses,
    read_patient_address,
    rotate_vault_key,
    set_patient_address,
)
from allocation.errors import DomainRefusal, IdempotencyConflict, NotFound, NotPermitted
from allocation.ledger.reader import iter_sealed
from allocation.ledger.replay import rebuild_projections
from allocation.ledger.schema import vault_access, vault_address
from allocation.ledger.sealing import seal_pending
from allocation.ledger.verify import verify_ledger
from tests.api.trial import PEOPLE, STUDY
from tests.commands.desk import Desk, desk_at

HOME: dict[str, Any] = {
    "recipient": "Zsuzsanna Quxley",
    "lines": ["17 Vexilla Mews", "Bell: Quxley"],
    "postcode": "QZ9 9ZQ",
    "city": "Thornaby-Zed",
    "country": "GBR",
    "phone": "+44 7700 900987",
}
WORDS = ("Quxley", "Vexilla", "QZ9 9ZQ", "Thornaby-Zed", "7700 900987")


def person(name: str) -> Actor:
    return Actor(name, name, PEOPLE[name])


COORDINATOR = person("coordinator")


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    """The key of the vault, in the environment."""
    made = Fernet.generate_key().decode()
    monkeypatch.setenv("RTSM_VAULT_KEY", made)
    monkeypatch.delenv("RTSM_VAULT_KEY_FILE", raising=False)
    return made


@pytest.fixture
def desk(database_url: str) -> Iterator[Desk]:
    """A desk with open sites, and nothing that subjects are not screened with."""
    with desk_at(database_url) as made:
        made.set_up_without_list()
        yield made


def keep(desk: Desk, who: str, actor: Actor = COORDINATOR, key: str | None = None, **other: Any) -> Any:
    address = PatientAddress.model_validate_json(json.dumps({**HOME, **other}))
    request = SetAddressRequest(subject_id=who, address=address)
    return set_patient_address(desk.service, Act(actor, key), STUDY, request)


def rows_of_all_tables(desk: Desk) -> str:
    """Every value of every table of the database, whatever tables there are."""
    found = MetaData()
    with desk.database.read() as connection:
        found.reflect(connection)
        return "\n".join(
            repr(row) for table in found.tables.values() for row in connection.execute(select(table))
        )


def test_an_address_is_read_by_its_site_alone_and_each_opening_is_recorded(desk: Desk) -> None:
    who = desk.screened()
    assert keep(desk, who) == {"subject_id": who, "replaced": False}
    assert keep(desk, who, person("pharmacist"), city="Elsewhere")["replaced"]
    keep(desk, who)
    assert read_patient_address(desk.service, COORDINATOR, STUDY, who).city == HOME["city"]
    desk.move(hours=1)
    outsiders = [name for name, grants in PEOPLE.items() if all(one.scope_key != "S01" for one in grants)]
    assert {"other.site", "sponsor", "monitor", "depot", "auditor", "statistician"} <= set(outsiders)
    for actor in (*map(person, outsiders), SYSTEM_ACTOR):
        with pytest.raises(NotPermitted):
            read_patient_address(desk.service, actor, STUDY, who)
        if actor is not SYSTEM_ACTOR:
            with pytest.raises(NotPermitted):
                keep(desk, who, actor)
    listed = list_vault_accesses(desk.service, person("auditor"), STUDY, who)
    assert [(one["act"], one["actor"], one["role"]) for one in listed] == [
        ("read", "coordinator", "site_coordinator"),
        ("write", "coordinator", "site_coordinator"),
        ("write", "pharmacist", "site_pharmacist_blinded"),
        ("write", "coordinator", "site_coordinator"),
    ]
    with pytest.raises(NotPermitted):
        list_vault_accesses(desk.service, person("other.site"), STUDY, who)
    with pytest.raises(NotFound):
        read_patient_address(desk.service, COORDINATOR, STUDY, "S01-9999")
    with pytest.raises(NotPermitted):
        read_patient_address(desk.service, person("stranger"), STUDY, "S01-9999")


def test_no_word_of_an_address_nor_a_hash_of_it_is_anywhere_in_the_database(
    desk: Desk, capfd: pytest.CaptureFixture[str]
) -> None:
    who = desk.screened()
    request = SetAddressRequest(subject_id=who, address=PatientAddress.model_validate_json(json.dumps(HOME)))
    assert not any(word in repr(request) for word in WORDS)
    set_patient_address(desk.service, Act(COORDINATOR, "k1"), STUDY, request)
    read_patient_address(desk.service, COORDINATOR, STUDY, who)
    seal_pending(desk.database)
    (entry,) = [one for one in iter_sealed(desk.database, STUDY) if one.command == "set_patient_address"]
    assert (entry.subject_id, entry.site_id, entry.after) == (who, "S01", {"replaced": False})
    # What the ledger keeps to tell a retry must not confirm a guess of the address.
    hashed = hashlib.sha256(f"set_patient_address:{request.model_dump_json()}".encode()).hexdigest()
    everything = rows_of_all_tables(desk) + "".join(capfd.readouterr())
    assert who in everything
    assert not [word for word in (*WORDS, hashed) if word in everything]
    url = desk.database.engine.url
    if url.get_backend_name() == "sqlite":
        for file in Path(str(url.database)).parent.glob("rtsm.db*"):
            assert not [word for word in WORDS if word.encode() in file.read_bytes()]


def test_a_rebuild_leaves_the_vault_alone_and_the_ledger_verifies(desk: Desk) -> None:
    who = desk.screened()
    keep(desk, who)
    before = desk.state()
    rebuild_projections(desk.database, STUDY)
    after = desk.state()
    assert {name: rows for name, rows in after.items() if name != "ledger_seal"} == {
        name: rows for name, rows in before.items() if name != "ledger_seal"
    }
    assert read_patient_address(desk.service, COORDINATOR, STUDY, who).recipient == HOME["recipient"]
    assert verify_ledger(desk.database, STUDY).intact


def test_what_is_forgotten_is_gone_and_that_it_was_there_stays_on_record(desk: Desk) -> None:
    who = desk.screened()
    keep(desk, who)
    named, manager = AddressOfSubject(subject_id=who), person("data.manager")
    with pytest.raises(DomainRefusal) as unreasoned:
        forget_patient_address(desk.service, Act(manager), STUDY, named)
    assert (unreasoned.value.code, unreasoned.value.field) == ("reason-missing", "reason")
    act = Act(manager, "f1", reason="asked for by the subject")
    first = forget_patient_address(desk.service, act, STUDY, named)
    assert forget_patient_address(desk.service, act, STUDY, named) == first
    with desk.database.read() as connection:
        assert connection.execute(select(vault_address)).all() == []
    for again in (
        lambda: read_patient_address(desk.service, COORDINATOR, STUDY, who),
        lambda: forget_patient_address(desk.service, Act(manager, reason="again"), STUDY, named),
    ):
        with pytest.raises(NotFound):
            again()
    listed = list_vault_accesses(desk.service, SYSTEM_ACTOR, STUDY, who)
    assert [one["act"] for one in listed] == ["forget", "write"]


def test_the_database_refuses_to_change_or_delete_the_record_of_accesses(desk: Desk) -> None:
    keep(desk, desk.screened())
    for statement in (update(vault_access).values(actor="nobody"), delete(vault_access)):
        with pytest.raises(DBAPIError, match="append-only"), desk.database.write() as connection:
            connection.execute(statement)


def test_a_retry_is_one_act_and_another_address_under_its_key_is_refused(desk: Desk) -> None:
    who = desk.screened()
    assert keep(desk, who, key="k1") == keep(desk, who, key="k1") == {"subject_id": who, "replaced": False}
    with pytest.raises(IdempotencyConflict):
        keep(desk, who, key="k1", city="Elsewhere")
    assert read_patient_address(desk.service, COORDINATOR, STUDY, who).city == HOME["city"]
    assert len(list_vault_accesses(desk.service, COORDINATOR, STUDY, who)) == 2


def test_a_key_is_changed_by_a_rotation_of_all_addresses_or_none(
    desk: Desk, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    who, other = desk.screened(), desk.screened()
    keep(desk, who)
    new, foreign = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    monkeypatch.setenv("RTSM_VAULT_KEY", foreign)
    keep(desk, other)
    with pytest.raises(DomainRefusal) as wrong:
        read_patient_address(desk.service, COORDINATOR, STUDY, who)
    assert (wrong.value.code, wrong.value.field) == ("vault-key-wrong", "RTSM_VAULT_KEY")
    monkeypatch.setenv("RTSM_VAULT_KEY", f"{new} {key}")
    before = rows_of_all_tables(desk)
    with pytest.raises(DomainRefusal, match=other):
        rotate_vault_key(desk.service, SYSTEM_ACTOR, STUDY)
    assert rows_of_all_tables(desk) == before
    with pytest.raises(NotPermitted):
        rotate_vault_key(desk.service, COORDINATOR, STUDY)
    monkeypatch.setenv("RTSM_VAULT_KEY", f"{new}\n{key}\n{foreign}")
    assert rotate_vault_key(desk.service, SYSTEM_ACTOR, STUDY) == 2
    monkeypatch.setenv("RTSM_VAULT_KEY", new)
    assert read_patient_address(desk.service, COORDINATOR, STUDY, who).lines == tuple(HOME["lines"])
    assert list_vault_accesses(desk.service, COORDINATOR, STUDY, other)[0]["act"] == "rotate"


def test_a_ciphertext_that_was_moved_to_another_subject_is_found_out(desk: Desk) -> None:
    who, other = desk.screened(), desk.screened()
    keep(desk, who)
    keep(desk, other)
    with desk.database.write() as connection:
        theirs = select(vault_address.c.ciphertext).where(vault_address.c.subject_id == other)
        token = connection.execute(theirs).scalar_one()
        moved = update(vault_address).where(vault_address.c.subject_id == who).values(ciphertext=token)
        connection.execute(moved)
    with pytest.raises(DomainRefusal) as mixed:
        read_patient_address(desk.service, COORDINATOR, STUDY, who)
    assert mixed.value.code == "vault-mixed-up"


@pytest.mark.parametrize(
    ("name", "value", "code", "field"),
    [
        ("RTSM_VAULT_KEY", "", "vault-key-missing", "RTSM_VAULT_KEY"),
        ("RTSM_VAULT_KEY", "secret-but-short", "vault-key-malformed", "RTSM_VAULT_KEY"),
        ("RTSM_VAULT_KEY_FILE", "no-such-file", "vault-key-missing", "RTSM_VAULT_KEY_FILE"),
    ],
)
def test_without_a_usable_key_nothing_is_kept_and_the_setting_is_named(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, name: str, value: str, code: str, field: str
) -> None:
    monkeypatch.delenv("RTSM_VAULT_KEY")
    monkeypatch.setenv(name, value)
    with desk_at(sqlite_url) as desk:
        desk.set_up_without_list()
        who = desk.screened()
        before = rows_of_all_tables(desk)
        with pytest.raises(DomainRefusal) as refused:
            keep(desk, who)
        assert (refused.value.code, refused.value.field) == (code, field)
        assert "secret-but-short" not in str(refused.value)
        assert rows_of_all_tables(desk) == before


def test_a_file_of_keys_is_read_where_the_environment_names_one(
    sqlite_url: str, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "vault-key"
    file.write_text(f"{Fernet.generate_key().decode()}\n{key}\n", encoding="ascii")
    with desk_at(sqlite_url) as desk:
        desk.set_up_without_list()
        who = desk.screened()
        keep(desk, who)
        monkeypatch.delenv("RTSM_VAULT_KEY")
        monkeypatch.setenv("RTSM_VAULT_KEY_FILE", str(file))
        assert read_patient_address(desk.service, COORDINATOR, STUDY, who).phone == HOME["phone"]
