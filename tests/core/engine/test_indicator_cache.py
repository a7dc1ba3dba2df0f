import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from stratkernel.contracts.events import Events
from stratkernel.engine.indicator_cache import IndicatorCache, column_bytes
from stratkernel.kernel.errors import UsageError


def _columns(rows: int) -> dict[str, np.ndarray]:
    return {"value": np.zeros(rows)}


def _refuse() -> dict[str, np.ndarray]:
    raise AssertionError("must not be computed again")


def test_cache_asked_twice_computes_once_and_counts_both() -> None:
    cache = IndicatorCache(1_000)
    first = cache.get_or_compute("data", "node", lambda: _columns(10))
    assert cache.get_or_compute("data", "node", _refuse) is first
    assert (cache.counts.hits, cache.counts.misses, cache.counts.entries) == (1, 1, 1)
    assert cache.counts.held_bytes == 80


def test_cache_same_node_over_other_data_is_another_entry() -> None:
    cache = IndicatorCache(1_000)
    first = cache.get_or_compute("one", "node", lambda: _columns(10))
    assert cache.get_or_compute("two", "node", lambda: _columns(10)) is not first
    assert cache.counts.misses == 2


def test_cache_full_drops_what_was_used_least_recently() -> None:
    cache = IndicatorCache(240)
    for node in ("a", "b", "c"):
        cache.get_or_compute("data", node, lambda: _columns(10))
    cache.get_or_compute("data", "a", _refuse)
    cache.get_or_compute("data", "d", lambda: _columns(10))
    cache.get_or_compute("data", "a", _refuse)
    cache.get_or_compute("data", "c", _refuse)
    assert cache.counts.evictions == 1
    assert cache.counts.held_bytes == cache.counts.max_bytes == 240
    with pytest.raises(AssertionError, match="computed again"):
        cache.get_or_compute("data", "b", _refuse)


def test_cache_node_larger_than_the_cache_is_given_and_not_kept() -> None:
    cache = IndicatorCache(8)
    cache.get_or_compute("data", "small", lambda: _columns(1))
    assert len(cache.get_or_compute("data", "large", lambda: _columns(10))["value"]) == 10
    assert (cache.counts.entries, cache.counts.evictions) == (1, 0)


def test_cache_failed_computation_is_raised_and_tried_again() -> None:
    cache = IndicatorCache(1_000)
    with pytest.raises(AssertionError, match="computed again"):
        cache.get_or_compute("data", "node", _refuse)
    assert len(cache.get_or_compute("data", "node", lambda: _columns(3))["value"]) == 3


def test_cache_asked_by_many_threads_computes_once_for_all() -> None:
    cache = IndicatorCache(1_000)
    asked = threading.Barrier(4)
    calls = []

    def compute() -> dict[str, np.ndarray]:
        calls.append(1)
        return _columns(10)

    def ask(_: int) -> object:
        asked.wait(timeout=10)
        return cache.get_or_compute("data", "node", compute)

    with ThreadPoolExecutor(4) as pool:
        given = list(pool.map(ask, range(4)))
    assert len(calls) == 1
    assert all(one is given[0] for one in given)
    assert (cache.counts.hits, cache.counts.misses) == (3, 1)


def test_cache_clear_forgets_columns_and_keeps_counts() -> None:
    cache = IndicatorCache(1_000)
    cache.get_or_compute("data", "node", lambda: _columns(10))
    cache.clear()
    assert (cache.counts.entries, cache.counts.held_bytes, cache.counts.misses) == (0, 0, 1)


def test_column_bytes_of_events_counts_rows_and_values() -> None:
    events = Events(np.arange(3), np.ones(3), 100)
    assert column_bytes({"cross": events, "line": np.zeros(100)}) == 48 + 800


def test_cache_of_negative_size_is_refused() -> None:
    with pytest.raises(UsageError, match="-1 bytes; expected 0 or more"):
        IndicatorCache(-1)
