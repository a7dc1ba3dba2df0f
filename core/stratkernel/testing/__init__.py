"""The plugin authors' kit: made candles, fake distributions, a storage in memory, checks.

`stratkernel.testing.storage` has the contract of storage back-ends as tests; it needs pytest and hypothesis.
"""

from stratkernel.testing.candles import candles_from_close, random_walk
from stratkernel.testing.determinism import check_deterministic
from stratkernel.testing.distributions import fake_distribution
from stratkernel.testing.memory_storage import MemoryBackend, MemoryStorage

__all__ = [
    "MemoryBackend",
    "MemoryStorage",
    "candles_from_close",
    "check_deterministic",
    "fake_distribution",
    "random_walk",
]
