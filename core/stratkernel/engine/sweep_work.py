"""The work of a sweep: combination after combination, measured in batches."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, islice
from typing import Any, Final, TypeAlias

import numpy as np

from stratkernel.contracts.arrays import BoolArray, FloatArray
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.signals import SignalOrigin, Signals, SignalTable
from stratkernel.contracts.strategy import BaseStrategy, StrategyData
from stratkernel.engine.exits import NO_EXITS
from stratkernel.engine.performance import Costs, evaluate
from stratkernel.engine.signal_checks import check_signals
from stratkernel.engine.stream import StrategyStream
from stratkernel.engine.sweep_batch import SignalBatch
from stratkernel.engine.sweep_columns import SharedColumns
from stratkernel.engine.sweep_combination import Combinations, Refused
from stratkernel.engine.sweep_metrics import MetricColumns
from stratkernel.engine.sweep_nodes import Reading
from stratkernel.engine.sweep_result import FailedCombination, SweepRows, columns_of
from stratkernel.engine.sweep_together import Together
from stratkernel.kernel.errors import ParameterError, StratkernelError

NewStream: TypeAlias = Callable[[BaseStrategy[Any]], Callable[[], StrategyStream]]


_GROUP: Final = 128
"""Combinations that are read, then decided, then added together."""
_FEW: Final = 4
"""Combinations from which it pays to ask their strategies together."""
_GROUP_ROWS: Final = 1 << 21
"""Candles that a group may look at, one combination after the other: its signals stay few."""


class _Combination:
    """A combination on its way; without a `strategy` it goes the careful way."""

    __slots__ = ("index", "reading", "strategy")

    def __init__(self, index: int, strategy: BaseStrategy[Any] | None) -> None:
        self.index = index
        self.strategy = strategy
        self.reading: Reading | None = None


class SweepWork:
    """Takes combinations one by one and gives the rows of all of them.

    The fast way shares columns and checks signals in the kernel. Whatever it cannot do, or what fails on
    it, is done again by a `StrategyStream` and `evaluate`, whose outcome counts.
    """

    def __init__(
        self,
        combinations: Combinations,
        stretches: Sequence[SharedColumns],
        new_stream: NewStream,
        candles: tuple[Candles, Candles, int],
        costs: Costs,
        metrics: MetricColumns,
    ) -> None:
        """`candles` are those that are folded, those that come out, and at which row these begin."""
        self._combinations = combinations
        self._stretches = stretches
        self._only = stretches[0] if len(stretches) == 1 else None
        self._together = None if self._only is None else Together(combinations.item.cls, self._only)
        self._offsets = [0, *accumulate(len(stretch.columns) for stretch in stretches)]
        self._new_stream = new_stream
        self._folded, self._traded, self._begin = candles
        self._costs = costs
        self._metrics = metrics
        self._batch = SignalBatch(len(self._folded), self._traded, self._begin, costs, metrics)
        self._pending: list[int] = []
        self._measured: list[dict[str, FloatArray]] = []
        self._indices: list[int] = []
        self._failures: list[FailedCombination] = []
        self._skipped = 0
        self._refusal: str | None = None
        self._is_fold: Final = combinations.item.cls.advance is not BaseStrategy.advance
        self._elsewhere: dict[int, dict[str, float | int | None]] = {}

    def take(self, indices: Iterable[int]) -> None:
        """Take combinations, some at a time, each step for all of them: its code stays in the cache."""
        made = self._make(indices)
        size = max(_FEW, min(_GROUP, _GROUP_ROWS // len(self._folded)))
        while group := list(islice(made, size)):
            if self._only is not None and not self._is_fold:
                _read(group, self._only)
            if not self._add_together(group):
                for each in group:
                    self._decide(each)

    def _make(self, indices: Iterable[int]) -> "Iterator[_Combination]":
        """The strategies that there are."""
        for index in indices:
            try:
                made = self._combinations.strategy(index)
            except (Exception, SystemExit):  # noqa: BLE001 - the careful way finds out what it was and says it
                yield _Combination(index, None)
                continue
            if made is None:
                self._skip(index)
            else:
                yield _Combination(index, made[0] if made[1] is NO_EXITS else None)

    def _add_together(self, group: "Sequence[_Combination]") -> bool:
        """Add the signals of all of them to the batch; False where they must be asked one by one."""
        if self._together is None or len(group) < _FEW:
            return False
        strategies = [each.strategy for each in group if each.strategy is not None]
        readings = [each.reading for each in group if each.reading is not None]
        if not len(strategies) == len(readings) == len(group):
            return False
        joined = self._together.calculate(strategies, readings)
        if joined is None:
            return False
        if not self._batch.has_room_for(len(group)):
            self.flush()
        if not self._batch.add_joined(joined):
            return False
        self._pending += [each.index for each in group]
        if self._batch.is_full:
            self.flush()
        return True

    def _decide(self, each: "_Combination") -> None:
        """Add what the strategy says to the batch, or its metrics where that must be done carefully.

        Its signals are copied before another strategy is asked: they may share what they give.
        """
        try:
            added = each.strategy is not None and self._add(each, each.strategy)
        except (Exception, SystemExit):  # noqa: BLE001 - as above
            added = False
        if not added:
            metrics = self._metrics_of(each.index)
            if metrics is None:
                return
            self._elsewhere[len(self._pending)] = metrics
            self._batch.add_nothing()
        self._pending.append(each.index)
        if self._batch.is_full:
            self.flush()

    def _add(self, each: "_Combination", strategy: BaseStrategy[Any]) -> bool:
        """Add its signals to the batch; False where that must be done carefully."""
        window = strategy.window
        if self._is_fold or window.__class__ is not int or window < 1:
            return False
        assert window is not None
        if self._only is None:
            return self._batch.add(self._joined(strategy, window), 0, 0)
        if each.reading is None:
            return False
        data, nullable = self._only.data_for(each.reading)
        start = each.reading.start
        if len(data) < window:
            return self._batch.add(Signals.none(), 0, 0)
        given = strategy.calculate(data)
        if nullable:
            given = self._checked(given, data, nullable, window)
        return isinstance(given, Signals) and self._batch.add(given, start, start + window - 1)

    def rows(self) -> SweepRows:
        """All that was measured, in the order in which it was taken."""
        return SweepRows(
            self._combinations.grid,
            np.array(self._indices, dtype=np.int64),
            columns_of(self._measured, self._metrics.names),
            tuple(self._failures),
            self._skipped,
            self._refusal,
        )

    def _joined(self, strategy: BaseStrategy[Any], window: int) -> Signals:
        """The signals of all stretches; rows count from the first candle."""
        requests = strategy.get_required_indicators()
        parts = []
        for stretch, offset in zip(self._stretches, self._offsets, strict=False):
            reading = stretch.read(requests)
            data, nullable = stretch.data_for(reading)
            if len(data) >= window:
                part = self._checked(strategy.calculate(data), data, nullable, window)
                part.rows = part.rows + (reading.start + offset)
                if len(part):
                    parts.append(part)
        return Signals.join(parts)

    def _checked(self, given: object, data: StrategyData, nullable: Sequence[str], window: int) -> Signals:
        undefined = undefined_rows(data, nullable, window)
        title = self._combinations.item.title
        return check_signals(given, data.close_time, title, first=window - 1, undefined=undefined)

    def _metrics_of(self, index: int) -> dict[str, float | int | None] | None:
        """The metrics of one combination as a single run has them; None where it was refused or failed."""
        given = self._combinations.grid[index]
        try:
            strategy, exits = self._combinations.carefully(given)
            signals = self._table(strategy)
            return evaluate(self._traded, signals, self._costs, exits or None).metrics
        except (Refused, ParameterError) as refused:
            self._skip(index, str(refused))
        except StratkernelError as error:
            self._failures.append(FailedCombination(index, given, str(error)))
        return None

    def _table(self, strategy: BaseStrategy[Any]) -> SignalTable:
        """The signals over the candles that come out, from a stream, as a run has them."""
        stream = self._new_stream(strategy)()
        parts = []
        for stretch, offset in zip(self._stretches, self._offsets, strict=False):
            if offset:
                stream.reset()
            part = stream.advance(stretch.columns)
            part.rows = part.rows + offset
            parts.append(part)
        filled = [part for part in parts if len(part)]
        signals = Signals.join(filled)
        end = self._begin + len(self._traded)
        inside = slice(*np.searchsorted(signals.rows, (self._begin, end)).tolist())
        rows = signals.rows[inside] - self._begin
        item, candles = self._combinations.item, self._traded
        about = SignalOrigin(
            item.qualified, item.record.version, "", candles.venue, candles.symbol, candles.timeframe.name, 0
        )
        return SignalTable(
            about=about,
            rows=rows,
            timestamp=candles.close_time.take(rows),
            types=signals.types[inside],
            price=candles.columns.close.take(rows),
            confidence=signals.confidence[inside],
            flags=np.zeros(len(rows), dtype=np.uint8),
        )

    def _skip(self, index: int, refusal: str | None = None) -> None:
        self._skipped += 1
        if self._refusal is None:
            self._refusal = refusal or self._combinations.why_refused(index)

    def flush(self) -> None:
        """Measure what is pending, and do again what needs care."""
        if not self._pending:
            return
        columns, unusual = self._batch.measure()
        for place in np.flatnonzero(unusual).tolist():
            metrics = self._metrics_of(self._pending[place])
            if metrics is not None:
                unusual[place] = False
                self._elsewhere[place] = metrics
        for place, metrics in self._elsewhere.items():
            for name, column in columns.items():
                value = metrics[name]
                column[place] = math.nan if value is None else value
        if unusual.any():
            columns = {name: column[~unusual] for name, column in columns.items()}
        self._indices += [
            index for index, lost in zip(self._pending, unusual.tolist(), strict=True) if not lost
        ]
        self._measured.append(columns)
        self._elsewhere.clear()
        self._pending.clear()


def _read(combinations: Iterable[_Combination], shared: SharedColumns) -> None:
    """Find or compute what each strategy reads."""
    for each in combinations:
        if each.strategy is not None:
            try:
                each.reading = shared.read(each.strategy.get_required_indicators())
            except (Exception, SystemExit):  # noqa: BLE001 - the careful way finds out what it was and says it
                each.strategy = None


def undefined_rows(data: StrategyData, nullable: Sequence[str], window: int) -> BoolArray | None:
    """Rows whose last `window` rows hold a NaN of one of these columns; None where there are no columns."""
    if not nullable:
        return None
    holes = np.logical_or.reduce([np.isnan(data[name]) for name in nullable])
    rows = np.arange(len(holes))
    last_hole = np.maximum.accumulate(np.where(holes, rows, -window))
    return np.asarray(rows - last_hole < window)
