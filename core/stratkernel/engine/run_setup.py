"""What is known of a run before its first candle is folded: what runs, over which candles, under which id."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from stratkernel._version import __version__
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.result import StrategyRun, hash_of_data
from stratkernel.contracts.strategy import BaseStrategy
from stratkernel.contracts.timeframes import iso
from stratkernel.engine.exits import NO_EXITS, ExitRules
from stratkernel.engine.factory import IndicatorFactory, StrategyFactory
from stratkernel.engine.gaps import GapOutcome, GapRule, apply_gaps
from stratkernel.engine.stream import StrategyStream
from stratkernel.engine.timeframes.plan import VENUE, TimeframePlan
from stratkernel.kernel.errors import DataError
from stratkernel.kernel.manager import Kernel
from stratkernel.kernel.markers import PROJECT


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What a run may be told; times are open times, int64 microseconds UTC.

    `start` (inclusive) and `end` (exclusive) trim what comes out, never the fold, which begins at
    `origin`, by default the first candle. `extra_timeframes` says of higher timeframes whether they are
    "resampled" from the candles, as all are that it does not name, or the "venue"'s own. `exits` are part
    of what makes the ids of signals, and change no signal: positions are the trade simulator's matter.
    """

    start: int | None = None
    end: int | None = None
    origin: int | None = None
    gaps: GapRule = field(default_factory=GapRule)
    extra_timeframes: Mapping[str, str] = field(default_factory=dict)
    exits: ExitRules = NO_EXITS


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """What runs, over which data, and the span that comes out: with the costs, all that decides a run."""

    run: StrategyRun
    data_hash: str
    span: tuple[int, int]


@dataclass(frozen=True)
class RunSetup:
    """A run that is ready: `given` are the candles from the origin on, `outcome` those with gaps treated.

    `first` and `last` bound the rows of `outcome` that come out.
    """

    given: Candles
    outcome: GapOutcome
    plan: TimeframePlan
    stream: StrategyStream
    run: StrategyRun
    first: int
    last: int
    end: int | None

    @cached_property
    def admitted(self) -> Candles:
        """The candles that decide the signals: from the origin to the end of what comes out."""
        return self.given.slice(0, _row_of(self.given, self.end, len(self.given)))

    @cached_property
    def venue_candles(self) -> dict[str, Candles]:
        """The venue's own candles that could be seen: from the origin on, closed by the last admitted one."""
        admitted = self.admitted
        span = int(admitted.open_time[0]), int(admitted.close_time[-1])
        return visible_candles(self.run, self.plan, span)

    @cached_property
    def data_hash(self) -> str:
        """That of the result."""
        return hash_of_data(self.admitted, self.venue_candles)

    @property
    def identity(self) -> RunIdentity:
        """What is left to know of the run when the candles are let go of."""
        return RunIdentity(self.run, self.data_hash, self.span)

    @property
    def span(self) -> tuple[int, int]:
        """Open time of the first candle that comes out and close time of the last, microseconds UTC."""
        candles = self.outcome.candles
        return int(candles.open_time[self.first]), int(candles.close_time[self.last - 1])


def set_up_run(
    kernel: Kernel,
    strategy: BaseStrategy[Any],
    candles: Candles,
    options: RunOptions | None = None,
    venue_candles: Mapping[str, Candles] | None = None,
) -> RunSetup:
    """Make a run ready; raises as `run_strategy` does."""
    options = options or RunOptions()
    given = _from_origin(candles, options.origin)
    outcome = apply_gaps(given, options.gaps)
    item = StrategyFactory(kernel).item(type(strategy))
    plan = TimeframePlan.of(candles, options.extra_timeframes, venue_candles)
    stream = StrategyStream(strategy, item, IndicatorFactory(kernel), plan)
    run = describe_run(stream, outcome.candles, options)
    first, last = _range(outcome.candles, options)
    return RunSetup(given, outcome, plan, stream, run, first, last, options.end)


def visible_candles(run: StrategyRun, plan: TimeframePlan, span: tuple[int, int]) -> dict[str, Candles]:
    """The venue's own candles of each higher timeframe that a run takes from it, as far as they can be seen.

    `span` is the open time of the first base candle and the close time of the last.
    """
    seen: dict[str, Candles] = {}
    for name, source in run.extra_timeframes.items():
        if source == VENUE:
            own = plan.venue_candles[name]
            first = int(np.searchsorted(own.open_time, span[0]))
            last = int(np.searchsorted(own.close_time, span[1], side="right"))
            seen[name] = own.slice(first, max(first, last))
    return seen


def describe_run(stream: StrategyStream, candles: Candles, options: RunOptions) -> StrategyRun:
    """Which strategy runs with what; `candles` are those from the origin on."""
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
        gaps=options.gaps.to_dict(),
        extra_timeframes=stream.extra_timeframes,
        exits=options.exits.to_dict(),
    )


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
