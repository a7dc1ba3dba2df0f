"""SQLite keeps the contract of storages."""

import pytest

from stratkernel.testing.storage import StorageConformance
from stratkernel_database.backend import SqliteBackend


class TestSqliteStorage(StorageConformance):
    backend = SqliteBackend

    @pytest.fixture
    def storage_url(self, sqlite_url: str) -> str:
        return sqlite_url
