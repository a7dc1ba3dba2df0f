"""The main job: one strategy over one series of candles."""

import dataclasses
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from stratkernel._version import __version__
from stratkernel.contracts.arrays import IntArray
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.result import StrategyResult, StrategyRun
from stratkernel.contracts.signals import SignalFlag, SignalOrigin, Signals, SignalTable
from stratkernel.contracts.strategy import BaseStrategy
from stratkernel.contracts.timeframes import iso
from stratkernel.engine.factory import IndicatorFactory, StrategyFactory
from stratkernel.engine.gaps import GapOutcome, GapRule, after_gap_mask, apply_gaps
from stratkernel.engine.kernels.dispatch import prepare
from stratkernel.engine.stream import StrategyStream
from stratkernel.engine.validation import Warmth, quality_report
from stratkernel.kernel.clock import Clock, SystemClock
from stratkernel.kernel.errors import DataError
from stratkernel.kernel.manager import Kernel
from stratkernel.kernel.markers import PROJECT


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What a run may be told; times are open times, int64 microseconds UTC.

    `start` (inclusive) and `end` (exclusive) trim what comes out, never the fold, which begins at
    `origin`, by default the first candle.
    """

    start: int | None = None
    end: int | None = None
    origin: int | None = None
    gaps: GapRule = field(default_factory=GapRule)


def run_strategy(
    kernel: Kernel,
    strategy: BaseStrategy[Any],
    candles: Candles,
    options: RunOptions | None = None,
    *,
    clock: Clock | None = None,
) -> StrategyResult:
    """Signals of a strategy over candles, checked, flagged and with a quality report.

    Raises:
        PluginError: code of a plugin failed or broke its contract; names plugin and candle.
        DataError: no candle lies in the range that was asked for.
    """
    options, clock = options or RunOptions(), clock or SystemClock()
    began = clock.monotonic()
    given = _from_origin(candles, options.origin)
    outcome = apply_gaps(given, options.gaps)
    item = StrategyFactory(kernel).item(type(strategy))
    stream = StrategyStream(strategy, item, IndicatorFactory(kernel))
    prepare(len(outcome.candles) * max(1, len(stream.graph.nodes)))
    signals, folded = _fold(stream, outcome)
    run = _describe(stream, outcome.candles, options.gaps)
    computed = clock.monotonic()
    whole = _table(signals, folded, outcome, stream, run)
    first, last = _range(outcome.candles, options)
    trimmed, table = outcome.candles.slice(first, last), _rows_between(whole, first, last)
    quality = quality_report(kernel, trimmed, table, outcome, Warmth(stream.warm_up, first, last))
    result = StrategyResult(
        run=run,
        candles=trimmed,
        signals=table,
        admitted=given.slice(0, _row_of(given, options.end, len(given))),
        quality=quality,
        timings={"signals": computed - began, "validation": clock.monotonic() - computed},
    )
    failures = kernel.signals_generated(run, table)
    return result if not failures else _with_failures(result, failures)


def _from_origin(candles: Candles, origin: int | None) -> Candles:
    if not len(candles):
        raise DataError(f"there are no candles of {candles.symbol}")
    if origin is None:
        return candles
    first = int(np.searchsorted(candles.open_time, origin))
    if first == len(candles):
        raise DataError(
            f"no candle of {candles.symbol} opens at or after the origin {iso(origin)}; "
            f"the last one opens at {iso(int(candles.open_time[-1]))}"
        )
    return candles.slice(first, len(candles))


def _fold(stream: StrategyStream, outcome: GapOutcome) -> tuple[Signals, IntArray]:
    """Signals over all candles, and for each the number of its row since the origin or the last reset."""
    columns, total = outcome.candles.columns, len(outcome.candles)
    bounds = [0, *outcome.resets.tolist(), total]
    parts: list[Signals] = []
    since: list[IntArray] = []
    for start, stop in pairwise(bounds):
        if start:
            stream.reset()
        part = stream.advance(columns.slice(start, stop) if (start, stop) != (0, total) else columns)
        since.append(part.rows)
        part.rows = part.rows + start
        parts.append(part)
    if len(parts) == 1:
        return parts[0], since[0]
    filled = [part for part in parts if len(part)]
    return Signals.join(filled), np.concatenate(since)


def _describe(stream: StrategyStream, candles: Candles, gaps: GapRule) -> StrategyRun:
    strategy, item = stream.strategy, stream.item
    plugins = {PROJECT: __version__, item.record.distribution: item.record.version}
    plugins |= {node.item.record.distribution: node.item.record.version for node in stream.graph.nodes}
    return StrategyRun(
        strategy=item.qualified,
        strategy_name=strategy.strategy_name,
        parameters=strategy.params.model_dump(mode="json"),
        plugins=plugins,
        venue=candles.venue,
        symbol=candles.symbol,
        timeframe=candles.timeframe.name,
        origin=int(candles.open_time[0]),
        gaps=gaps.to_dict(),
    )


def _table(
    signals: Signals, folded: IntArray, outcome: GapOutcome, stream: StrategyStream, run: StrategyRun
) -> SignalTable:
    candles, rows = outcome.candles, signals.rows
    flags = _flag(folded < stream.graph.settling, SignalFlag.SETTLING)
    if len(outcome.after):
        flags |= _flag(after_gap_mask(rows, outcome.after, stream.warm_up), SignalFlag.AFTER_GAP)
    if candles.marked is not None:
        flags |= _flag(candles.marked[rows], SignalFlag.REPAIRED)
    return SignalTable(
        about=SignalOrigin(
            run.strategy,
            run.plugin_version,
            run.config_hash,
            run.venue,
            run.symbol,
            run.timeframe,
            run.origin,
        ),
        rows=rows,
        timestamp=candles.close_times_at(rows),
        types=signals.types,
        price=candles.columns.close.take(rows),
        confidence=signals.confidence,
        flags=flags,
        metadata=signals.metadata,
    )


def _flag(where: npt.NDArray[np.bool_], flag: SignalFlag) -> npt.NDArray[np.uint8]:
    return where.astype(np.uint8) * np.uint8(flag)


def _row_of(candles: Candles, time: int | None, default: int) -> int:
    return default if time is None else int(np.searchsorted(candles.open_time, time))


def _range(candles: Candles, options: RunOptions) -> tuple[int, int]:
    first, last = _row_of(candles, options.start, 0), _row_of(candles, options.end, len(candles))
    if first >= last:
        raise DataError(
            f"no candle of {candles.symbol} lies in the range asked for; there are candles from "
            f"{iso(int(candles.open_time[0]))} to {iso(int(candles.open_time[-1]))} (open times)"
        )
    return first, last


def _rows_between(table: SignalTable, first: int, last: int) -> SignalTable:
    """The signals of rows `first` to `last`, counted from `first`."""
    start, stop = np.searchsorted(table.rows, (first, last))
    inside = table if stop - start == len(table) else table.select(slice(start, stop))
    return dataclasses.replace(inside, rows=inside.rows - first) if first else inside


def _with_failures(result: StrategyResult, failures: list[str]) -> StrategyResult:
    return dataclasses.replace(result, quality={**result.quality, "observer_failures": failures})


def require_enough_candles(result: StrategyResult) -> None:
    """Refuse a result that could not have had a signal.

    Raises:
        DataError: fewer candles than the warm-up; says how many are needed.
    """
    quality = result.quality
    if not quality["evaluated"]:
        raise DataError(
            f"too few candles of {result.run.symbol} for {result.run.strategy_name}: its first signal needs "
            f"{quality['warm_up'] + 1} candles in a row, the run has {quality['folded']} and the range that "
            f"comes out {len(result.candles)}. Bring a longer history, or shorter periods"
        )
