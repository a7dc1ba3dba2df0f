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
    """The deepest fall of each combination, as `equity_kernels.max_drawdown` measures it.

    Equity is level, then a line over the close, then level again; all stretches of all combinations stand
    in one array, from `begins` on those of each.
    """
    counts = np.diff(longs.bounds)
    begins = 2 * longs.bounds[:-1] + np.arange(len(counts))
    ends = begins + 2 * counts
    levels_at = np.concatenate((begins, begins[longs.number] + 2 * _ranks(longs, 1)))
    low = np.full(int(ends[-1]) + 1, np.inf)
    high = np.full(len(low), -np.inf)
    flat = np.concatenate((np.ones(len(counts), dtype=np.bool_), longs.exit_row < len(close)))
    levels = np.concatenate((np.full(len(counts), costs.capital), longs.after))
    if len(longs.number):
        extremes = _extremes(longs, close)
        held_at = levels_at[len(counts) :] - 1
        low[held_at], high[held_at] = longs.units * extremes[0], longs.units * extremes[1]
        left = np.concatenate(([0], longs.exit_row[:-1]))
        left[longs.bounds[:-1][counts > 0]] = 0
        before = np.where(_ranks(longs, 0) == 0, longs.number, len(counts) + np.arange(len(left)) - 1)
        flat[before[longs.entry_row == left]] = False
    low[levels_at[flat]] = high[levels_at[flat]] = levels[flat]
    peaks = np.empty(len(low))
    for start, stop in zip(begins.tolist(), (ends + 1).tolist(), strict=True):
        np.maximum.accumulate(high[start:stop], out=peaks[start:stop])
    ratios = np.ones(len(low))
    np.divide(low[1:], peaks[:-1], out=ratios[1:], where=peaks[:-1] > 0.0)
    ratios[begins] = 1.0
    worst = np.minimum(np.minimum.reduceat(ratios, begins), 1.0)
    if len(longs.number):
        deepest = low[held_at] / high[held_at]
        for k in np.flatnonzero(deepest < worst[longs.number]).tolist():
            number = int(longs.number[k])
            if deepest[k] < worst[number]:
                held = close[longs.entry_row[k] : longs.exit_row[k]]
                worst[number] = min(worst[number], deepest_within(held, 0.0, float(longs.units[k])))
    finite = np.isfinite(peaks[ends]) & np.isfinite(worst) & (peaks[ends] > 0.0)
    finite[longs.number[~np.isfinite(longs.after)]] = False
    out.counts[which, FELL] = worst[which] - 1.0
    out.counts[which, UNUSUAL] = ~finite[which]


def _ranks(longs: _Longs, first: int) -> IntArray:
    """The number of each trade within its combination, from `first` on."""
    return np.arange(first, len(longs.number) + first) - longs.bounds[longs.number]


def _extremes(longs: _Longs, close: FloatArray) -> FloatArray:
    """The lowest and the highest close of each trade, shape (2, trades)."""
    padded = np.append(close, close[-1])  # so that the end of the data is an index
    around = np.empty(2 * len(longs.number), dtype=np.int64)
    around[0::2], around[1::2] = longs.entry_row, longs.exit_row
    return np.stack((np.minimum.reduceat(padded, around)[::2], np.maximum.reduceat(padded, around)[::2]))
