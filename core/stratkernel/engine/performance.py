"""From signals to trades and metrics, in one call."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from stratkernel.contracts.arrays import FloatArray, IntArray, read_only
from stratkernel.contracts.calendars import Calendar
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.signals import SignalTable
from stratkernel.contracts.timeframes import Timeframe
from stratkernel.engine import metrics as measure
from stratkernel.engine.accuracy import HORIZON, SignalAccuracy, measure_accuracy, signal_accuracy
from stratkernel.engine.exits import NO_EXITS, ExitRules
from stratkernel.engine.kernels.equity_kernels import equity_at, equity_curve, max_drawdown
from stratkernel.engine.trades import Costs, Fill, TradeTable, simulate_trades

__all__ = ["Costs", "Fill", "Performance", "TradeTable", "evaluate"]


@dataclass(frozen=True, eq=False)
class Performance:
    """What the signals would have earned.

    `metrics` holds a number or None for each name of `engine.metrics.METRICS`: fractions (0.01 is 1 %),
    `expectancy` in currency, `trades` a count of closed trades. `flags` says why a metric is None and what
    else to know. `days_per_year` is what annualising used.
    """

    candles: Candles
    signals: SignalTable
    costs: Costs
    trades: TradeTable
    metrics: dict[str, float | int | None]
    flags: dict[str, str]
    days_per_year: int
    exits: ExitRules = NO_EXITS

    @cached_property
    def equity(self) -> FloatArray:
        """Equity at every close, shape (n,), in currency, read-only; made when asked for."""
        out = np.empty(len(self.candles))
        with np.errstate(all="ignore"):
            equity_curve(self.candles.columns.close, self.trades.arrays, self.costs.rates, out)
        return read_only(out)

    @cached_property
    def accuracy(self) -> SignalAccuracy:
        """What stands behind `signal_accuracy`: counts, interval, baseline, forward returns."""
        with np.errstate(all="ignore"):
            return measure_accuracy(self.candles, self.signals, horizon=HORIZON, cost=round_trip(self.costs))

    @cached_property
    def significance(self) -> dict[str, Any]:
        """Accuracy at several horizons and the p-value of the trades; see `engine.significance`.

        Takes about a tenth of a second where there are thousands of trades; made when asked for.
        """
        from stratkernel.engine.significance import signal_significance

        return signal_significance(self.candles, self.signals, self)

    @cached_property
    def mean_trade_return(self) -> float | None:
        """Expectancy as a return: mean net return of the closed trades."""
        with np.errstate(all="ignore"):
            return measure.expectancy(self.trades.net_return[~self.trades.open])

    def to_dict(self) -> dict[str, Any]:
        """All but the curve, ready for JSON: no NaN, no infinity."""
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


def evaluate(
    candles: Candles, signals: SignalTable, costs: Costs | None = None, exits: ExitRules | None = None
) -> Performance:
    """Trade the signals over the candles that they were made from, and measure the outcome.

    `exits` leave positions without a signal: stop-loss, take-profit, trailing stop, longest holding time.

    Raises:
        UsageError: the signals are not ordered, or not of these candles.
    """
    costs = costs or Costs()
    # Prices so far apart that equity overflows give metrics that are None, not warnings.
    with np.errstate(all="ignore"):
        trades = simulate_trades(candles, signals, costs, exits)
        values = _equity_metrics(candles, trades, costs) | trade_metrics(len(candles), trades, costs)
        values["signal_accuracy"] = signal_accuracy(
            candles.columns.close, signals.rows, signals.types, cost=round_trip(costs)
        )
    ordered = {name: values[name] for name in measure.METRICS}
    return Performance(
        candles=candles,
        signals=signals,
        costs=costs,
        trades=trades,
        metrics=ordered,
        flags=metric_flags(ordered, trades, costs),
        days_per_year=candles.calendar.days_per_year,
        exits=exits or NO_EXITS,
    )


def round_trip(costs: Costs) -> float:
    """What a move must exceed to be worth trading: fee and slippage of both sides, a fraction."""
    return 2.0 * (costs.rates.fee + costs.rates.slippage)


@dataclass(frozen=True, slots=True, eq=False)
class EquityMarks:
    """Equity at the first close and at the end of each day, shape (1 + days,), and its deepest fall.

    `rows` and `days` are those of `day_ends`, `elapsed` the time from the first to the last close.
    """

    marks: FloatArray
    rows: IntArray
    days: IntArray
    elapsed: int
    drawdown: float


def _equity_metrics(candles: Candles, trades: TradeTable, costs: Costs) -> dict[str, float | int | None]:
    if len(candles) == 0:
        names = ("total_return", "cagr", "volatility", "sharpe", "sortino", "max_drawdown", "calmar")
        return dict.fromkeys(names)
    close, close_time = candles.columns.close, candles.close_time
    rows, days = measure.day_ends(close_time, candles.timeframe)
    marks = equity_at(np.concatenate(([0], rows)), close, trades.arrays, costs.rates)
    elapsed = int(close_time[-1] - close_time[0])
    drawdown = float(max_drawdown(close, trades.arrays, costs.rates))
    return equity_metrics(
        EquityMarks(marks, rows, days, elapsed, drawdown), candles.calendar, candles.timeframe
    )


def equity_metrics(
    equity: EquityMarks, calendar: Calendar, timeframe: Timeframe
) -> dict[str, float | int | None]:
    """The metrics that equity tells, of at least one candle."""
    returns = measure.daily_returns(equity.marks, equity.rows, equity.days, calendar, timeframe)
    per_year = calendar.days_per_year
    first, last = float(equity.marks[0]), float(equity.marks[-1])
    growth = measure.cagr(first, last, equity.elapsed)
    drawdown = measure.finite(equity.drawdown)
    return {
        "total_return": measure.total_return(first, last),
        "cagr": growth,
        "volatility": measure.volatility(returns, per_year),
        "sharpe": measure.sharpe(returns, per_year),
        "sortino": measure.sortino(returns, per_year),
        "max_drawdown": drawdown,
        "calmar": measure.calmar(growth, drawdown),
    }


def trade_metrics(candles: int, trades: TradeTable, costs: Costs) -> dict[str, float | int | None]:
    """The metrics that trades over so many candles tell."""
    closed = len(trades) - trades.ends_open
    pnl = trades.pnl[:closed]
    wins, losses = pnl[pnl > 0.0], pnl[pnl < 0.0]
    return {
        "exposure": measure.exposure(_held_intervals(trades, costs), candles),
        "trades": closed,
        "win_rate": measure.win_rate(pnl),
        "profit_factor": measure.profit_factor(wins, losses),
        "expectancy": measure.expectancy(pnl),
        "payoff_ratio": measure.payoff_ratio(wins, losses),
    }


def _held_intervals(trades: TradeTable, costs: Costs) -> int:
    """Candles from entry to exit, over all trades.

    A fill at the open holds the candle's whole interval, so an end at a close (of the data, or by
    liquidation) counts it too, and so does an exit within a candle. With fills at the close the interval
    of the exit's candle is counted already, so that an exit at its open takes it away.
    """
    held = int((trades.arrays.exit_row - trades.entry_row).sum())
    if costs.delay:
        return held + trades.ends_liquidated + int(np.count_nonzero(trades.within_candle))
    return held - trades.ends_open - int(np.count_nonzero(trades.left_at_open))


def metric_flags(metrics: dict[str, float | int | None], trades: TradeTable, costs: Costs) -> dict[str, str]:
    """Why each missing metric is missing, and what else a reader of the numbers should know."""
    flags = {name: _REASONS[name] for name, value in metrics.items() if value is None}
    if not metrics["trades"]:
        flags |= {name: "no closed trade" for name in flags if name in _OF_TRADES}
    if costs.fill == "close":
        flags["fill"] = "optimistic: filled at the close that the signal was computed from"
    if trades.ends_open:
        flags["open_position"] = "the last position is still open: in the equity, not in the trade metrics"
    if trades.ends_liquidated:
        flags["liquidated"] = "a short used up all equity and was closed; nothing was entered after it"
    return flags


_OF_TRADES = frozenset({"win_rate", "profit_factor", "expectancy", "payoff_ratio"})
_REASONS = {
    "total_return": "no candles, or no equity at the first close",
    "cagr": "less than two candles, no equity left, or too short a time to annualise",
    "volatility": "less than two daily returns, or returns that do not vary",
    "sharpe": "less than two daily returns, or returns that do not vary",
    "sortino": "less than two daily returns, or no loss",
    "max_drawdown": "no candles, or no equity at the first close",
    "calmar": "no drawdown, or no CAGR",
    "exposure": "less than two candles",
    "win_rate": "no closed trade",
    "profit_factor": "no losing trade",
    "expectancy": "no closed trade",
    "payoff_ratio": "no winning or no losing trade",
    "signal_accuracy": "no signal moved the price by more than the costs within the data",
}
