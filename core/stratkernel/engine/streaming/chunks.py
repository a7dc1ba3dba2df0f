"""Candles that come in chunks: what a streamed run reads."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from typing_extensions import override

from stratkernel.contracts.admission_report import AdmissionReport
from stratkernel.contracts.arrays import IntArray
from stratkernel.contracts.calendars import Calendar
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.columns import CANDLE_COLUMNS, candle_columns
from stratkernel.contracts.stored import Series
from stratkernel.contracts.timeframes import Timeframe
from stratkernel.kernel.errors import DataError, UsageError

if TYPE_CHECKING:
    from stratkernel.contracts.storage import CandleStorage

CHUNK_ROWS = 131_072
"""Candles of a chunk: large enough that work per chunk does not count, small enough for little memory."""


class CandleChunks(ABC):
    """Admitted candles of one symbol and timeframe in chunks, ordered by time; each iteration reads anew."""

    symbol: str
    timeframe: Timeframe
    calendar: Calendar
    venue: str = "local"
    omits_empty: bool = False
    rows: int | None = None
    """How many candles there are at most, where that is known."""

    @abstractmethod
    def __iter__(self) -> Iterator[Candles]:
        """The chunks, none of them empty.

        Raises:
            DataError: the candles cannot be read, or the gate refuses them.
        """

    def open_times(self) -> Iterator[IntArray]:
        """The open times of all candles, in parts."""
        for candles in self:
            yield candles.open_time

    @property
    def report(self) -> AdmissionReport | None:
        """What the gate said; complete once all chunks were read."""
        return None


class CutCandles(CandleChunks):
    """Candles that are in memory, cut into chunks of `rows`: what a streamed run is compared with."""

    def __init__(self, candles: Candles, rows: int) -> None:
        self._candles, self._chunk = candles, check_rows(rows)
        self.symbol, self.timeframe, self.calendar = candles.symbol, candles.timeframe, candles.calendar
        self.venue, self.omits_empty, self.rows = candles.venue, candles.omits_empty, len(candles)

    @override
    def __iter__(self) -> Iterator[Candles]:
        total = len(self._candles)
        for start in range(0, total, self._chunk):
            yield self._candles.slice(start, min(start + self._chunk, total))

    @property
    @override
    def report(self) -> AdmissionReport | None:
        return self._candles.report


class StoredChunks(CandleChunks):
    """A stored series.

    Raises:
        UnknownNameError: there is no such series; says which there are.
        DataError: it holds no candles.
    """

    def __init__(
        self,
        storage: "CandleStorage",
        series: Series,
        *,
        calendar: Calendar | None = None,
        rows: int = CHUNK_ROWS,
    ) -> None:
        self._storage, self._series, self._chunk = storage, series, check_rows(rows)
        first = next(iter(storage.chunks(series, rows=1)), None)
        if first is None:
            raise DataError(f"there are no candles of {series}")
        self.symbol, self.timeframe, self.venue = first.symbol, first.timeframe, first.venue
        self.omits_empty = first.omits_empty
        self.calendar = calendar or first.calendar
        self._given = calendar
        stored = storage.series(symbol=series.symbol, timeframe=series.timeframe, venue=series.venue)
        self.rows = stored[0].candles if stored else None

    @override
    def __iter__(self) -> Iterator[Candles]:
        for candles in self._storage.chunks(self._series, rows=self._chunk):
            if len(candles):
                yield candles if self._given is None else dataclasses.replace(candles, calendar=self._given)


def first_candles(chunks: CandleChunks, rows: int, origin: int | None = None) -> Candles | None:
    """The first candles from an origin on, at least so many where there are: a sample for checks."""
    parts: list[Candles] = []
    for candles in chunks:
        first = 0 if origin is None else int(np.searchsorted(candles.open_time, origin))
        if first < len(candles):
            parts.append(candles.slice(first, len(candles)))
        if sum(map(len, parts)) >= rows:
            break
    if len(parts) < 2:
        return parts[0] if parts else None
    arrays = {name: np.concatenate([part.columns[name] for part in parts]) for name in CANDLE_COLUMNS}
    close_time = np.concatenate([part.close_time for part in parts])
    open_time = np.concatenate([part.open_time for part in parts])
    return dataclasses.replace(
        parts[0], open_time=open_time, columns=candle_columns(arrays, close_time), marked=None
    )


def check_rows(rows: int) -> int:
    """A number of candles that a chunk may have. Raises `UsageError`."""
    if isinstance(rows, bool) or not isinstance(rows, int) or rows < 1:
        raise UsageError(f"chunks of {rows!r} candles: expected a whole number of 1 or more")
    return rows
