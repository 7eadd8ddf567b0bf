"""Engines of the tests share what SQLAlchemy has compiled: each test has its own engine, and compiling was a sixth of its time."""

from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.engine import Dialect
from sqlalchemy.util import LRUCache


class SharedStatements:
    """For each kind of database, the dialect and the compiled statements that all later engines use."""

    def __init__(self) -> None:
        self._dialects: dict[type[Dialect], Dialect] = {}
        self._compiled: dict[type[Dialect], LRUCache[Any, Any]] = {}

    def share(self, patch: pytest.MonkeyPatch) -> None:
        """From now on, make engines that share."""
        make = Engine.__init__

        def make_sharing(engine: Engine, pool: Any, dialect: Dialect, *rest: Any, **options: Any) -> None:
            kind = type(dialect)
            known = self._dialects.get(kind)
            if (
                getattr(known, "server_version_info", None) is None
            ):  # none yet, or one that never met its server
                self._dialects[kind] = dialect
                make(engine, pool, dialect, *rest, **options)
                return
            make(engine, pool, known, *rest, **options)
            engine.update_execution_options(compiled_cache=self._compiled.setdefault(kind, LRUCache(5_000)))

        patch.setattr(Engine, "__init__", make_sharing)
