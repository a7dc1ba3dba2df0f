"""S1, S4: others hold the database, or take their time in it."""

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from storage_steps import OTHER, RUN, STEPS, open_url
from stratkernel import StorageBusyError
from stratkernel.testing.storage.samples import everything, made_candles


@contextmanager
def held(url: str) -> Iterator[None]:
    """Somebody else has locked all of it for writing."""
    if url.startswith("sqlite"):
        path = Path(url.removeprefix("sqlite:///").partition("?")[0])
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("ROLLBACK")
    else:
        with psycopg.connect(url) as connection:
            connection.execute("LOCK TABLE strategy_runs, strategy_signals, market_series, market_data")
            yield
            connection.rollback()


def with_short_wait(url: str) -> str:
    """The same database, for a caller that waits for others a moment only."""
    if url.startswith("sqlite"):
        return f"{url}?timeout=0.01"
    return f"{url}&options=-c%20lock_timeout%3D10ms"


def test_database_that_stays_locked_is_a_plain_error_and_nothing_is_written(
    tables_url: str, no_waiting: list[float]
) -> None:
    with open_url(tables_url) as storage, open_url(with_short_wait(tables_url)) as hasty:
        before = everything(storage)
        with held(tables_url):
            for step in STEPS[:1]:
                with pytest.raises(StorageBusyError, match="try again"):
                    step(hasty)
        assert no_waiting
        assert everything(storage) == before
        STEPS[0](hasty)
        assert len(storage.strategies.runs()) == 1


def test_write_waits_for_who_holds_the_database(tables_url: str) -> None:
    with open_url(tables_url) as storage, ThreadPoolExecutor(1) as pool:
        with held(tables_url):
            writing = pool.submit(STEPS[0], storage)
            with pytest.raises(TimeoutError):
                writing.result(0.1)
        writing.result(30)
        assert len(storage.strategies.runs()) == 1


def test_readers_do_not_wait_for_a_slow_writer(tables_url: str) -> None:
    """A write that takes as long as it likes leaves others what was there before."""
    begun, seen = threading.Event(), threading.Event()

    def write() -> None:
        with open_url(tables_url) as slow, slow.unit_of_work():
            slow.strategies.save_run(OTHER)
            slow.candles.write(made_candles(5))
            begun.set()
            assert seen.wait(30)

    with open_url(tables_url) as storage, ThreadPoolExecutor(1) as pool:
        storage.strategies.save_run(RUN)
        writing = pool.submit(write)
        assert begun.wait(30)
        assert [run.run_id for run in storage.strategies.runs()] == [RUN.run_id]
        assert storage.candles.series() == []
        seen.set()
        writing.result(30)
        assert len(storage.strategies.runs()) == 2


def test_opening_does_not_wait_for_a_slow_writer(tables_url: str) -> None:
    with open_url(tables_url) as slow, slow.unit_of_work():
        slow.strategies.save_run(RUN)
        with open_url(tables_url) as storage:
            assert storage.strategies.runs() == []
