"""From signals to trades and metrics, chunk by chunk."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np

from stratkernel.contracts.candles import Candles
from stratkernel.contracts.signals import SignalTable
from stratkernel.engine import metrics as measure
from stratkernel.engine.accuracy import SignalAccuracy
from stratkernel.engine.exits import ExitRules
from stratkernel.engine.kernels.exit_kernels import ExitColumns
from stratkernel.engine.kernels.trade_kernels import TradeArrays
from stratkernel.engine.performance import equity_metrics, metric_flags, round_trip, trade_metrics
from stratkernel.engine.streaming.accuracy_fold import AccuracyFold
from stratkernel.engine.streaming.equity_fold import EquityFold
from stratkernel.engine.streaming.growing import GrowingColumns
from stratkernel.engine.streaming.sparse import SparseCandles
from stratkernel.engine.streaming.trade_fold import (
    ChunkTrades,
    HeldPosition,
    open_end,
    open_trade,
    trade_fold,
)
from stratkernel.engine.trades import Costs, TradeTable


@dataclass(frozen=True, eq=False)
class StreamedPerformance:
    """What the signals of a streamed run would have earned: as `Performance`, without the equity curve."""

    costs: Costs
    trades: TradeTable
    metrics: dict[str, float | int | None]
    flags: dict[str, str]
    days_per_year: int
    accuracy: SignalAccuracy
    exits: ExitRules

    @cached_property
    def mean_trade_return(self) -> float | None:
        """Expectancy as a return: mean net return of the closed trades."""
        with np.errstate(all="ignore"):
            return measure.expectancy(self.trades.net_return[~self.trades.open])

    @property
    def significance(self) -> dict[str, Any]:
        """Nothing: random entries need the prices of all candles, and the quality report says so."""
        return {}

    def to_dict(self) -> dict[str, Any]:
        """All of it, ready for JSON: no NaN, no infinity."""
        return {
            "costs": self.costs.to_dict(),
            "exits": self.exits.to_dict(),
            "metrics": dict(self.metrics),
            "mean_trade_return": self.mean_trade_return,
            "accuracy": self.accuracy.to_dict(),
            "flags": dict(self.flags),
            "days_per_year": self.days_per_year,
            "trades": self.trades.to_dicts(),
        }


class PerformanceFold:
    """Trades signals over candles as they come. Keeps trades and days, never candles."""

    def __init__(self, costs: Costs, exits: ExitRules) -> None:
        self._costs, self._exits = costs, exits
        self._trades = trade_fold(costs.rates, costs.delay, exits)
        self._equity = EquityFold(costs.rates)
        self._accuracy = AccuracyFold(round_trip(costs))
        self._candles = SparseCandles()
        self._ended = GrowingColumns()
        self._held: HeldPosition | None = None
        self._last: Candles | None = None

    def advance(self, candles: Candles, signals: SignalTable) -> None:
        """Add the next candles that come out, and their signals, whose rows count within them."""
        rows, types = np.ascontiguousarray(signals.rows), np.ascontiguousarray(signals.types)
        with np.errstate(all="ignore"):
            done = self._trades.advance(candles.columns, rows, types)
            self._equity.advance(candles, done)
            self._accuracy.advance(candles.columns, rows, types)
        self._candles.advance(candles, done)
        self._keep(done)
        self._held = done.held
        self._last = candles.slice(len(candles) - 1, len(candles))

    def result(self) -> StreamedPerformance:
        """The outcome of all candles, of which there was at least one."""
        last = self._last
        assert last is not None
        self._candles.finish()
        with np.errstate(all="ignore"):
            if self._held is not None:
                close = float(last.columns.close[-1])
                one = open_trade(self._held, self._costs.rates, len(self._candles), close)
                self._keep(ChunkTrades(one, open_end() if self._exits else None, None, 0.0))
                self._held = None
            trades = self._table()
            accuracy = self._accuracy.accuracy
            values = equity_metrics(self._equity.marks, last.calendar, last.timeframe)
            values |= trade_metrics(len(self._candles), trades, self._costs)
        values["signal_accuracy"] = accuracy.accuracy
        ordered = {name: values[name] for name in measure.METRICS}
        return StreamedPerformance(
            costs=self._costs,
            trades=trades,
            metrics=ordered,
            flags=metric_flags(ordered, trades, self._costs),
            days_per_year=last.calendar.days_per_year,
            accuracy=accuracy,
            exits=self._exits,
        )

    def _keep(self, done: ChunkTrades) -> None:
        self._ended.append(zip(TradeArrays._fields, done.ended, strict=True))
        if done.ends is not None:
            self._ended.append((("price", done.ends.price), ("reason", done.ends.reason)))

    def _table(self) -> TradeTable:
        kept = self._ended.all
        if not kept:
            arrays, ends = TradeArrays.empty(0), ExitColumns.empty(0)
        else:
            arrays = TradeArrays(*(kept[name] for name in TradeArrays._fields))
            ends = ExitColumns(kept["price"], kept["reason"]) if self._exits else ExitColumns.empty(0)
        return TradeTable(
            # it only looks up the rows at which trades begin and end
            cast("Candles", self._candles),
            self._costs,
            arrays,
            liquidated=self._trades.liquidated,
            ends=ends if self._exits else None,
        )
