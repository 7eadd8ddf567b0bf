"""What one dispensing sends to the database, recorded from the real command and sent again, bare, for another subject.

The peer thinks nothing: it takes the text of every statement and its parameters as they were recorded, puts another subject, site,
idempotency key and the first kits of the stock that it reads in their places, and commits. So the database does the whole of its
work (same statements, locks, rows, trigger, flush) with the least Python there can be: what the command is compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from allocation.commands.dispensing import dispense
from allocation.commands.service import Act, Service
from allocation.ledger.database import Database
from benchmarks.trial import Dispensing

SUBJECT, SITE, IDEMPOTENCY_KEY, KIT, ENTRY, POSITION = "subject", "site", "key", "kit", "entry", "position"

READS_STOCK = "SELECT kit.kit_number"
READS_CHAIN_HEAD = "SELECT ledger_seal.position"
WRITES_ENTRY = "INSERT INTO ledger_entry"
"""How statements begin whose results later ones need: the first column is the kit, the position, the entry's number."""


class NotAsRecorded(Exception):
    """The peer changed another number of rows than the command did, so that the two cannot be compared."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One statement with its parameters as recorded, and the `slots` in them (parameter, what stands there).

    `rows`: how many an UPDATE changed, else None. `gives`: it has a result. `positional`: the driver takes a tuple (sqlite3),
    not a dict (psycopg).
    """

    text: str
    recorded: dict[str, Any]
    slots: tuple[tuple[str, str], ...]
    rows: int | None
    gives: bool
    positional: bool

    def parameters(self, filled: Mapping[str, Any]) -> Any:
        """The parameters for another dispensing, whose subject, site, key and kits are in `filled`."""
        given = self.recorded.copy()
        for name, slot in self.slots:
            given[name] = filled[slot]
        return tuple(given.values()) if self.positional else given


@dataclass(frozen=True, slots=True)
class Script:
    """All statements of one dispensing, in order, and how many kits it hands out."""

    statements: tuple[Sent, ...]
    kits: int


Heard = tuple[str, dict[str, Any], int | None, bool, bool]
"""A statement's text, its parameters, and `rows`, `gives` and `positional` of `Sent`."""


@contextmanager
def _listening(database: Database, heard: list[Heard]) -> Iterator[None]:
    """Note every statement that goes to the driver: all go through the dialect's `do_execute`, hot ones too."""
    dialect: Any = database.engine.dialect
    send = dialect.do_execute

    def send_and_note(cursor: Any, text: str, parameters: Any, context: Any = None) -> None:
        send(cursor, text, parameters, context)
        positional = not isinstance(parameters, dict)
        named = dict(enumerate_columns(text, parameters)) if positional else dict(parameters)
        rows = cursor.rowcount if text.startswith("UPDATE") else None
        heard.append((text, named, rows, cursor.description is not None, positional))

    dialect.do_execute = send_and_note
    try:
        yield
    finally:
        del dialect.do_execute


def enumerate_columns(text: str, parameters: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """Positional parameters with a name each: the place, and the column where an INSERT names its columns."""
    columns = text.partition("(")[2].partition(")")[0].split(", ") if text.startswith("INSERT") else []
    for index, value in enumerate(parameters):
        yield f"{index}:{columns[index] if index < len(columns) else ''}", value


def record(service: Service, study_id: str, act: Act, one: Dispensing) -> Script:
    """Carry out a dispensing by the real command and give what it sent, as a script for others of its shape."""
    heard: list[Heard] = []
    with _listening(service.database, heard):
        numbers = dispense(service, act, study_id, one.request)["kit_numbers"]
    places = {one.subject_id: SUBJECT, one.site_id: SITE, act.idempotency_key: IDEMPOTENCY_KEY}
    kits = _handed_out(heard, numbers)
    places |= {number: f"{KIT}{index}" for index, number in enumerate(kits)}
    statements = []
    for text, parameters, rows, gives, positional in heard:
        slots = [(name, places[value]) for name, value in parameters.items() if _hashable(value) in places]
        if text.startswith("INSERT INTO ledger_seal"):
            slots += [(name, ENTRY) for name in parameters if name.endswith(":entry_id")]
            slots += [(name, POSITION) for name in parameters if name.endswith(":position")]
        statements.append(Sent(text, parameters, tuple(slots), rows, gives, positional))
    return Script(tuple(statements), len(kits))


def _hashable(value: Any) -> Any:
    return value if isinstance(value, str) else None


def _handed_out(heard: list[Heard], numbers: Sequence[str]) -> list[str]:
    """The kits in the order in which the statements name them. Raises NotAsRecorded when one is in no parameter."""
    seen: dict[str, None] = {}
    for _, parameters, *_ in heard:
        seen |= {value: None for value in parameters.values() if _hashable(value) in numbers}
    if sorted(seen) != sorted(numbers):
        raise NotAsRecorded(f"kits {numbers} are not all among the parameters of the recorded statements")
    if sum(text.startswith(READS_STOCK) for text, *_ in heard) != 1:
        raise NotAsRecorded("a dispensing of one kit type is expected to read the site's stock once")
    return list(seen)


def send_again(connection: Any, cursor: Any, script: Script, one: Dispensing, key: str) -> list[str]:
    """Send a script for another dispensing of its shape and commit; gives the kits. Raises NotAsRecorded."""
    filled: dict[str, Any] = {SUBJECT: one.subject_id, SITE: one.site_id, IDEMPOTENCY_KEY: key}
    kits: list[str] = []
    for sent in script.statements:
        cursor.execute(sent.text, sent.parameters(filled))
        found = cursor.fetchall() if sent.gives else ()
        if sent.rows is not None and cursor.rowcount != sent.rows:
            raise NotAsRecorded(f"{cursor.rowcount} rows instead of {sent.rows}: {sent.text}")
        if sent.text.startswith(READS_STOCK):
            kits = [row[0] for row in found[: script.kits]]
            filled.update((f"{KIT}{index}", number) for index, number in enumerate(kits))
        elif sent.text.startswith(WRITES_ENTRY):
            filled[ENTRY] = found[0][0]
        elif sent.text.startswith(READS_CHAIN_HEAD):
            filled[POSITION] = found[0][0] + 1
    connection.commit()
    return kits


def record_shapes(
    service: Service,
    set_moment: Callable[[Any], None],
    study_id: str,
    act: Callable[[Dispensing], Act],
    subjects: Sequence[Sequence[Dispensing]],
) -> dict[tuple[str, str], Script]:
    """A script for each shape of dispensing: one subject of each arm is dispensed all its visits by the real command.

    The first subject's are not kept: the service reads the protocol then, as it does once and not for each dispensing.
    """
    scripts: dict[tuple[str, str], Script] = {}
    for number, ahead in enumerate(subjects):
        if ahead[0].shape in scripts:
            continue
        for one in ahead:
            set_moment(one.moment)
            script = record(service, study_id, act(one), one)
            if number > 0:
                scripts[one.shape] = script
    return scripts
