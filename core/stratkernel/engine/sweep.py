"""Many parameter sets of one strategy over one series: signals, trades and metrics of each, as columns.

Each combination's metrics are, to the last bit, those of `run_strategy` and `evaluate` with its parameters.
Indicators are computed once for all combinations that read them, signals of many combinations go through
one kernel, and whatever is unusual (a contract that is broken, numbers that overflow) is done again the
careful way, which knows what to say about it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import numpy as np

from stratkernel.contracts.candles import Candles
from stratkernel.contracts.strategy import BaseStrategy
from stratkernel.contracts.timeframes import iso
from stratkernel.engine.factory import IndicatorFactory, StrategyFactory
from stratkernel.engine.gaps import apply_gaps
from stratkernel.engine.grid import Grid
from stratkernel.engine.indicator_cache import IndicatorCache
from stratkernel.engine.kernels.dispatch import prepare
from stratkernel.engine.lookahead.checking import refuse_lookahead
from stratkernel.engine.performance import Costs
from stratkernel.engine.run_setup import RunOptions
from stratkernel.engine.stream import StrategyStream
from stratkernel.engine.sweep_columns import SharedColumns
from stratkernel.engine.sweep_combination import Combinations
from stratkernel.engine.sweep_metrics import MetricColumns
from stratkernel.engine.sweep_result import SweepRows
from stratkernel.engine.sweep_work import SweepWork
from stratkernel.engine.timeframes.plan import TimeframePlan
from stratkernel.kernel.errors import DataError, StratkernelError
from stratkernel.kernel.guard import guard
from stratkernel.kernel.manager import Kernel

SWEEP_METRICS: Final = ("total_return", "sharpe", "max_drawdown", "win_rate", "profit_factor", "trades")
"""What a sweep measures when nobody says."""


@dataclass(frozen=True)
class SweepOptions:
    """What a sweep may be told: costs, the range and gaps of its runs, metrics of `engine.metrics`."""

    costs: Costs = field(default_factory=Costs)
    run: RunOptions = field(default_factory=RunOptions)
    metrics: tuple[str, ...] = SWEEP_METRICS


class Sweep:
    """A strategy, a grid and candles, made ready: `evaluate` any combinations, in any order or split.

    A `cache` keeps indicators over the candles for others. `venue_candles` are the venue's own of the
    higher timeframes that the options take from it.

    Raises:
        UnknownNameError, AmbiguousNameError: no such strategy, or several.
        UsageError: a metric that there is not.
        DataError: no candle lies in the range that was asked for.
    """

    def __init__(
        self,
        kernel: Kernel,
        strategy: str | type[BaseStrategy[Any]],
        grid: Grid,
        candles: Candles,
        options: SweepOptions | None = None,
        *,
        cache: IndicatorCache | None = None,
        venue_candles: Mapping[str, Candles] | None = None,
    ) -> None:
        options = options or SweepOptions()
        self._kernel = kernel
        self._options = options
        self._candles = candles
        self._venue_candles = venue_candles
        self.grid: Final = grid
        self.item: Final = StrategyFactory(kernel).item(strategy)
        self.cache: Final = cache or IndicatorCache()
        name = strategy if isinstance(strategy, str) else self.item.name
        self._combinations = Combinations(grid, self.item, name, options.run.exits)
        self._factory = IndicatorFactory(kernel)
        self._plan = TimeframePlan.of(candles, options.run.extra_timeframes, venue_candles)
        outcome = apply_gaps(_from_origin(candles, options.run.origin), options.run.gaps)
        self._folded = outcome.candles
        self._begin, end = _range(self._folded, options.run)
        self._bounds = list(pairwise([0, *outcome.resets.tolist(), len(self._folded)]))
        self.candles: Final = self._folded.slice(self._begin, end)
        """The candles that come out: those that trades are made over."""
        self._metrics = MetricColumns(options.metrics, self.candles)

    def check(self) -> None:
        """Look for look-ahead, in the first combination that the strategy accepts: once a sweep is enough.

        Raises:
            LookaheadError: it was found.
        """
        for index in range(self.grid.size):
            made = self._combinations.strategy(index)
            if made is None:
                continue
            refuse_lookahead(
                self._kernel, made[0], self._candles, self._options.run, venue_candles=self._venue_candles
            )
            return

    def evaluate(self, indices: Sequence[int] | None = None) -> SweepRows:
        """The metrics of some combinations, by default of all, in the order of `indices`.

        A combination that the strategy refuses is skipped and counted, one that fails is told with its
        cause; neither is among the rows.
        """
        chosen = range(self.grid.size) if indices is None else indices
        prepare(len(self._folded) * max(1, len(chosen)))
        work = SweepWork(
            self._combinations,
            list(self._stretches()),
            self._new_stream,
            (self._folded, self.candles, self._begin),
            self._options.costs,
            self._metrics,
        )
        with guard(self.item.title, "in a sweep", passing=StratkernelError):
            work.take(chosen)
            work.flush()
        return work.rows()

    def evaluate_range(self, first: int, last: int) -> SweepRows:
        """The combinations from `first` to before `last`: one part of a sweep that is split."""
        return self.evaluate(range(first, min(last, self.grid.size)))

    def _stretches(self) -> Iterator[SharedColumns]:
        """Candles between resets, each with the columns that its combinations share."""
        for start, stop in self._bounds:
            whole = (start, stop) == (0, len(self._folded))
            columns = self._folded.columns if whole else self._folded.columns.slice(start, stop)
            data = (self._folded.data_hash, self._plan.base.name, start, stop, None)
            yield SharedColumns(columns, data, self._factory, self._plan, self.cache, self.item.title)

    def _new_stream(self, strategy: BaseStrategy[Any]) -> Callable[[], StrategyStream]:
        return lambda: StrategyStream(strategy, self.item, self._factory, self._plan)


def sweep(
    kernel: Kernel,
    strategy: str | type[BaseStrategy[Any]],
    grid: Grid,
    candles: Candles,
    options: SweepOptions | None = None,
    *,
    sample: int | None = None,
    check: bool = False,
    cache: IndicatorCache | None = None,
) -> SweepRows:
    """Measure all combinations of a grid, or a `sample` of so many; raises as `Sweep` and its methods do.

    With `check` look-ahead is looked for first, once.
    """
    made = Sweep(kernel, strategy, grid, candles, options, cache=cache)
    if check:
        made.check()
    return made.evaluate(None if sample is None else grid.sample(sample))


def _from_origin(candles: Candles, origin: int | None) -> Candles:
    first = 0 if origin is None else int(np.searchsorted(candles.open_time, origin))
    if first == len(candles):
        since = "" if origin is None else f" from the origin {iso(origin)} on"
        raise DataError(f"there are no candles of {candles.symbol}{since}")
    return candles.slice(first, len(candles))


def _range(candles: Candles, options: RunOptions) -> tuple[int, int]:
    first = 0 if options.start is None else int(np.searchsorted(candles.open_time, options.start))
    last = len(candles) if options.end is None else int(np.searchsorted(candles.open_time, options.end))
    if first >= last:
        raise DataError(
            f"no candle of {candles.symbol} lies in the range asked for; there are candles from "
            f"{iso(int(candles.open_time[0]))} to {iso(int(candles.open_time[-1]))} (open times)"
        )
    return first, last
