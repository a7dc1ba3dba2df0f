"""One strategy over candles that come in chunks: signals, trades and metrics as of a run in memory."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from stratkernel.contracts.candle_digest import CandleDigest
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.result import StrategyRun, hash_with_venue
from stratkernel.contracts.signals import SignalTable
from stratkernel.contracts.strategy import BaseStrategy
from stratkernel.contracts.timeframes import iso
from stratkernel.engine.factory import IndicatorFactory, StrategyFactory
from stratkernel.engine.gaps import GapOutcome
from stratkernel.engine.kernels.dispatch import prepare
from stratkernel.engine.run import rows_between
from stratkernel.engine.run_setup import RunOptions, describe_run, visible_candles
from stratkernel.engine.stream import StrategyStream
from stratkernel.engine.streaming.chunks import CandleChunks
from stratkernel.engine.streaming.gap_fold import GapFold, average_needed
from stratkernel.engine.streaming.performance_fold import PerformanceFold, StreamedPerformance
from stratkernel.engine.streaming.quality_fold import QualityFold
from stratkernel.engine.streaming.signal_fold import SignalCollector, SignalFold
from stratkernel.engine.streaming.span import CandleSpan
from stratkernel.engine.timeframes.plan import TimeframePlan
from stratkernel.engine.trades import Costs
from stratkernel.engine.validation import Warmth
from stratkernel.kernel.clock import Clock, SystemClock
from stratkernel.kernel.errors import DataError, UsageError
from stratkernel.kernel.manager import Kernel


@dataclass(frozen=True, eq=False)
class StreamedResult:
    """One strategy's outcome on one series that was never in memory as a whole.

    `run`, `signals`, `data_hash` and `performance` are those of a run in memory, bit for bit, and so is
    `quality` but for what it names under `left_out`. `candles` tells how many came out, and from when to
    when. The rows of `signals` and of trades count from the first that came out.
    """

    run: StrategyRun
    candles: CandleSpan
    signals: SignalTable
    data_hash: str
    performance: StreamedPerformance
    quality: Mapping[str, Any] = field(default_factory=dict)
    timings: Mapping[str, float] = field(default_factory=dict)


def stream_strategy(
    kernel: Kernel,
    strategy: BaseStrategy[Any],
    chunks: CandleChunks,
    options: RunOptions | None = None,
    costs: Costs | None = None,
    *,
    clock: Clock | None = None,
    venue_candles: Mapping[str, Candles] | None = None,
    identify: bool = True,
) -> StreamedResult:
    """Run a strategy and trade its signals over candles that are read chunk by chunk.

    Memory goes to one chunk, what indicators carry, signals, trades and days. `options.exits` leave
    positions as in `evaluate`. Hashing the candles takes about a fifth of the work; with `identify` false the
    result has no `data_hash`, and so no id of a run.

    Raises:
        UsageError: the strategy has no window (`window = None`), or reads a timeframe that cannot be made.
        PluginError: code of a plugin failed or broke its contract; names plugin and candle.
        DataError: the candles cannot be read or are bad, or none lies in the range that was asked for.
    """
    options, costs, clock = options or RunOptions(), costs or Costs(), clock or SystemClock()
    began = clock.monotonic()
    item = StrategyFactory(kernel).item(type(strategy))
    if strategy.window is None and not strategy.is_fold:
        raise UsageError(
            f"{item.title} looks back on its whole history at every candle (window = None), so it cannot be "
            "streamed; run it in memory (without --stream), or give it a window"
        )
    plan = TimeframePlan(
        chunks.timeframe,
        chunks.calendar,
        chunks.omits_empty,
        dict(options.extra_timeframes),
        dict(venue_candles or {}),
    )
    stream = StrategyStream(strategy, item, IndicatorFactory(kernel), plan)
    prepare((chunks.rows or 0) * max(1, len(stream.graph.nodes)))
    work = _Work(kernel, stream, options, costs, average_needed(chunks, options.gaps, options.origin))
    work.digest = CandleDigest() if identify else None
    for candles in chunks:
        work.advance(candles)
    return work.result(chunks, plan, lambda: clock.monotonic() - began)


class _Work:
    """All folds of a streamed run, advanced together."""

    def __init__(
        self, kernel: Kernel, stream: StrategyStream, options: RunOptions, costs: Costs, a_day: int | None
    ) -> None:
        self._kernel, self._stream, self._options = kernel, stream, options
        self._gaps = GapFold(options.gaps, a_day=a_day)
        self.digest: CandleDigest | None = None
        self._performance = PerformanceFold(costs, options.exits)
        self._quality = QualityFold(kernel)
        self._collected = SignalCollector()
        self._signals: SignalFold | None = None
        self._run: StrategyRun | None = None
        self._empty: SignalTable | None = None
        self._all = CandleSpan()
        self._folded = CandleSpan()
        self._admitted = CandleSpan()
        self._out = CandleSpan()
        self._before = 0

    def advance(self, candles: Candles) -> None:
        self._all.add(candles)
        given = candles.slice(_row_of(candles, self._options.origin, 0), len(candles))
        if not len(given):
            return
        admitted = given.slice(0, _row_of(given, self._options.end, len(given)))
        if len(admitted):
            self._admitted.add(admitted)
            if self.digest is not None:
                self.digest.update(admitted.open_time, admitted.columns)
        self._fold(self._gaps.advance(given))

    def _fold(self, outcome: GapOutcome) -> None:
        candles = outcome.candles
        if self._signals is None:
            self._run = describe_run(self._stream, candles, self._options)
            self._signals = SignalFold(self._stream, self._run)
        self._folded.add(candles)
        table = self._signals.advance(outcome)
        if self._empty is None:
            self._empty = table.select(slice(0, 0))
        first = _row_of(candles, self._options.start, 0)
        last = _row_of(candles, self._options.end, len(candles))
        if not len(self._out):
            self._before += first
        if first < last:
            trimmed = candles.slice(first, last)
            inside = rows_between(table, first, last)
            self._performance.advance(trimmed, inside)
            self._quality.advance(trimmed, inside)
            self._collected.append(inside, len(self._out))
            self._out.add(trimmed)

    def result(
        self, chunks: CandleChunks, plan: TimeframePlan, elapsed: Callable[[], float]
    ) -> StreamedResult:
        self._require_candles(chunks)
        run, fold, empty = self._run, self._signals, self._empty
        assert run is not None
        assert fold is not None
        assert empty is not None
        signals = self._collected.table(empty)
        warmth = Warmth(self._stream.warm_up, self._before, self._before + len(self._out), fold.starts)
        quality = self._quality.report(
            signals,
            warmth,
            fold.resets,
            self._gaps,
            folded=len(self._folded),
            admission=chunks.report,
            exits=bool(run.exits),
        )
        performance = self._performance.result()
        seen = visible_candles(run, plan, (self._admitted.first_open, self._admitted.last_close))
        failures = self._kernel.signals_generated(run, signals)
        return StreamedResult(
            run=run,
            candles=self._out,
            signals=signals,
            data_hash="" if self.digest is None else hash_with_venue(self.digest.hexdigest(), seen),
            performance=performance,
            quality=quality if not failures else {**quality, "observer_failures": failures},
            timings={"streaming": elapsed()},
        )

    def _require_candles(self, chunks: CandleChunks) -> None:
        """Raise as a run in memory where no candle came out."""
        if not len(self._all):
            raise DataError(f"there are no candles of {chunks.symbol}")
        if not len(self._folded):
            assert self._options.origin is not None
            raise DataError(
                f"no candle of {chunks.symbol} opens at or after the origin {iso(self._options.origin)}; "
                f"the last one opens at {iso(self._all.last_open)}"
            )
        if not len(self._out):
            raise DataError(
                f"no candle of {chunks.symbol} lies in the range asked for; there are candles from "
                f"{iso(self._folded.first_open)} to {iso(self._folded.last_open)} (open times)"
            )


def _row_of(candles: Candles, time: int | None, default: int) -> int:
    return default if time is None else int(np.searchsorted(candles.open_time, time))
