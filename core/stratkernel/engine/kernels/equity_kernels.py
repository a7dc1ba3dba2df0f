"""Kernels over the equity that trades leave: its value at some closes, the whole curve, its deepest fall.

Between trades equity is flat; while a position is held it is a line over the close: `units * close` for a
long, `before * (1 + keep) - units * close` for a short (see `trade_kernels`). None of them needs the curve.
"""

from typing import Final

import numpy as np

from stratkernel.contracts.arrays import FloatArray, IntArray
from stratkernel.engine.kernels.dispatch import NumericKernel
from stratkernel.engine.kernels.trade_kernels import CostRates, TradeArrays

_SCAN_ROWS: Final = 16_384


def _reduce_held(extreme: np.ufunc, close: FloatArray, trades: TradeArrays) -> FloatArray:
    """The extreme close of each trade, shape (trades,); meaningless for one that is held at no close."""
    bounds = np.empty(2 * len(trades.side), dtype=np.int64)
    bounds[0::2], bounds[1::2] = trades.entry_row, trades.exit_row
    if bounds[-1] == len(close):
        bounds = bounds[:-1]
    return np.asarray(extreme.reduceat(close, bounds)[::2])


def _drawdown_loop(  # noqa: C901 - numba cannot call helpers that are not compiled
    close: FloatArray, trades: TradeArrays, costs: CostRates
) -> float:
    credit = 1.0 + (1.0 - costs.fee) / (1.0 + costs.fee)
    worst, peak, trough = 1.0, 0.0, 0.0
    flat, at, end, count = costs.capital, 0, len(close), len(trades.side)
    for k in range(count + 1):
        start = trades.entry_row[k] if k < count else end
        if start > at:
            if flat > peak:
                if peak > 0.0:
                    worst = min(worst, trough / peak)
                peak = trough = flat
            elif flat < trough:
                trough = flat
        if k == count:
            break
        at, flat = trades.exit_row[k], trades.after[k]
        long = trades.side[k] > 0
        cash = 0.0 if long else trades.before[k] * credit
        slope = trades.units[k] if long else -trades.units[k]
        low, high = np.inf, -np.inf
        for price in close[start:at]:
            mark = cash + slope * price
            low, high = min(low, mark), max(high, mark)
        if not high > peak:  # as with most positions: then the lowest mark is all that counts
            trough = min(trough, low)
            continue
        for price in close[start:at]:
            mark = cash + slope * price
            if mark > peak:
                if peak > 0.0:
                    worst = min(worst, trough / peak)
                peak = trough = mark
            elif mark < trough:
                trough = mark
    return min(worst, trough / peak) - 1.0 if peak > 0.0 else np.nan


def _drawdown_arrays(close: FloatArray, trades: TradeArrays, costs: CostRates) -> float:
    """The deepest fall of equity from its highest mark so far: min(E / max(E so far)) - 1, 0 or less.

    `NaN` when no mark is positive. No curve is made: as E / max(p, q) = min(E / p, E / q), each stretch
    is measured from the peak before it, and from its own peak only where that could be deeper.
    """
    count, end = len(trades.side), len(close)
    low, high = np.full(2 * count + 1, np.inf), np.full(2 * count + 1, -np.inf)
    flat = np.concatenate(([0], trades.exit_row)) < np.concatenate((trades.entry_row, [end]))
    levels = np.concatenate(([costs.capital], trades.after))
    low[0::2][flat] = high[0::2][flat] = levels[flat]
    cash, slope = _held_line(trades, costs)
    if count:
        ends = np.stack((_reduce_held(np.minimum, close, trades), _reduce_held(np.maximum, close, trades)))
        marks = cash + slope * ends
        held = trades.entry_row < trades.exit_row
        np.copyto(low[1::2], np.minimum(marks[0], marks[1]), where=held)
        np.copyto(high[1::2], np.maximum(marks[0], marks[1]), where=held)
    peaks = np.maximum.accumulate(high)
    if not peaks[-1] > 0.0:
        return np.nan
    after_peak = peaks[:-1] > 0.0
    worst = min(1.0, float(np.min(low[1:][after_peak] / peaks[:-1][after_peak], initial=1.0)))
    deepest = np.divide(low[1::2], high[1::2], out=np.ones(count), where=high[1::2] > 0.0)
    candidates = np.flatnonzero(deepest < worst)
    for k in candidates[np.argsort(deepest[candidates])].tolist():
        if deepest[k] >= worst:
            break
        held_close = close[trades.entry_row[k] : trades.exit_row[k]]
        worst = min(worst, deepest_within(held_close, float(cash[k]), float(slope[k])))
    return worst - 1.0


