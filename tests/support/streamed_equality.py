"""A run in memory and the same one streamed, which must give the same bits."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from typing_extensions import override

from stratkernel import BaseStrategy, Candles, Kernel, Performance, StrategyResult, evaluate, run_strategy
from stratkernel.contracts.columns import CANDLE_COLUMNS, candle_columns
from stratkernel.engine.run_record import RunCourse, evaluated_record
from stratkernel.engine.run_setup import RunOptions
from stratkernel.engine.streaming.chunks import CandleChunks, CutCandles
from stratkernel.engine.streaming.run import StreamedResult, stream_strategy
from stratkernel.engine.trades import Costs
from stratkernel.kernel.clock import SystemClock


class UnevenChunks(CandleChunks):
    """Candles cut at some rows."""

    def __init__(self, candles: Candles, cuts: Sequence[int]) -> None:
        self._candles = candles
        self._bounds = sorted({0, *(cut for cut in cuts if 0 < cut < len(candles)), len(candles)})
        self.symbol, self.timeframe, self.calendar = candles.symbol, candles.timeframe, candles.calendar
        self.venue, self.omits_empty, self.rows = candles.venue, candles.omits_empty, None

    @override
    def __iter__(self) -> Iterator[Candles]:
        for start, stop in zip(self._bounds, self._bounds[1:], strict=False):
            yield self._candles.slice(start, stop)

    @property
    @override
    def report(self) -> Any:
        return self._candles.report


class InMemory:
    """A run in memory, and what a streamed one is held against it."""

    def __init__(
        self,
        kernel: Kernel,
        strategy: BaseStrategy[Any],
        candles: Candles,
        options: RunOptions | None = None,
        costs: Costs | None = None,
    ) -> None:
        self._kernel, self._strategy, self._candles = kernel, strategy, candles
        self._options, self._costs = options or RunOptions(), costs or Costs()
        self.result: StrategyResult = run_strategy(kernel, strategy, candles, self._options)
        self.performance: Performance = evaluate(
            self.result.candles, self.result.signals, self._costs, self._options.exits
        )

    def check_streamed(self, chunks: CandleChunks | int) -> StreamedResult:
        """Stream in chunks (of a size) and compare all of it, bit for bit."""
        cut = CutCandles(self._candles, chunks) if isinstance(chunks, int) else chunks
        streamed = stream_strategy(self._kernel, self._strategy, cut, self._options, self._costs)
        self.check(streamed)
        return streamed

    def check(self, streamed: StreamedResult) -> None:
        """Compare a streamed run with this one, bit for bit."""
        result, performance = self.result, self.performance
        assert streamed.run == result.run
        assert streamed.data_hash == result.data_hash
        for name in ("rows", "timestamp", "types", "price", "confidence", "flags"):
            _same(name, getattr(streamed.signals, name), getattr(result.signals, name))
        assert set(streamed.signals.metadata) == set(result.signals.metadata)
        for name, column in result.signals.metadata.items():
            _same(name, streamed.signals.metadata[name], column)
        trades, other = performance.trades, streamed.performance.trades
        for name in trades.arrays._fields:
            _same(name, getattr(other.arrays, name), getattr(trades.arrays, name))
        assert other.to_dicts() == trades.to_dicts()
        _same("gross return", other.gross_return, trades.gross_return)
        assert streamed.performance.metrics == performance.metrics
        assert streamed.performance.to_dict() == performance.to_dict()
        quality = dict(streamed.quality)
        assert quality.pop("left_out") == ["significance"]
        assert quality == dict(result.quality)
        course = RunCourse(started_at=SystemClock().utc_now())
        record = evaluated_record(result, performance, course)
        streamed_record = evaluated_record(streamed, streamed.performance, course)
        assert streamed_record.run_id == record.run_id
        assert streamed_record.span == record.span
        assert streamed_record.candles == record.candles


def _same(name: str, one: "np.ndarray[Any, Any]", other: "np.ndarray[Any, Any]") -> None:
    assert one.dtype == other.dtype, name
    assert one.shape == other.shape, name
    assert one.tobytes() == other.tobytes(), name


def only(candles: Candles, rows: "np.ndarray[Any, Any]", **more: Any) -> Candles:
    """Some rows of candles: what is left out is missing."""
    arrays = {name: candles.columns[name][rows] for name in CANDLE_COLUMNS}
    open_time = candles.open_time[rows]
    columns = candle_columns(arrays, candles.timeframe.close_of(open_time))
    return dataclasses.replace(candles, open_time=open_time, columns=columns, **more)


def gapped(candles: Candles, seed: int, gaps: int = 8) -> Candles:
    """Candles with gaps of 1 to 14, and some that are marked as repaired."""
    random = np.random.default_rng(seed)
    keep = np.ones(len(candles), dtype=bool)
    for start in random.integers(5, len(candles) - 20, gaps).tolist():
        keep[start : start + int(random.integers(1, 15))] = False
    rows = np.flatnonzero(keep)
    return only(candles, rows, marked=random.random(len(rows)) < 0.02)
