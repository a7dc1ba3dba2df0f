"""The main job: one strategy over one series of candles."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from stratkernel.contracts.candles import Candles
from stratkernel.contracts.result import StrategyResult, StrategyRun
from stratkernel.contracts.signals import SignalFlag, SignalOrigin, Signals, SignalTable
from stratkernel.contracts.strategy import BaseStrategy
from stratkernel.engine.gaps import GapOutcome, after_gap_mask
from stratkernel.engine.kernels.dispatch import prepare
from stratkernel.engine.node_cache import CachedNodes
from stratkernel.engine.run_setup import RunOptions, set_up_run
from stratkernel.engine.stream import FlagArray, StrategyStream
from stratkernel.engine.validation import Warmth, quality_report
from stratkernel.kernel.clock import Clock, SystemClock
from stratkernel.kernel.errors import DataError
from stratkernel.kernel.manager import Kernel

if TYPE_CHECKING:
    from stratkernel.engine.indicator_cache import IndicatorCache
    from stratkernel.engine.streaming.run import StreamedResult


def run_strategy(
    kernel: Kernel,
    strategy: BaseStrategy[Any],
    candles: Candles,
    options: RunOptions | None = None,
    *,
    clock: Clock | None = None,
    venue_candles: Mapping[str, Candles] | None = None,
    cache: "IndicatorCache | None" = None,
) -> StrategyResult:
    """Signals of a strategy over candles, checked, flagged and with a quality report.

    `venue_candles` are the venue's own of the higher timeframes that the options take from it. A `cache`
    spares indicators that another strategy computed over the same candles; `timings` tells how many.

    Raises:
        PluginError: code of a plugin failed or broke its contract; names plugin and candle.
        DataError: no candle lies in the range that was asked for.
        UsageError: the strategy reads a timeframe that cannot be made of the candles.
    """
    clock = clock or SystemClock()
    began = clock.monotonic()
    setup = set_up_run(kernel, strategy, candles, options, venue_candles)
    stream, outcome, run = setup.stream, setup.outcome, setup.run
    prepare(len(outcome.candles) * max(1, len(stream.graph.nodes)))
    nodes = None if cache is None else CachedNodes(cache, outcome.candles, setup.plan)
    folded = _fold(stream, outcome, nodes)
    computed = clock.monotonic()
    whole = signal_table(folded.signals, folded.flags, outcome, stream.warm_up, run)
    first, last = setup.first, setup.last
    trimmed, table = outcome.candles.slice(first, last), rows_between(whole, first, last)
    warmth = Warmth(stream.warm_up, first, last, folded.starts)
    quality = quality_report(kernel, trimmed, table, outcome, warmth, exits=bool(run.exits))
    timings = {"signals": computed - began, "validation": clock.monotonic() - computed}
    result = StrategyResult(
        run=run,
        candles=trimmed,
        signals=table,
        admitted=setup.admitted,
        quality=quality,
        timings=timings if nodes is None else {**timings, **nodes.counts},
        venue_candles=setup.venue_candles,
    )
    failures = kernel.signals_generated(run, table)
    return result if not failures else _with_failures(result, failures)


@dataclass(frozen=True, slots=True)
class _Folded:
    """Signals over all candles, their flags, and where evaluation began after the origin and each reset."""

    signals: Signals
    flags: FlagArray
    starts: tuple[int, ...]


def _fold(stream: StrategyStream, outcome: GapOutcome, nodes: CachedNodes | None) -> _Folded:
    columns, total = outcome.candles.columns, len(outcome.candles)
    bounds = [0, *outcome.resets.tolist(), total]
    parts: list[Signals] = []
    flags: list[FlagArray] = []
    starts: list[int] = []
    for start, stop in pairwise(bounds):
        if start:
            stream.reset()
        segment = columns.slice(start, stop) if (start, stop) != (0, total) else columns
        part, part_flags = stream.advance_flagged(
            segment, None if nodes is None else nodes.lookup(start, stop)
        )
        part.rows = part.rows + start
        parts.append(part)
        flags.append(part_flags)
        starts.append(stop - stream.evaluated)
    if len(parts) == 1:
        return _Folded(parts[0], flags[0], tuple(starts))
    joined = Signals.join([part for part in parts if len(part)])
    return _Folded(joined, np.concatenate(flags), tuple(starts))


def signal_table(
    signals: Signals, flags: FlagArray, outcome: GapOutcome, warm_up: int, run: StrategyRun
) -> SignalTable:
    """Signals with what their candles say: time, price, gaps and repairs; `flags` is added to."""
    candles, rows = outcome.candles, signals.rows
    if len(outcome.after):
        flags |= _flag(after_gap_mask(rows, outcome.after, warm_up), SignalFlag.AFTER_GAP)
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


def rows_between(table: SignalTable, first: int, last: int) -> SignalTable:
    """The signals of rows `first` to `last`, counted from `first`."""
    start, stop = np.searchsorted(table.rows, (first, last))
    inside = table if stop - start == len(table) else table.select(slice(start, stop))
    return dataclasses.replace(inside, rows=inside.rows - first) if first else inside


def _with_failures(result: StrategyResult, failures: list[str]) -> StrategyResult:
    return dataclasses.replace(result, quality={**result.quality, "observer_failures": failures})


def require_enough_candles(result: "StrategyResult | StreamedResult") -> None:
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
