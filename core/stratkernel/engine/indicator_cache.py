"""Indicator columns that several strategies share: bounded in bytes, each computed once."""

import threading
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from typing import Final, TypeAlias

import cachetools

from stratkernel.contracts.events import Events
from stratkernel.engine.output_checks import Column
from stratkernel.kernel.errors import UsageError

NodeColumns: TypeAlias = Mapping[str, Column]
"""A node's outputs by name, checked and read-only."""

DEFAULT_BYTES: Final = 512 * 1024 * 1024
"""How much a cache keeps when nobody says: 1,000 columns of 64k candles."""

_Key: TypeAlias = tuple[Hashable, Hashable]


@dataclass(frozen=True, slots=True)
class CacheCounts:
    """What a cache did so far, and what it holds: `entries` nodes in `held_bytes` of at most `max_bytes`."""

    hits: int
    misses: int
    evictions: int
    entries: int
    held_bytes: int
    max_bytes: int

    def to_dict(self) -> dict[str, int]:
        return asdict(self)


class _CountingCache(cachetools.LRUCache[_Key, NodeColumns]):
    """Counts what goes to make room."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(maxsize=max_bytes, getsizeof=column_bytes)
        self.evictions = 0

    def popitem(self) -> tuple[_Key, NodeColumns]:
        self.evictions += 1
        return super().popitem()


class IndicatorCache:
    """Keeps the columns of indicator nodes, those used least recently go first; safe to share by threads.

    A key is (data, node): `data` names the candles (their `data_hash`, with timeframe and gap rule where
    these differ), `node` the computation (`create_indicator_key`, with the class where names may repeat).
    A node of more than `max_bytes` is computed and not kept.

    Raises:
        UsageError: `max_bytes` is negative.
    """

    def __init__(self, max_bytes: int = DEFAULT_BYTES) -> None:
        if max_bytes < 0:
            raise UsageError(f"the indicator cache holds {max_bytes} bytes; expected 0 or more")
        self._lock = threading.Lock()
        self._kept = _CountingCache(max_bytes)
        self._coming: dict[_Key, Future[NodeColumns]] = {}
        self._hits = 0
        self._misses = 0

    def get_or_compute(
        self, data: Hashable, node: Hashable, compute: Callable[[], NodeColumns]
    ) -> NodeColumns:
        """The columns of a node over some candles; threads that ask meanwhile wait for the first.

        What `compute` raises goes to all who wait and is not kept.
        """
        key = (data, node)
        with self._lock:
            found = self._kept.get(key)
            coming = self._coming.get(key)
            if found is None and coming is None:
                self._misses += 1
                mine: Future[NodeColumns] = Future()
                self._coming[key] = mine
            else:
                self._hits += 1
        if found is not None:
            return found
        return self._compute(key, mine, compute) if coming is None else coming.result()

    def clear(self) -> None:
        """Forget all columns; the counts stay."""
        with self._lock:
            self._kept.clear()

    @property
    def counts(self) -> CacheCounts:
        """Hits, misses, evictions and what is held now."""
        with self._lock:
            return CacheCounts(
                hits=self._hits,
                misses=self._misses,
                evictions=self._kept.evictions,
                entries=len(self._kept),
                held_bytes=int(self._kept.currsize),
                max_bytes=int(self._kept.maxsize),
            )

    def _compute(
        self, key: _Key, mine: Future[NodeColumns], compute: Callable[[], NodeColumns]
    ) -> NodeColumns:
        try:
            columns = compute()
        except BaseException as error:
            with self._lock:
                del self._coming[key]
            mine.set_exception(error)
            raise
        with self._lock:
            del self._coming[key]
            if column_bytes(columns) <= self._kept.maxsize:
                self._kept[key] = columns
        mine.set_result(columns)
        return columns


def column_bytes(columns: NodeColumns) -> int:
    """The memory behind a node's columns."""
    return sum(
        column.rows.nbytes + column.values.nbytes if isinstance(column, Events) else column.nbytes
        for column in columns.values()
    )
