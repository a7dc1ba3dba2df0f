"""Whether a storage back-end keeps its contract: a class of tests that its author runs on it.

    class TestMyStorage(StorageConformance):
        backend = MyBackend

        @pytest.fixture
        def storage_url(self, tmp_path):
            return f"mine:///{tmp_path}/database"

Needs pytest and hypothesis, which nothing else of stratkernel does. Each test begins with the empty
database of `storage_url`.
"""

import pytest

_PARTS = (
    *("candles", "checkpoints", "machine", "restoring", "retention", "runs", "signals", "statistics"),
    "transactions",
)
# so that a failing check shows the values that it compared
pytest.register_assert_rewrite(*(f"stratkernel.testing.storage.{part}" for part in _PARTS))

from stratkernel.testing.storage.suite import StorageConformance  # noqa: E402 - rewriting is set up first

__all__ = ["StorageConformance"]
