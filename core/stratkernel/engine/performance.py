"""From signals to trades and metrics, in one call."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from stratkernel.contracts.arrays import FloatArray, read_only
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.signals import SignalTable
from stratkernel.engine import metrics as measure
from stratkernel.engine.accuracy import HORIZON, SignalAccuracy, measure_accuracy, signal_accuracy
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
    def mean_trade_return(self) -> float | None:
        """Expectancy as a return: mean net return of the closed trades."""
        with np.errstate(all="ignore"):
            return measure.expectancy(self.trades.net_return[~self.trades.open])

    def to_dict(self) -> dict[str, Any]:
        """All but the curve, ready for JSON: no NaN, no infinity."""
        return {
            "costs": self.costs.to_dict(),
            "metrics": dict(self.metrics),
            "mean_trade_return": self.mean_trade_return,
            "accuracy": self.accuracy.to_dict(),
            "flags": dict(self.flags),
            "days_per_year": self.days_per_year,
            "trades": self.trades.to_dicts(),
        }


def evaluate(candles: Candles, signals: SignalTable, costs: Costs | None = None) -> Performance:
    """Trade the signals over the candles that they were made from, and measure the outcome.

    Raises:
        UsageError: the signals are not ordered, or not of these candles.
    """
    costs = costs or Costs()
    # Prices so far apart that equity overflows give metrics that are None, not warnings.
    with np.errstate(all="ignore"):
        trades = simulate_trades(candles, signals, costs)
        values = _equity_metrics(candles, trades, costs) | _trade_metrics(candles, trades, costs)
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
        flags=_flags(ordered, trades, costs),
        days_per_year=candles.calendar.days_per_year,
    )


def round_trip(costs: Costs) -> float:
    """What a move must exceed to be worth trading: fee and slippage of both sides, a fraction."""
    return 2.0 * (costs.rates.fee + costs.rates.slippage)


def _equity_metrics(candles: Candles, trades: TradeTable, costs: Costs) -> dict[str, float | int | None]:
    if len(candles) == 0:
        names = ("total_return", "cagr", "volatility", "sharpe", "sortino", "max_drawdown", "calmar")
        return dict.fromkeys(names)
    close, close_time = candles.columns.close, candles.close_time
    rows, days = measure.day_ends(close_time, candles.timeframe)
    marks = equity_at(np.concatenate(([0], rows)), close, trades.arrays, costs.rates)
    returns = measure.daily_returns(marks, rows, days, candles.calendar, candles.timeframe)
    per_year = candles.calendar.days_per_year
    first, last = float(marks[0]), float(marks[-1])
    growth = measure.cagr(first, last, int(close_time[-1] - close_time[0]))
    drawdown = measure.finite(float(max_drawdown(close, trades.arrays, costs.rates)))
    return {
        "total_return": measure.total_return(first, last),
        "cagr": growth,
        "volatility": measure.volatility(returns, per_year),
        "sharpe": measure.sharpe(returns, per_year),
        "sortino": measure.sortino(returns, per_year),
        "max_drawdown": drawdown,
        "calmar": measure.calmar(growth, drawdown),
    }


def _trade_metrics(candles: Candles, trades: TradeTable, costs: Costs) -> dict[str, float | int | None]:
    closed = len(trades) - trades.ends_open
    pnl = trades.pnl[:closed]
    wins, losses = pnl[pnl > 0.0], pnl[pnl < 0.0]
    return {
        "exposure": measure.exposure(_held_intervals(trades, costs), len(candles)),
        "trades": closed,
        "win_rate": measure.win_rate(pnl),
        "profit_factor": measure.profit_factor(wins, losses),
        "expectancy": measure.expectancy(pnl),
        "payoff_ratio": measure.payoff_ratio(wins, losses),
    }


def _held_intervals(trades: TradeTable, costs: Costs) -> int:
    """Candles from entry to exit, over all trades.

    A fill at the open holds the candle's whole interval, so an end at a close (of the data, or by
    liquidation) counts it too.
    """
    held = int((trades.arrays.exit_row - trades.entry_row).sum())
    return held + trades.ends_liquidated if costs.delay else held - trades.ends_open


def _flags(metrics: dict[str, float | int | None], trades: TradeTable, costs: Costs) -> dict[str, str]:
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
