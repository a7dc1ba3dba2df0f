"""Trades of many combinations that only go long, with numpy over all of them at once.

The arithmetic is that of `trade_kernels` and `equity_kernels`, to the last bit.
"""

from typing import Final, NamedTuple

import numpy as np

from stratkernel.contracts.arrays import BoolArray, FloatArray, IntArray
from stratkernel.contracts.signals import SignalType
from stratkernel.engine.kernels.equity_kernels import deepest_within
from stratkernel.engine.kernels.sweep_arrays import (
    FELL,
    HELD,
    LOSSES,
    TRADES,
    UNUSUAL,
    WINS,
    Batch,
    Market,
    Measured,
    Rules,
)
from stratkernel.engine.kernels.trade_kernels import CostRates

_ENTRY: Final = int(SignalType.ENTRY_LONG)
_EXIT: Final = int(SignalType.EXIT_LONG)


class _Longs(NamedTuple):
    """Trades of all combinations, shape (trades,); those of number i are `bounds[i]` to `bounds[i + 1]`.

    `exit_row` is the number of candles for a position that stays open, as `stays` tells.
    """

    number: IntArray
    bounds: IntArray
    entry_row: IntArray
    exit_row: IntArray
    stays: BoolArray
    units: FloatArray
    before: FloatArray
    after: FloatArray


def trade_longs(
    batch: Batch,
    market: Market,
    mark_rows: IntArray,
    costs: CostRates,
    rules: Rules,
    which: BoolArray,
    number: IntArray,
    out: Measured,
) -> None:
    """Trade the combinations of a mask, whose signals hold to the contract and enter no short.

    `number` says of each signal to which combination it belongs.
    """
    longs = _longs(batch, market, costs, rules, which, number)
    closed = ~longs.stays
    pnl = (longs.after - longs.before)[closed]
    of_closed = longs.number[closed]
    count = len(which)
    for place, kept, column in (
        (TRADES, np.ones(len(pnl), dtype=np.bool_), out.pnl),
        (WINS, pnl > 0.0, out.wins),
        (LOSSES, pnl < 0.0, out.losses),
    ):
        values, owner = pnl[kept], of_closed[kept]
        counts = np.bincount(owner, minlength=count)
        ranks = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
        column[batch.bounds[owner] + ranks] = values
        out.counts[which, place] = counts[which]
    held = np.bincount(longs.number, weights=longs.exit_row - longs.entry_row, minlength=count)
    if not rules.delay:
        held -= np.bincount(longs.number, weights=longs.stays, minlength=count)
    out.counts[which, HELD] = held[which]
    out.marks[which] = _marks(longs, market.close, mark_rows, costs)[which]
    _measure_falls(longs, market.close, costs, which, out)


def _longs(
    batch: Batch, market: Market, costs: CostRates, rules: Rules, which: BoolArray, number: IntArray
) -> _Longs:
    whole = slice(0, int(batch.bounds[-1]))
    rows, types = batch.rows[whole], batch.types[whole]
    end = rules.end - rules.begin
    counts = which[number] & ((types == _ENTRY) | (types == _EXIT))
    counts &= rows >= np.maximum(batch.first, rules.begin)[number]
    counts &= rows < rules.end - rules.delay
    said = np.flatnonzero(counts)
    owner, held = number[said], types[said] == _ENTRY
    before = np.concatenate(([False], held[:-1]))
    before[np.concatenate(([True], owner[1:] != owner[:-1]))[: len(before)]] = False
    changed = held != before
    at, entering, owner = rows[said[changed]] - rules.begin + rules.delay, held[changed], owner[changed]
    entries = np.flatnonzero(entering)
    following = np.minimum(entries + 1, len(at) - 1)
    stays = (entries + 1 == len(at)) | (owner[following] != owner[entries])
    entry_row, owner = at[entries], owner[entries]
    exit_row = np.where(stays, end, at[following])
    keep = (1.0 - costs.fee) / (1.0 + costs.fee)
    entry_price = market.price[entry_row] * (1.0 + 1.0 * costs.slippage)
    last_price = market.price[np.where(stays, end - 1, exit_row)]
    grown = (last_price * (1.0 - 1.0 * costs.slippage)) / entry_price * keep
    bounds = np.concatenate(([0], np.cumsum(np.bincount(owner, minlength=len(which)))))
    first = np.empty(len(grown))
    for start, stop in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        if stop > start:
            first[start] = costs.capital
            part = grown[start:stop]
            part[0] *= costs.capital
            np.multiply.accumulate(part, out=part)
            first[start + 1 : stop] = part[:-1]
    units = first / (entry_price * (1.0 + costs.fee))
    after = np.where(stays, units * market.close[-1], grown)
    return _Longs(owner, bounds, entry_row, exit_row, stays, units, first, after)


