"""One open database: transactions, units of work, repeated attempts, plain errors.

    database = Database("sqlite:///candles.db")
    database.write(work)         # work(connection) in a transaction that may write; gives what work gives
    database.read(work)          # work(connection) in a transaction that sees one state and writes nothing
    with database.unit_of_work():  # what this thread writes and reads within is one transaction
        ...
    database.dialect, database.engine, database.title, database.close()

`work` must be repeatable: it runs again, on a fresh transaction, after others held the database or the
connection broke, even when COMMIT had been sent and its outcome is unknown. All writes of this package can be
repeated (keys are deterministic, rows that are there are left alone), so that is safe. Within a unit of
work nothing is repeated, since what the caller did in between cannot be; a `write` that fails there undoes
only itself.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final, TypeVar

import sqlalchemy as sa

from stratkernel.kernel.clock import Clock, SystemClock
from stratkernel.kernel.errors import StorageBusyError, StorageError
from stratkernel_database.dialects.base import Dialect
from stratkernel_database.dialects.choose import dialect_for, parse_url

BUSY_RETRIES: Final = 5
LONGEST_WAIT: Final = 30.0
"""Seconds after which nothing is tried again: each attempt may have waited for a lock itself."""
_FIRST_WAIT: Final = 0.05
_log = logging.getLogger("stratkernel.database")

T = TypeVar("T")
Work = Callable[[sa.Connection], T]


class Database:
    """An open database, to be shared by repositories and threads; nothing is connected before it is used.

    Raises:
        UsageError: the URL is none, of another database, or its driver is not installed.
    """

    def __init__(self, url: str, *, clock: Clock | None = None) -> None:
        parsed = parse_url(url)
        self.dialect: Dialect = dialect_for(parsed)
        self.title: str = self.dialect.title(parsed)
        self.engine: sa.Engine = self.dialect.create_engine(parsed)
        self.driver_errors: tuple[type[Exception], ...] = (
            sa.exc.SQLAlchemyError,
            *self.dialect.driver_errors,
        )
        self._known: tuple[type[Exception], ...] = (StorageError, *self.driver_errors)
        self._clock = clock or SystemClock()
        self._local = threading.local()

    @property
    def current(self) -> sa.Connection | None:
        """The transaction that this thread is writing in."""
        found: sa.Connection | None = getattr(self._local, "connection", None)
        return found

    def write(self, work: Work[T]) -> T:
        """Run `work` in a transaction: all that it writes is kept, or nothing.

        Raises:
            StorageError: it could not be kept. What `work` itself raises passes through.
        """
        outer = self.current
        if outer is not None:
            with self._part_of(outer):
                return work(outer)

        def attempt() -> T:
            with self._transaction() as connection:
                return work(connection)

        return self._repeated(attempt)

    def read(self, work: Work[T]) -> T:
        """Run `work`, which only reads, within the unit of work that is open, or by itself.

        Raises:
            StorageError: it could not be read. What `work` itself raises passes through.
        """
        outer = self.current
        if outer is not None:
            with self._part_of(outer, writes=False):
                return work(outer)

        def attempt() -> T:
            with self.dialect.reading(self.engine) as connection:
                return work(connection)

        return self._repeated(attempt)

    @contextmanager
    def unit_of_work(self) -> Iterator[None]:
        """Within, all that this thread writes is kept together, or nothing; one within another joins it.

        Raises:
            StorageError: the transaction could not be begun or kept.
        """
        outer = self.current
        if outer is not None:
            with self._part_of(outer):
                yield
            return
        with ExitStack() as stack:
            stack.enter_context(self.plain_errors(in_unit=True))
            self._repeated(lambda: stack.enter_context(self._transaction()))
            yield

    @contextmanager
    def _part_of(self, outer: sa.Connection, *, writes: bool = True) -> Iterator[None]:
        """Within the transaction of a unit of work; a write that fails is undone alone, if it can be."""
        with self.plain_errors(), self._ends_with_its_transaction(outer):
            if not writes:
                yield
                return
            with outer.begin_nested(), self._ends_with_its_transaction(outer):
                yield

    @contextmanager
    def _ends_with_its_transaction(self, outer: sa.Connection) -> Iterator[None]:
        """Let nothing more be done in a unit of work that the database undid, as SQLite does on a full disk.

        Whoever catches the error and goes on would otherwise store the rest of the unit alone.
        """
        try:
            yield
        except BaseException as error:
            if not outer.invalidated and not self.dialect.in_transaction(outer):
                outer.invalidate(error)
            raise

    @contextmanager
    def plain_errors(self, *, in_unit: bool = False) -> Iterator[None]:
        """Errors of the driver become `StorageError`s in plain words."""
        try:
            yield
        except sa.exc.PendingRollbackError as error:
            raise StorageError(
                f"{self.title}: an error before ended this unit of work, nothing of it was stored; "
                "repeat the whole of it"
            ) from error
        except self.driver_errors as error:
            found = self.dialect.translate(error, self.title)
            if in_unit and self.dialect.is_lost(error):
                found = StorageError(
                    f"{found}; what was written may be kept or not: write it again, nothing doubles"
                )
            raise found from error

    def close(self) -> None:
        """Let go of all connections; may be called twice."""
        self.engine.dispose()

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        with self.dialect.writing(self.engine) as connection:
            self._local.connection = connection
            try:
                yield connection
            finally:
                self._local.connection = None

    def _repeated(self, attempt: Callable[[], T]) -> T:
        busy, was_lost = 0, False
        begun = self._clock.monotonic()
        while True:
            try:
                return attempt()
            except self._known as raised:
                # a write within this one has told it in plain words already
                error = raised.__cause__ if isinstance(raised, StorageError) else raised
                if error is None or not isinstance(error, self.driver_errors):
                    raise
                found = self.dialect.translate(error, self.title)
                if self.dialect.is_lost(error) and not was_lost:
                    was_lost = True
                    self.engine.dispose()
                    _log.warning("%s: the connection was lost, once more on a new one: %s", self.title, error)
                elif (
                    isinstance(found, StorageBusyError)
                    and busy < BUSY_RETRIES
                    and self._clock.monotonic() - begun < LONGEST_WAIT
                ):
                    busy += 1
                    _log.warning("%s; attempt %d of %d", found, busy + 1, BUSY_RETRIES + 1)
                    self._clock.sleep(_FIRST_WAIT * 2**busy)
                else:
                    _log.debug("%s: rolled back", found)
                    raise found from error
