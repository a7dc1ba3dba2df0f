"""Metrics of many combinations at once, as columns; number by number those of `engine.metrics`."""

import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from stratkernel.contracts.arrays import FloatArray, IntArray
from stratkernel.contracts.calendars import Calendar
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.timeframes import DAY
from stratkernel.engine import metrics as measure
from stratkernel.engine.kernels.sweep_arrays import (
    FELL,
    HELD,
    HITS,
    LOSSES,
    MISSES,
    TRADES,
    WINS,
    Measured,
)
from stratkernel.engine.kernels.sweep_sums import sum_stretches
from stratkernel.kernel.errors import UsageError, did_you_mean

COUNTS: Final = frozenset({"trades"})
"""Metrics that are whole numbers."""

_OF_RETURNS: Final = frozenset({"volatility", "sharpe", "sortino"})
_NEEDS: Final = {"calmar": ("cagr", "max_drawdown")}


class DailyReturns:
    """Where equity is marked, and how marks become the daily returns of `metrics.daily_returns`."""

    def __init__(self, candles: Candles, *, wanted: bool) -> None:
        rows, days = measure.day_ends(candles.close_time, candles.timeframe)
        self.mark_rows: IntArray = np.concatenate(([0], rows if wanted else rows[-1:]))
        """The first close, then the last of each day; without returns only the first and the last."""
        self._skip = int(len(rows) > 0 and rows[0] == 0)
        began = int(days[0]) + self._skip
        self._slots = days[self._skip :] - began
        self._days = len(self._slots)
        self.length = self._days
        """The number of daily returns."""
        if candles.calendar is Calendar.ALWAYS:
            self.length = int(days[-1]) + 1 - began
        elif candles.timeframe.approximate_micros > DAY:
            first, end = np.array([began, days[-1] + 1]).astype("datetime64[D]")
            self.length += max(int(np.busday_count(first, end)) - self._days, 0)
            self._slots = np.arange(self._days)
        else:
            self._slots = np.arange(self._days)

    def of(self, marks: FloatArray) -> FloatArray:
        """Returns of shape (combinations, length) from marks of shape (combinations, marks)."""
        marks = marks[:, self._skip :]
        before = marks[:, :-1]
        returns = np.divide(marks[:, 1:], before, out=np.ones(before.shape), where=before > 0.0) - 1.0
        if self.length == self._days:
            return np.ascontiguousarray(returns)
        every = np.zeros((len(marks), self.length))
        every[:, self._slots] = returns
        return every


class MetricColumns:
    """Turns what a batch of combinations left into the columns that were asked for.

    Raises:
        UsageError: a metric that there is not.
    """

    def __init__(self, names: Sequence[str], candles: Candles) -> None:
        for name in names:
            if name not in measure.METRICS:
                raise UsageError(
                    f"unknown metric '{name}'.{did_you_mean(name, measure.METRICS)} "
                    f"There are: {', '.join(measure.METRICS)}"
                )
        self.names: Final = tuple(dict.fromkeys(names))
        needed = {part for name in self.names for part in (name, *_NEEDS.get(name, ()))}
        self._wants_returns = bool(needed & _OF_RETURNS)
        self._wants_profits = bool(needed & {"profit_factor", "payoff_ratio", "expectancy"})
        self.wants_accuracy: Final = "signal_accuracy" in needed
        self.daily: Final = DailyReturns(candles, wanted=self._wants_returns)
        self._ordered = [name for name in measure.METRICS if name in needed]
        self._candles = candles

    def of(self, measured: Measured, begins: IntArray) -> dict[str, FloatArray]:
        """Columns of shape (combinations,), NaN where a metric is not defined.

        `begins` is where in `measured` the profits of each combination begin.
        """
        batch = _Batch(self._candles, measured)
        with np.errstate(all="ignore"):  # what is not defined becomes NaN
            if self._wants_profits:
                batch.sum_profits(begins)
            if self._wants_returns:
                batch.use_returns(self.daily.of(measured.marks))
            for name in self._ordered:
                values = _FORMULAS[name](batch)
                values[~np.isfinite(values)] = np.nan
                batch.columns[name] = values
        return {name: batch.columns[name] for name in self.names}


class _Batch:
    """A batch of combinations: what was measured, and the sums that several metrics share."""

    def __init__(self, candles: Candles, measured: Measured) -> None:
        self.candles: Final = candles
        self.measured: Final = measured
        self.counts: Final = measured.counts
        self.columns: dict[str, FloatArray] = {}
        self.size = len(measured.counts)
        self.per_year: Final = candles.calendar.days_per_year
        self.pnl = self.wins = self.losses = np.empty(0)
        self.mean = self.deviation = self.downside = np.full(self.size, np.nan)

    def column(self, number: int) -> FloatArray:
        return self.counts[:, number]

    def sum_profits(self, begins: IntArray) -> None:
        counts, measured = self.counts.astype(np.int64), self.measured
        self.pnl = _sums(measured.pnl, begins, counts[:, TRADES])
        self.wins = _sums(measured.wins, begins, counts[:, WINS])
        self.losses = _sums(measured.losses, begins, counts[:, LOSSES])

    def use_returns(self, returns: FloatArray) -> None:
        days = returns.shape[1]
        if days < 2:
            return
        begins, counts = np.arange(self.size) * days, np.full(self.size, days)
        self.mean = _sums(returns.ravel(), begins, counts) / days
        spread = returns - self.mean[:, np.newaxis]
        deviation = np.sqrt(_sums((spread * spread).ravel(), begins, counts) / (days - 1))
        self.deviation = np.where(deviation > measure.ROUNDING, deviation, np.nan)
        losses = np.minimum(returns, 0.0)
        downside = np.sqrt(_sums((losses * losses).ravel(), begins, counts) / days)
        self.downside = np.where(downside > measure.ROUNDING, downside, np.nan)


def _sums(values: FloatArray, begins: IntArray, counts: IntArray) -> FloatArray:
    out = np.empty(len(begins))
    sum_stretches(values, begins, counts, out)
    return out


def _total_return(batch: _Batch) -> FloatArray:
    first, last = batch.measured.marks[:, 0], batch.measured.marks[:, -1]
    return np.where(first > 0.0, last / first - 1.0, np.nan)


def _cagr(batch: _Batch) -> FloatArray:
    times = batch.candles.close_time
    elapsed = int(times[-1] - times[0])
    ends = zip(batch.measured.marks[:, 0].tolist(), batch.measured.marks[:, -1].tolist(), strict=True)
    growth = [measure.cagr(first, last, elapsed) for first, last in ends]
    return np.array([math.nan if value is None else value for value in growth])


def _calmar(batch: _Batch) -> FloatArray:
    growth, fell = batch.columns["cagr"], batch.columns["max_drawdown"]
    return np.where(fell != 0.0, growth / np.abs(fell), np.nan)


def _exposure(batch: _Batch) -> FloatArray:
    intervals = len(batch.candles) - 1
    return batch.column(HELD) / intervals if intervals > 0 else np.full(batch.size, np.nan)


_FORMULAS: Final[dict[str, Callable[[_Batch], FloatArray]]] = {
    "total_return": _total_return,
    "cagr": _cagr,
    "volatility": lambda batch: batch.deviation * math.sqrt(batch.per_year),
    "sharpe": lambda batch: batch.mean / batch.deviation * math.sqrt(batch.per_year),
    "sortino": lambda batch: batch.mean * batch.per_year / (batch.downside * math.sqrt(batch.per_year)),
    "max_drawdown": lambda batch: batch.column(FELL).copy(),
    "calmar": _calmar,
    "exposure": _exposure,
    "trades": lambda batch: batch.column(TRADES).copy(),
    "win_rate": lambda batch: batch.column(WINS) / batch.column(TRADES),
    "profit_factor": lambda batch: np.where(batch.losses < 0.0, batch.wins / -batch.losses, np.nan),
    "expectancy": lambda batch: batch.pnl / batch.column(TRADES),
    "payoff_ratio": lambda batch: (batch.wins / batch.column(WINS)) / -(batch.losses / batch.column(LOSSES)),
    "signal_accuracy": lambda batch: batch.column(HITS) / (batch.column(HITS) + batch.column(MISSES)),
}
