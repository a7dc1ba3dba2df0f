"""The built-in plugin `database`."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from stratkernel.kernel.markers import hookimpl

if TYPE_CHECKING:
    from stratkernel.contracts.storage import StorageBackend


@hookimpl
def stratkernel_storage_backends() -> Iterable[type["StorageBackend"]]:
    from stratkernel_database.backend import PostgresqlBackend, SqliteBackend

    return [SqliteBackend, PostgresqlBackend]
