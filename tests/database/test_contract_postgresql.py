"""PostgreSQL keeps the contract of storages."""

import pytest

from stratkernel.testing.storage import StorageConformance
from stratkernel_database.backend import PostgresqlBackend

pytestmark = pytest.mark.postgresql


class TestPostgresqlStorage(StorageConformance):
    backend = PostgresqlBackend

    @pytest.fixture
    def storage_url(self, postgresql_url: str) -> str:
        return postgresql_url
