"""The service's log: one line an event, and a defect as the places it passed through.

A log is read by people who may learn neither a password nor an arm, and values hold both: so no local variable is written, and no
message of an exception either, which may quote a row (a broken constraint) or name an arm (a rule). What is known to be without
values is: types, codes, and lines of code.
"""

from __future__ import annotations

import traceback
from types import TracebackType
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

FRAMES: Final = 40
"""The innermost frames of each exception that are written; a frame takes some 100 bytes."""

ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def service_logger(name: str) -> FilteringBoundLogger:
    """A logger that writes to standard output. It is not set up globally: no program that uses it has to remember to."""
    import structlog  # here, since commands that nothing goes wrong in do not log

    logger: FilteringBoundLogger = structlog.wrap_logger(
        None,
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(colors=False, exception_formatter=_write_exception),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(0),
        source=name,
    )
    return logger


def places(error: BaseException) -> str:
    """The exception and its causes, the first cause first: where each passed, its type and code, never its message."""
    chain: list[BaseException] = []
    one: BaseException | None = error
    while one is not None and one not in chain:
        chain.insert(0, one)
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
    return "\nwhich led to:\n".join(_one(link) for link in chain)


def _one(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
    lines = [f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
    return "\n".join(["Traceback (places only):", *lines, f"{type(error).__qualname__}{_facts(error)}"])


def _facts(error: BaseException) -> str:
    """What says more of an error than its type and holds no value: codes of ours, of the database, of the system."""
    names = ("code", "sqlstate", "sqlite_errorname", "errno")
    facts = {name: getattr(error, name, None) for name in names}
    shown = ", ".join(f"{name} {value}" for name, value in facts.items() if isinstance(value, str | int))
    return f" ({shown})" if shown else ""


def _write_exception(stream: TextIO, info: ExceptionInfo) -> None:
    stream.write("\n" + places(info[1]))
