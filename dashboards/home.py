"""RTSM_HOME as the demo and the supervisor use it: where things lie, who works on it, and what the demo left in it.

demo.json     what the demo in this home is made of; `state` is "playing" until all is done
up.lock       held while `rtsm up` (or a demo) works on this home
rtsm.db, lake/, dagster/, exports/, logs/
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import make_url

from allocation.home_folder import rtsm_home
from dashboards.errors import DemoRefused, HomeInUse

MARKER = "demo.json"
LOCK = "up.lock"
FOLDERS = ("lake", "dagster", "exports", "logs")
"""What a demo makes beside its database, and may so remove."""


def database_name(url: str) -> str:
    """How a database is named to people and compared: without its password, and a file by its whole path."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        return f"sqlite:///{Path(parsed.database).absolute()}"
    return parsed.render_as_string()


@dataclass(frozen=True, slots=True)
class DemoRecord:
    """What a demo home was made of. `digest` is the SHA-256 of protocol and scenario, `days` how many days were played."""

    state: Literal["playing", "complete"]
    study_id: str
    scenario: str
    digest: str
    days: int
    database: str
    made_at: str = ""
    summary: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Home:
    """The folder that holds all that a run makes."""

    folder: Path

    @classmethod
    def here(cls) -> Home:
        """The home of this environment: RTSM_HOME, else `.rtsm` in the current folder."""
        return cls(rtsm_home().absolute())

    @property
    def sqlite_file(self) -> Path:
        """The database of a home whose environment names no other."""
        return self.folder / "rtsm.db"

    @property
    def logs(self) -> Path:
        """Log files, one a part of the running system."""
        return self.folder / "logs"

    @property
    def exports(self) -> Path:
        """Exported datasets, one folder a format."""
        return self.folder / "exports"

    @property
    def dagster(self) -> Path:
        """DAGSTER_HOME: Dagster's own records."""
        return self.folder / "dagster"

    def record(self) -> DemoRecord | None:
        """What the demo in this home is made of; None where there was none. Raises DemoRefused when it cannot be read."""
        path = self.folder / MARKER
        try:
            return DemoRecord(**json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise DemoRefused(
                f"{path} cannot be read ({error}): remove it, and the home is yours again"
            ) from error

    def write_record(self, record: DemoRecord) -> None:
        """Put the record in place in one step."""
        self.folder.mkdir(parents=True, exist_ok=True)
        unfinished = self.folder / f"{MARKER}.tmp"
        unfinished.write_text(json.dumps(asdict(record), indent=1, default=str) + "\n", encoding="utf-8")
        os.replace(unfinished, self.folder / MARKER)

    def remove_demo(self) -> None:
        """Remove what a demo made here, and nothing else; the record goes last, so that an interruption leaves a demo's home."""
        for name in FOLDERS:
            shutil.rmtree(self.folder / name, ignore_errors=True)
        for suffix in ("", "-wal", "-shm"):
            self.sqlite_file.with_name(self.sqlite_file.name + suffix).unlink(missing_ok=True)
        (self.folder / MARKER).unlink(missing_ok=True)

    @contextmanager
    def held(self, by: str) -> Iterator[None]:
        """Work on the home alone; the hold ends with the process. Raises HomeInUse, naming who has it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / LOCK
        with path.open("a+", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                lock.seek(0)
                holder = lock.read().strip() or "another process"
                raise HomeInUse(
                    f"{holder} works on {self.folder}: stop it first, or name another home with RTSM_HOME"
                ) from error
            lock.truncate(0)
            lock.write(f"{by} (process {os.getpid()})")
            lock.flush()
            yield
            lock.truncate(0)