def deepest_within(close: FloatArray, cash: float, slope: float) -> float:
    """min(E / max(E so far)) of one position."""
    worst, peak = 1.0, -np.inf
    for start in range(0, len(close), _SCAN_ROWS):
        marks = cash + slope * close[start : start + _SCAN_ROWS]
        peaks = np.maximum.accumulate(marks)
        np.maximum(peaks, peak, out=peaks)
        peak = float(peaks[-1])
        worst = min(worst, float(np.min(marks / peaks)))
    return worst


def _held_line(trades: TradeArrays, costs: CostRates) -> tuple[FloatArray, FloatArray]:
    """Equity while held as a line over the close: `cash + slope * close`."""
    credit = 1.0 + (1.0 - costs.fee) / (1.0 + costs.fee)
    long = trades.side > 0
    return np.where(long, 0.0, trades.before * credit), np.where(long, trades.units, -trades.units)


def _equity_loop(close: FloatArray, trades: TradeArrays, costs: CostRates, out: FloatArray) -> None:
    credit = 1.0 + (1.0 - costs.fee) / (1.0 + costs.fee)
    flat, at = costs.capital, 0
    for k in range(len(trades.side)):
        out[at : trades.entry_row[k]] = flat
        at, flat = trades.exit_row[k], trades.after[k]
        long = trades.side[k] > 0
        cash = 0.0 if long else trades.before[k] * credit
        slope = trades.units[k] if long else -trades.units[k]
        for row in range(trades.entry_row[k], at):
            out[row] = cash + slope * close[row]
    out[at:] = flat


def _equity_arrays(close: FloatArray, trades: TradeArrays, costs: CostRates, out: FloatArray) -> None:
    """Equity at every close, written into `out`, shape (n,), in currency."""
    count = len(trades.side)
    cash, slope = _held_line(trades, costs)
    line = np.zeros((2, 2 * count + 1))
    line[0, 0::2] = np.concatenate(([costs.capital], trades.after))
    line[0, 1::2], line[1, 1::2] = cash, slope
    bounds = np.zeros(2 * count + 2, dtype=np.int64)
    bounds[1:-1:2], bounds[2:-1:2], bounds[-1] = trades.entry_row, trades.exit_row, len(close)
    lengths = np.diff(bounds)
    np.multiply(np.repeat(line[1], lengths), close, out=out)
    out += np.repeat(line[0], lengths)


def equity_at(rows: IntArray, close: FloatArray, trades: TradeArrays, costs: CostRates) -> FloatArray:
    """Equity at the closes of some rows only, bit for bit that of the curve."""
    if len(trades.side) == 0:
        return np.full(len(rows), costs.capital)
    cash, slope = _held_line(trades, costs)
    entered = np.searchsorted(trades.entry_row, rows, side="right")
    k = np.maximum(entered - 1, 0)
    held = cash[k] + slope[k] * close[rows]
    flat = np.where(entered > 0, trades.after[k], costs.capital)
    return np.where((entered > 0) & (rows < trades.exit_row[k]), held, flat)


max_drawdown: Final = NumericKernel(loop=_drawdown_loop, arrays=_drawdown_arrays)
equity_curve: Final = NumericKernel(loop=_equity_loop, arrays=_equity_arrays)
