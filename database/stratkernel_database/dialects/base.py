"""What a database must be able to do for the repositories."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from stratkernel.kernel.errors import StorageError, UsageError

ColumnValues: TypeAlias = "npt.NDArray[Any] | Sequence[Any]"
ArrayTypes: TypeAlias = Mapping[str, "np.dtype[Any] | type"]


class Dialect(ABC):
    """One kind of database.

    Rows travel as columns: name to array or list, all of one length; JSON as its text, None is NULL.
    """

    name: ClassVar[str]
    is_server: ClassVar[bool]
    """Whether others depend on its tables, so that it is migrated only when asked to."""
    has_partitions: ClassVar[bool] = False

    @property
    @abstractmethod
    def driver_errors(self) -> tuple[type[Exception], ...]:
        """What its driver raises, where SQLAlchemy is passed by."""

    @abstractmethod
    def title(self, url: sa.URL) -> str:
        """Names the database in messages, without passwords."""

    @abstractmethod
    def create_engine(self, url: sa.URL) -> sa.Engine:
        """An engine with pool, pragmas and transactions set up. Raises `UsageError` without its driver."""

    @abstractmethod
    def writing(self, engine: sa.Engine) -> AbstractContextManager[sa.Connection]:
        """A transaction that may write from its first statement on: committed at the end or rolled back."""

    @abstractmethod
    def reading(self, engine: sa.Engine) -> AbstractContextManager[sa.Connection]:
        """A transaction that sees one state of the database and writes nothing."""

    def in_transaction(self, connection: sa.Connection) -> bool:
        """Whether the transaction that was begun is still there; some errors make a database undo it."""
        return connection.in_transaction()

    @abstractmethod
    def lock_schema(self, connection: sa.Connection) -> None:
        """Until the transaction ends nobody else changes tables."""

    @abstractmethod
    def insert(self, connection: sa.Connection, table: sa.Table, columns: Mapping[str, ColumnValues]) -> None:
        """Insert rows of which the caller knows, by a lock, that none is there: the fastest way."""

    @abstractmethod
    def insert_new(
        self, connection: sa.Connection, table: sa.Table, columns: Mapping[str, ColumnValues]
    ) -> int:
        """Insert the rows whose primary key is not there; gives how many were new."""

    @abstractmethod
    def upsert(self, connection: sa.Connection, table: sa.Table, columns: Mapping[str, ColumnValues]) -> int:
        """Insert rows, or update those that are there and differ; gives how many were new or changed."""

    @abstractmethod
    def read_columns(
        self, connection: sa.Connection, select: sa.Select[Any], types: ArrayTypes
    ) -> dict[str, npt.NDArray[Any]]:
        """The rows of a query as arrays of these types, by the names of its columns."""

    @abstractmethod
    def stream_columns(
        self, connection: sa.Connection, select: sa.Select[Any], types: ArrayTypes, rows: int
    ) -> Iterator[dict[str, npt.NDArray[Any]]]:
        """As `read_columns`, `rows` at a time, without the whole in memory."""

    @abstractmethod
    def size(self, engine: sa.Engine) -> int:
        """Bytes that the tables of this project take; of an embedded database the whole file."""

    def reusable(self, engine: sa.Engine) -> int:
        """Bytes within `size` that rows left and later ones will take, where that is known."""
        del engine
        return 0

    @abstractmethod
    def reclaim(self, engine: sa.Engine) -> None:
        """Give space of deleted rows back."""

    def partition_signals(self, connection: sa.Connection, wanted: bool) -> bool:
        """Move signals into partitions, one a month, or back into one table; gives whether they were not so.

        Raises `UsageError` where there are none.
        """
        del connection, wanted
        raise UsageError(f"signals cannot be kept in partitions on {self.name}; on PostgreSQL they can")

    def drop_deleted(self, connection: sa.Connection) -> None:
        """Drop whole partitions of signals in which all runs are being deleted, where there are any."""
        del connection

    @abstractmethod
    def backup(self, engine: sa.Engine, target: Path) -> None:
        """Copy the database, also while it is written to. Raises `UsageError` where it cannot."""

    @abstractmethod
    def is_lost(self, error: BaseException) -> bool:
        """Whether an error means that the connection is gone, so that a fresh one may do."""

    @abstractmethod
    def translate(self, error: BaseException, title: str) -> StorageError:
        """What an error of the driver means, in plain words, with what to do."""