def _marks(longs: _Longs, close: FloatArray, mark_rows: IntArray, costs: CostRates) -> FloatArray:
    """Equity at the closes of these rows, shape (combinations, marks)."""
    count, span = len(longs.bounds) - 1, len(close) + 1
    if not len(longs.number):
        return np.full((count, len(mark_rows)), costs.capital)
    places = longs.number * span + longs.entry_row
    asked = np.arange(count)[:, np.newaxis] * span + mark_rows
    entered = np.searchsorted(places, asked, side="right")
    entered_own = entered > longs.bounds[:-1, np.newaxis]
    k = np.maximum(entered - 1, 0)
    held = longs.units[k] * close[mark_rows]
    flat = np.where(entered_own, longs.after[k], costs.capital)
    return np.where(entered_own & (mark_rows < longs.exit_row[k]), held, flat)


def _measure_falls(
    longs: _Longs, close: FloatArray, costs: CostRates, which: BoolArray, out: Measured
) -> None:
    """The deepest fall of each combination, as `equity_kernels.max_drawdown` measures it."""
    padded = np.append(close, close[-1])  # so that the end of the data is an index
    around = np.empty(2 * len(longs.number), dtype=np.int64)
    around[0::2], around[1::2] = longs.entry_row, longs.exit_row
    if len(around):
        lows = longs.units * np.minimum.reduceat(padded, around)[::2]
        highs = longs.units * np.maximum.reduceat(padded, around)[::2]
    for number in np.flatnonzero(which).tolist():
        start, stop = int(longs.bounds[number]), int(longs.bounds[number + 1])
        count = stop - start
        low, high = np.full(2 * count + 1, np.inf), np.full(2 * count + 1, -np.inf)
        levels = np.empty(count + 1)
        levels[0], levels[1:] = costs.capital, longs.after[start:stop]
        flat = np.empty(count + 1, dtype=np.bool_)
        if count:
            entry_row, exit_row = longs.entry_row[start:stop], longs.exit_row[start:stop]
            flat[0], flat[-1] = entry_row[0] > 0, exit_row[-1] < len(close)
            np.greater(entry_row[1:], exit_row[:-1], out=flat[1:-1])
            low[1::2], high[1::2] = lows[start:stop], highs[start:stop]
        else:
            flat[0] = True
        np.copyto(low[0::2], levels, where=flat)
        np.copyto(high[0::2], levels, where=flat)
        peaks = np.maximum.accumulate(high)
        worst = min(
            1.0, float((low[1:] / peaks[:-1]).min(initial=1.0)) if peaks[0] > 0.0 else _after(low, peaks)
        )
        deepest = low[1::2] / high[1::2]
        for k in np.flatnonzero(deepest < worst).tolist():
            if deepest[k] < worst:
                held = close[longs.entry_row[start + k] : longs.exit_row[start + k]]
                worst = min(worst, deepest_within(held, 0.0, float(longs.units[start + k])))
        out.counts[number, FELL] = worst - 1.0
        finite = np.isfinite(levels[-1]) and np.isfinite(peaks[-1]) and np.isfinite(worst)
        out.counts[number, UNUSUAL] = not (finite and peaks[-1] > 0.0)


def _after(low: FloatArray, peaks: FloatArray) -> float:
    """The deepest mark below a peak where the first stretch has no mark."""
    known = peaks[:-1] > 0.0
    return float((low[1:][known] / peaks[:-1][known]).min(initial=1.0))
