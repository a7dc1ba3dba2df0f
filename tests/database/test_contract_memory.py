"""The storage in memory keeps the contract that it is the measure of."""

import uuid

import pytest

from stratkernel import UsageError
from stratkernel.testing import MemoryBackend
from stratkernel.testing.storage import StorageConformance


class TestMemoryStorage(StorageConformance):
    backend = MemoryBackend

    @pytest.fixture
    def storage_url(self) -> str:
        return f"memory://{uuid.uuid4()}"


def test_storage_in_memory_without_a_name_is_a_new_one() -> None:
    assert MemoryBackend.open("memory://") is not MemoryBackend.open("memory://")


def test_storage_in_memory_of_another_scheme_is_refused() -> None:
    with pytest.raises(UsageError, match="expected memory://"):
        MemoryBackend.open("sqlite:///x")
