"""Worker processes of this machine, each in a pool of its own: when one dies, the batches with it are lost and no others.

(A `ProcessPoolExecutor` of many workers gives up all of its work when one of them dies.)
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Final

_MAIN: Final = threading.Lock()


class Processes(Executor):
    """So many processes. The future of a call whose process died raises BrokenProcessPool; the next call gets a new process."""

    def __init__(self, workers: int) -> None:
        self._pools = [_pool() for _ in range(workers)]
        self._waiting = [0] * workers
        self._lock = threading.Lock()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Hand the call to the process that has the least to do."""
        with self._lock:
            place = min(range(len(self._pools)), key=lambda index: self._waiting[index])
            try:
                future = self._pools[place].submit(fn, *args, **kwargs)
            except BrokenProcessPool:
                self._pools[place].shutdown(wait=False)
                self._pools[place] = _pool()
                future = self._pools[place].submit(fn, *args, **kwargs)
            self._waiting[place] += 1
        future.add_done_callback(lambda _: self._done(place))
        return future

    def _done(self, place: int) -> None:
        with self._lock:
            self._waiting[place] -= 1

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes, after what they have begun."""
        for pool in self._pools:
            pool.shutdown(wait=wait, cancel_futures=cancel_futures)


def _pool() -> ProcessPoolExecutor:
    # Spawned, not forked: polars and numba have threads, and a fork would copy their locks.
    pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=_begin)
    with _empty_main():
        pool.submit(int)  # a pool starts its process at the first call
    return pool


@contextmanager
def _empty_main() -> Iterator[None]:
    """A `__main__` without a name or file, which multiprocessing leaves alone, while a process is started.

    Else the process would run the main module of this one first ("Safe importing of main module" in multiprocessing's documentation):
    the page, where this is Streamlit.
    """
    with _MAIN:
        main, empty = sys.modules["__main__"], ModuleType("__main__")
        sys.modules["__main__"] = empty
        try:
            yield
        finally:
            if sys.modules["__main__"] is empty:  # else Streamlit has put another page there
                sys.modules["__main__"] = main


def _begin() -> None:
    """Leave Ctrl-C to the process that started this one, and end when it does, be it killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)
