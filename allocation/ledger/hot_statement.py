"""A Core statement for the hot path: compiled once, then sent by the driver's own cursor.

`Connection.execute` looks a statement up in its cache, builds a context, a result and its metadata each time, which costs more
than the driver needs to send it and PostgreSQL to carry it out. A dispensing sends some eight statements, so this halves its time
(benchmarks/dispensing.py). Everything else goes through `Connection.execute`: it is fast enough, and knows more.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Dialect, Insert
from sqlalchemy.exc import DBAPIError

Convert = Callable[[Any], Any]

KEPT = "hot statements"
"""Where a driver's connection keeps each hot statement as compiled, with a cursor of its own. psycopg keeps how values are converted
with the cursor, for as long as it sends the same text. Every statement reads all its rows at once, so its cursor is free again.
"""


class StandIn(ABC):
    """What folds may be given in place of a connection (kit_follower.py): its `execute` takes every statement, hot ones, too."""

    @abstractmethod
    def execute(self, statement: Any, parameters: Any = None) -> Any:
        """Take a statement with its parameters; gives what stands in for the result."""


class HotStatement:
    """A select, insert or update that is always sent with the same names of parameters; one object serves both databases.

    It must be made of bound parameters (two or more) and constants only: nothing that expands at execution, such as
    `bindparam(expanding=True)`.
    """

    def __init__(self, statement: Any) -> None:
        self._statement = statement
        self._compiled: dict[str, _Compiled] = {}

    def rows(self, connection: Connection, parameters: Mapping[str, Any]) -> list[Any]:
        """Send it in the connection's transaction; gives the rows as named tuples. Raises what `Connection.execute` would."""
        if isinstance(connection, StandIn):
            return list(connection.execute(self._statement, parameters))
        compiled, cursor = self._send(connection, parameters)
        return compiled.rows(cursor.fetchall())

    def changed(self, connection: Connection, parameters: Mapping[str, Any]) -> int:
        """Send it in the connection's transaction; gives how many rows it changed. Raises what `Connection.execute` would."""
        if isinstance(connection, StandIn):
            return connection.execute(self._statement, parameters).rowcount
        _, cursor = self._send(connection, parameters)
        count: int = cursor.rowcount
        return count

    def _send(self, connection: Connection, parameters: Mapping[str, Any]) -> tuple[_Compiled, Any]:
        if not connection.in_transaction():
            connection.begin()
        kept = connection.info.setdefault(KEPT, {})
        found = kept.get(self)
        if found is None:
            found = kept[self] = (
                self._compile(connection.dialect, parameters),
                connection.connection.cursor(),
            )
        compiled, cursor = found
        values = compiled.values(parameters)
        dialect = connection.dialect
        try:
            dialect.do_execute(cursor, compiled.text, values)
        except dialect.loaded_dbapi.Error as error:
            raw: Any = connection.connection.dbapi_connection
            lost = dialect.is_disconnect(error, raw, cursor)
            if lost:
                connection.invalidate(error)
            raise DBAPIError.instance(
                compiled.text,
                values,
                error,
                dialect.loaded_dbapi.Error,
                connection_invalidated=lost,
                dialect=dialect,
            ) from error
        return compiled, cursor

    def _compile(self, dialect: Dialect, parameters: Mapping[str, Any]) -> _Compiled:
        if dialect.name not in self._compiled:
            self._compiled[dialect.name] = _Compiled(self._statement, dialect, parameters)
        return self._compiled[dialect.name]


def _row_class(names: tuple[str, ...]) -> Any:
    return namedtuple("Row", names)


class _Compiled:
    """The statement in one database's language: its text, and how values go in (by position) and come out."""

    def __init__(self, statement: Any, dialect: Dialect, parameters: Mapping[str, Any]) -> None:
        positional: Any = type(dialect)
        if dialect.paramstyle == "pyformat":
            dialect = positional(paramstyle="format")
        names = list(parameters) if isinstance(statement, Insert) else None
        compiled: Any = statement.compile(dialect=dialect, column_keys=names)
        self.text = str(compiled)
        self._constants = {name: value for name, value in compiled.params.items() if name not in parameters}
        order: list[str] = compiled.positiontup
        self._in_order: Callable[[Mapping[str, Any]], tuple[Any, ...]] = itemgetter(*order)
        into: Mapping[str, Convert] = compiled._bind_processors
        self._into = [(index, into[name]) for index, name in enumerate(order) if name in into]
        columns = compiled._result_columns
        self._row = _row_class(tuple(column.keyname for column in columns))
        self._out: list[tuple[int, Convert]] = []
        for index, column in enumerate(columns):
            convert = column.type.dialect_impl(dialect).result_processor(dialect, None)
            if convert is not None:
                self._out.append((index, convert))

    def values(self, parameters: Mapping[str, Any]) -> Sequence[Any]:
        """The parameters as the driver takes them. Raises KeyError for one that is missing."""
        values = self._in_order({**self._constants, **parameters} if self._constants else parameters)
        if not self._into:
            return values
        converted = list(values)
        for index, convert in self._into:
            converted[index] = convert(converted[index])
        return converted

    def rows(self, found: list[tuple[Any, ...]]) -> list[Any]:
        """The driver's rows as named tuples of Python values."""
        if not self._out:
            return list(map(self._row._make, found))
        rows = []
        for one in found:
            values = list(one)
            for index, convert in self._out:
                values[index] = convert(values[index])
            rows.append(self._row._make(values))
        return rows
