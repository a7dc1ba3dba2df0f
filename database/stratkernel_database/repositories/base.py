"""What all repositories share: a database, transactions around what they do, and their log."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final, TypeVar

import sqlalchemy as sa

from stratkernel_database.connection import Database
from stratkernel_database.dialects.base import Dialect

log: Final = logging.getLogger("stratkernel.database")

T = TypeVar("T")


class BaseRepository:
    """Reads and writes in transactions of its database; `Database` says what is repeated and translated."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def _dialect(self) -> Dialect:
        return self._database.dialect

    def _write(self, work: Callable[[sa.Connection], T]) -> T:
        """`work` in a transaction of its own, or as part of the unit of work that is open."""
        return self._database.write(work)

    def _read(self, work: Callable[[sa.Connection], T]) -> T:
        """`work`, which only reads, on one state of the database."""
        return self._database.read(work)

    def unit_of_work(self) -> AbstractContextManager[None]:
        """Within, all writes of this thread are kept together, or none."""
        return self._database.unit_of_work()
