"""Processes and threads that open the same databases at the same moment."""

import multiprocessing
import threading
from collections.abc import Callable, Sequence
from typing import Any

from made_migrations import prepared
from stratkernel_database.migrate import History

PROCESSES = 4
_LONGEST_WAIT = 120


def open_in_processes(urls: Sequence[str], history: History | None = None) -> list[str]:
    """Each of four processes opens each database, all at once; gives what went wrong."""
    spawning = multiprocessing.get_context("spawn")
    barrier, errors = spawning.Barrier(PROCESSES), spawning.SimpleQueue()
    processes = [
        spawning.Process(target=_open_each, args=(list(urls), history, barrier, errors), daemon=True)
        for _ in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    found = [f"exit code {process.exitcode}" for process in processes if process.exitcode]
    while not errors.empty():
        found.append(errors.get())
    errors.close()
    return found


def _open_each(urls: list[str], history: History | None, barrier: Any, errors: Any) -> None:
    for url in urls:
        barrier.wait(_LONGEST_WAIT)
        try:
            prepared(url, migrate=True, history=history)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test tells
            errors.put(repr(error))


def call_in_threads(calls: Sequence[Callable[[], Any]]) -> list[BaseException]:
    """Each call in a thread of its own, all at once; gives what they raised."""
    barrier, errors = threading.Barrier(len(calls)), []

    def run(call: Callable[[], Any]) -> None:
        barrier.wait(_LONGEST_WAIT)
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - as above
            errors.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors
