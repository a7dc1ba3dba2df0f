"""Performance metrics, defined once.

Returns are simple returns per UTC day, annualised by the days per year of the calendar: bars are not
annualised, because their returns are not independent of how long they last. What is not defined is `None`.
"""

import math
from typing import Final

import numpy as np

from stratkernel.contracts.arrays import FloatArray, IntArray
from stratkernel.contracts.calendars import Calendar
from stratkernel.contracts.timeframes import DAY, Timeframe

METRICS: Final = (
    "total_return",
    "cagr",
    "volatility",
    "sharpe",
    "sortino",
    "max_drawdown",
    "calmar",
    "exposure",
    "trades",
    "win_rate",
    "profit_factor",
    "expectancy",
    "payoff_ratio",
    "signal_accuracy",
)
"""All metrics, in the order in which they are shown."""

_YEAR: Final = 365 * DAY
ROUNDING: Final = 4.0 * float(np.finfo(np.float64).eps)
"""A daily return is a ratio near 1, less 1: a spread below this is rounding, not risk."""


def day_ends(close_time: IntArray, timeframe: Timeframe) -> tuple[IntArray, IntArray]:
    """The last row of each UTC day that has one, and the day (days since 1970), both of shape (days,).

    A close at 00:00 belongs to the day that ends then. `close_time` is that of admitted candles.
    """
    count = len(close_time)
    if count == 0:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    start, end = int(close_time[0]), int(close_time[-1])
    first, last = (start - 1) // DAY, (end - 1) // DAY
    if (last - first) * 16 > count:
        day = (close_time - 1) // DAY
        rows = np.concatenate((np.flatnonzero(day[1:] != day[:-1]), [count - 1]))
        return rows, day[rows]
    midnights = np.arange(first + 1, last + 1, dtype=np.int64) * DAY
    length = timeframe.micros
    if length is not None and end - start == (count - 1) * length:
        before = (midnights - start) // length
    else:
        before = np.searchsorted(close_time, midnights, side="right") - 1
    rows = np.concatenate((before, [count - 1]))
    rows = rows[np.concatenate(([True], rows[1:] != rows[:-1]))]
    return rows, (close_time[rows] - 1) // DAY


def daily_returns(
    marks: FloatArray, rows: IntArray, days: IntArray, calendar: Calendar, timeframe: Timeframe
) -> FloatArray:
    """One return for each UTC day, from the equity at the first close and at the end of each day.

    `marks` has shape (1 + days,), `rows` and `days` are those of `day_ends`. A first day that holds only
    the first close gives none. Days without candles return 0 on `24x7` and are left out on the other
    calendars, but for the working days inside a candle of over a day. Equity that is used up earns 0.
    """
    if len(rows) and rows[0] == 0:
        marks, days, began = marks[1:], days[1:], int(days[0]) + 1
    else:
        began = int(days[0]) if len(days) else 0
    before = marks[:-1]
    returns = np.divide(marks[1:], before, out=np.ones(len(before)), where=before > 0.0) - 1.0
    if len(days) == 0:
        return returns
    if calendar is Calendar.ALWAYS:
        every = np.zeros(int(days[-1]) + 1 - began)
        every[days - began] = returns
        return every
    if timeframe.approximate_micros > DAY:
        first, end = np.array([began, days[-1] + 1]).astype("datetime64[D]")
        within = int(np.busday_count(first, end)) - len(returns)
        return np.append(returns, np.zeros(max(within, 0)))
    return returns


def total_return(first: float, last: float) -> float | None:
    """E_n / E_0 - 1."""
    return finite(last / first - 1.0) if first > 0.0 else None


def cagr(first: float, last: float, elapsed: int) -> float | None:
    """(E_n / E_0) ** (365 days / elapsed) - 1, `elapsed` in microseconds from the first to the last close."""
    if elapsed <= 0 or first <= 0.0 or last < 0.0:
        return None
    try:
        return finite(float((last / first) ** (_YEAR / elapsed)) - 1.0)
    except OverflowError:
        return None


def volatility(returns: FloatArray, days_per_year: int) -> float | None:
    """Standard deviation (ddof 1) of daily returns * sqrt(days per year); None below 2 returns or at 0."""
    deviation = _deviation(returns)
    return None if deviation is None else finite(deviation * math.sqrt(days_per_year))


def sharpe(returns: FloatArray, days_per_year: int) -> float | None:
    """mean / standard deviation (ddof 1) * sqrt(days per year), without a risk-free rate.

    Sharpe (1994). None below 2 returns or when they do not vary.
    """
    deviation = _deviation(returns)
    return None if deviation is None else finite(_mean(returns) / deviation * math.sqrt(days_per_year))


def sortino(returns: FloatArray, days_per_year: int) -> float | None:
    """mean * days / (downside deviation * sqrt(days)), target 0, the deviation over all returns.

    Sortino and van der Meer (1991). None below 2 returns or without a loss.
    """
    if len(returns) < 2:
        return None
    losses = np.minimum(returns, 0.0)
    downside = math.sqrt(_mean(losses * losses))
    if not downside > ROUNDING:
        return None
    return finite(_mean(returns) * days_per_year / (downside * math.sqrt(days_per_year)))


def calmar(growth: float | None, drawdown: float | None) -> float | None:
    """CAGR / abs(max drawdown) over the whole period; None without a drawdown."""
    return finite(growth / abs(drawdown)) if growth is not None and drawdown else None


def exposure(intervals: int, candles: int) -> float | None:
    """Candle intervals with a position over all of them; None below two candles."""
    return intervals / (candles - 1) if candles > 1 else None


def win_rate(pnl: FloatArray) -> float | None:
    """Share of closed trades whose net profit is above 0; `pnl` of shape (closed trades,)."""
    return int(np.count_nonzero(pnl > 0.0)) / len(pnl) if len(pnl) else None


def profit_factor(wins: FloatArray, losses: FloatArray) -> float | None:
    """Sum of net wins / abs(sum of net losses), in currency; None without losses.

    Both are net profits of closed trades: those above 0, and those below.
    """
    lost = _total(losses)
    return finite(_total(wins) / -lost) if lost < 0.0 else None


def expectancy(pnl: FloatArray) -> float | None:
    """Mean of a column of closed trades: net profit in currency, or net return."""
    return finite(_mean(pnl)) if len(pnl) else None


def payoff_ratio(wins: FloatArray, losses: FloatArray) -> float | None:
    """Mean net win / abs(mean net loss); None without wins or without losses."""
    return finite(_mean(wins) / -_mean(losses)) if len(wins) and len(losses) else None


def finite(value: float) -> float | None:
    """The number, or None for NaN and infinities, which JSON cannot say."""
    return value if math.isfinite(value) else None


def _deviation(returns: FloatArray) -> float | None:
    if len(returns) < 2:
        return None
    spread = returns - _mean(returns)
    deviation = math.sqrt(_total(spread * spread) / (len(returns) - 1))
    return deviation if deviation > ROUNDING else None


def _mean(values: FloatArray) -> float:
    return _total(values) / len(values)


def _total(values: FloatArray) -> float:
    return float(np.add.reduce(values))
