"""Faults between SQLAlchemy and a database: the k-th call of the driver fails, as real ones do.

    plan = FaultPlan()
    with driver_faults(plan):
        storage = ...
        plan.arm(7, disk_full)
        ...                       # the seventh call from here fails, once
        plan.disarm()

Calls are each `execute`, `executemany`, `copy` and `commit` of every connection that is made within.
"""

import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
import sqlalchemy as sa

Call = Callable[[], Any]
Fault = Callable[["FaultPlan", Any, str, Call], Any]
"""Gets the plan, the connection, the name of the call and the call itself; gives its result or raises."""


class FaultPlan:
    """Counts calls, and lets one of them fail."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self._at: int | None = None
        self._fault: Fault | None = None

    def arm(self, at: int | None = None, fault: Fault | None = None) -> None:
        """Count from here on; the call of this number, from 1, meets the fault."""
        self.calls, self._at, self._fault = [], at, fault

    def disarm(self) -> None:
        self.arm()

    @property
    def struck(self) -> bool:
        """Whether the call that was to fail has been made."""
        return self._at is not None and len(self.calls) >= self._at

    def meet(self, connection: Any, name: str, call: Call) -> Any:
        self.calls.append(name)
        if len(self.calls) == self._at and self._fault is not None:
            return self._fault(self, connection, name, call)
        return call()


@contextmanager
def driver_faults(plan: FaultPlan) -> Iterator[None]:
    """All connections that are made within answer to a plan."""

    def connect(dialect: sa.Dialect, record: Any, arguments: Any, options: Any) -> Any:
        if dialect.name == "sqlite":
            return sqlite3.connect(*arguments, factory=_sqlite_connection(plan), **options)
        options = {**options, "cursor_factory": _postgres_cursor(plan)}
        return _postgres_connection(plan).connect(*arguments, **options)

    sa.event.listen(sa.Engine, "do_connect", connect)
    try:
        yield
    finally:
        sa.event.remove(sa.Engine, "do_connect", connect)


def _sqlite_connection(plan: FaultPlan) -> type[sqlite3.Connection]:
    class Cursor(sqlite3.Cursor):
        def execute(self, *arguments: Any) -> Any:
            call = super().execute
            return plan.meet(self.connection, "execute", lambda: call(*arguments))

        def executemany(self, *arguments: Any) -> Any:
            call = super().executemany
            return plan.meet(self.connection, "executemany", lambda: call(*arguments))

    class Connection(sqlite3.Connection):
        def cursor(self, *_: Any) -> Any:  # type: ignore[override]  # no other kind is asked for
            return super().cursor(Cursor)

        def commit(self) -> None:
            plan.meet(self, "commit", super().commit)

    return Connection


def _postgres_connection(plan: FaultPlan) -> type["psycopg.Connection[Any]"]:
    class Connection(psycopg.Connection[Any]):
        def commit(self) -> None:
            plan.meet(self, "commit", super().commit)

    return Connection


def _postgres_cursor(plan: FaultPlan) -> type["psycopg.Cursor[Any]"]:
    class Cursor(psycopg.Cursor[Any]):
        def execute(self, *arguments: Any, **options: Any) -> Any:
            call = super().execute
            return plan.meet(self.connection, "execute", lambda: call(*arguments, **options))

        def executemany(self, *arguments: Any, **options: Any) -> Any:
            call = super().executemany
            return plan.meet(self.connection, "executemany", lambda: call(*arguments, **options))

        @contextmanager
        def copy(self, *arguments: Any, **options: Any) -> Iterator[Any]:
            plan.meet(self.connection, "copy", lambda: None)
            with super().copy(*arguments, **options) as copy:
                yield copy

    return Cursor


def disk_error(_: FaultPlan, connection: Any, name: str, call: Call) -> Any:
    raise _refused(connection, sqlite3.SQLITE_IOERR, "disk I/O error", psycopg.errors.IoError)


def disk_full(_: FaultPlan, connection: Any, name: str, call: Call) -> Any:
    raise _refused(connection, sqlite3.SQLITE_FULL, "database or disk is full", psycopg.errors.DiskFull)


def busy(_: FaultPlan, connection: Any, name: str, call: Call) -> Any:
    raise _refused(connection, sqlite3.SQLITE_BUSY, "database is locked", psycopg.errors.DeadlockDetected)


def lost(_: FaultPlan, connection: Any, name: str, call: Call) -> Any:
    """The server hangs up before it hears of the call."""
    connection.pgconn.finish()
    raise psycopg.OperationalError("server closed the connection unexpectedly (terminating)")


def outcome_lost(plan: FaultPlan, connection: Any, name: str, call: Call) -> Any:
    """The server hangs up after it did what was called for, before it could say so."""
    call()
    return lost(plan, connection, name, call)


def interrupt(_: FaultPlan, connection: Any, name: str, call: Call) -> Any:
    """As from the keyboard; the call is not made."""
    raise KeyboardInterrupt


def kill(_: FaultPlan, connection: Any, name: str, call: Call) -> Any:
    """This process is gone before the call."""
    os.kill(os.getpid(), signal.SIGKILL)


def kill_after(_: FaultPlan, connection: Any, name: str, call: Call) -> Any:
    """This process is gone right after the call."""
    call()
    os.kill(os.getpid(), signal.SIGKILL)


def _refused(
    connection: Any, code: int, text: str, server_error: Callable[[str], psycopg.Error]
) -> BaseException:
    """What the driver raises, with the transaction in the state in which the database leaves it."""
    if isinstance(connection, sqlite3.Connection):
        if code != sqlite3.SQLITE_BUSY:
            connection.rollback()  # SQLite gives up the whole transaction
        error = sqlite3.OperationalError(text)
        error.sqlite_errorcode = code
        return error
    with suppress(psycopg.Error):
        # within a transaction the server then refuses all but its end
        connection.pgconn.exec_(b"SELECT 1/0")
    return server_error(text)
