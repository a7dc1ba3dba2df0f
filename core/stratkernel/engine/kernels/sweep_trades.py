"""The kernel of a sweep: the signals of many combinations to trades and to what their metrics are made of.

The arithmetic is that of `trade_kernels` and `equity_kernels`, to the last bit; what differs is that no
trade is kept. Two shortcuts leave out work that cannot change a result. The deepest fall is
min(E / max(E so far)): a stretch whose lowest mark stays above the worst ratio so far times the peak has
nothing to say, and its extremes come from a table over blocks that reach a little further than the stretch.
Whoever is not ruined at the highest close around needs no look at every close.
"""

from typing import Final

import numpy as np

from stratkernel.contracts.arrays import BoolArray, FloatArray, IntArray
from stratkernel.contracts.signals import SignalType
from stratkernel.engine.kernels.accuracy_kernels import DIRECTION, count_hits
from stratkernel.engine.kernels.dispatch import NumericKernel
from stratkernel.engine.kernels.equity_kernels import equity_at, max_drawdown
from stratkernel.engine.kernels.sweep_arrays import (
    BLOCK_SHIFT,
    FELL,
    HELD,
    HITS,
    LOSSES,
    MISSES,
    TRADES,
    UNUSUAL,
    WINS,
    Batch,
    Market,
    Measured,
    Rules,
)
from stratkernel.engine.kernels.sweep_longs import trade_longs
from stratkernel.engine.kernels.trade_kernels import CostRates, TradeArrays, block_maxima, match_signals

_EXIT_LONG: Final = int(SignalType.EXIT_LONG)
_EXIT_SHORT: Final = int(SignalType.EXIT_SHORT)
_ENTRY_LONG: Final = int(SignalType.ENTRY_LONG)
_ENTRY_SHORT: Final = int(SignalType.ENTRY_SHORT)
_LAST_TYPE: Final = max(int(kind) for kind in SignalType)
_NEVER_DEEPER: Final = 1.0 + 1e-9
"""How far above the worst ratio a mark must be to be left out: much more than rounding can do."""


def _trade_loop(  # noqa: C901, PLR0912, PLR0915 - numba cannot call helpers that are not compiled
    batch: Batch, market: Market, mark_rows: IntArray, costs: CostRates, rules: Rules, out: Measured
) -> None:
    price, close, table_low, table_high = market.price, market.close, market.low, market.high
    levels = market.levels
    fee, slippage = costs.fee, costs.slippage
    keep = (1.0 - fee) / (1.0 + fee)
    credit = 1.0 + keep
    end = rules.end - rules.begin
    days = len(mark_rows)
    for number in range(len(batch.bounds) - 1):
        begins, ends = batch.bounds[number], batch.bounds[number + 1]
        start, first = batch.start[number], max(batch.first[number], rules.begin)
        unusual = False
        before_row, before_type = np.int64(-1), np.int64(-1)
        hits, misses = 0, 0
        from_signal, to_signal = ends, ends
        for i in range(begins, ends):
            row, kind, sure = batch.rows[i], batch.types[i], batch.confidence[i]
            same = row == before_row
            if (
                row < before_row
                or (same and kind <= before_type)
                or row < start
                or row >= rules.folded
                or kind < 0
                or kind > _LAST_TYPE
                or not (sure >= 0.0 and sure <= 1.0)
            ):
                unusual = True
            before_row, before_type = row, kind
            if row >= first and from_signal == ends:
                from_signal = i
            if row >= rules.end and to_signal == ends:
                to_signal = i
        if unusual:
            out.counts[number, UNUSUAL] = 1.0
            continue
        if rules.horizon > 0:
            for i in range(from_signal, to_signal):
                row = batch.rows[i] - rules.begin
                if row >= end - rules.horizon:
                    break
                forward = DIRECTION[batch.types[i]] * (close[row + rules.horizon] / close[row] - 1.0)
                if forward > rules.cost:
                    hits += 1
                elif forward < -rules.cost:
                    misses += 1
        equity = costs.capital
        held, entry_price, entry, units = 0, 0.0, np.int64(0), 0.0
        worst, peak, deep = 1.0, 0.0, 0.0
        at, day = np.int64(0), 0
        closed, won, lost = 0, 0, 0
        intervals = np.int64(0)
        liquidated = False
        i = from_signal
        while True:
            row = batch.rows[i] - rules.begin + rules.delay if i < to_signal else end
            if held == 0:
                if row >= end:
                    break
                kind = batch.types[i]
                i += 1
                if kind in (_ENTRY_LONG, _ENTRY_SHORT):
                    held = 1 if kind == _ENTRY_LONG else -1
                    entry = np.int64(row)
                    entry_price = price[row] * (1.0 + held * slippage)
                    units = equity / (entry_price * (1.0 + fee))
                continue
            if row < end and batch.types[i] != (_EXIT_LONG if held > 0 else _EXIT_SHORT):
                i += 1
                continue
            i += 1
            leaves = min(row, end)
            cash = 0.0 if held > 0 else equity * credit
            slope = units if held > 0 else -units
            low_block, high_block = entry >> BLOCK_SHIFT, (leaves - 1) >> BLOCK_SHIFT
            level = levels[high_block - low_block + 1]
            other = high_block + 1 - (1 << level)
            lowest = min(table_low[level, low_block], table_low[level, other])
            highest = max(table_high[level, low_block], table_high[level, other])
            if held < 0 and cash - units * highest <= 0.0:
                for mark in range(entry, leaves):
                    if cash - units * close[mark] <= 0.0:
                        leaves, liquidated = np.int64(mark), True
                        break
            while day < days and mark_rows[day] < entry:
                out.marks[number, day] = equity
                day += 1
            while day < days and mark_rows[day] < leaves:
                out.marks[number, day] = cash + slope * close[mark_rows[day]]
                day += 1
            if entry > at:
                if equity > peak:
                    peak = equity
                    deep = worst * peak * _NEVER_DEEPER
                elif equity < deep:
                    worst = min(worst, equity / peak)
                    deep = worst * peak * _NEVER_DEEPER
            low_mark = cash + slope * (lowest if held > 0 else highest)
            high_mark = cash + slope * (highest if held > 0 else lowest)
            if high_mark > peak or low_mark < deep:
                for mark in range(entry, leaves):
                    value = cash + slope * close[mark]
                    if value > peak:
                        peak = value
                        deep = worst * peak * _NEVER_DEEPER
                    elif value < deep:
                        worst = min(worst, value / peak)
                        deep = worst * peak * _NEVER_DEEPER
            before = equity
            intervals += leaves - entry
            at = np.int64(leaves)
            held_before = held
            held = 0
            if leaves == end:
                last = close[end - 1]
                equity = units * last if held_before > 0 else before * credit - units * last
                if rules.delay == 0:
                    intervals -= 1
                break
            base = close[leaves] if liquidated else price[leaves]
            moved = (base * (1.0 - held_before * slippage)) / entry_price
            equity = before * (moved * keep if held_before > 0 else credit - moved)
            gained = equity - before
            out.pnl[begins + closed] = gained
            closed += 1
            out.wins[begins + won] = gained  # without branches, which would be guessed wrong half the time
            won += 1 if gained > 0.0 else 0
            out.losses[begins + lost] = gained
            lost += 1 if gained < 0.0 else 0
            if liquidated or equity <= 0.0:
                break
        if liquidated and rules.delay > 0:
            intervals += 1
        if end > at:
            if equity > peak:
                peak = equity
            elif equity < deep:
                worst = min(worst, equity / peak)
        while day < days:
            out.marks[number, day] = equity
            day += 1
        out.counts[number, FELL] = worst - 1.0 if peak > 0.0 else np.nan
        out.counts[number, TRADES] = closed
        out.counts[number, WINS] = won
        out.counts[number, LOSSES] = lost
        out.counts[number, HELD] = intervals
        out.counts[number, HITS] = hits
        out.counts[number, MISSES] = misses
        out.counts[number, UNUSUAL] = 0.0 if np.isfinite(equity) and np.isfinite(peak) else 1.0


def _trade_arrays(
    batch: Batch, market: Market, mark_rows: IntArray, costs: CostRates, rules: Rules, out: Measured
) -> None:
    """Trade the signals of each combination and write down what its metrics need.

    Signals are as a strategy gave them and are held against the contract first; a combination whose
    signals break it is marked `UNUSUAL` and left alone. Those that only go long are traded together.
    """
    with np.errstate(all="ignore"):  # what is not finite is found at the end
        usual = ~_breaks_contract(batch, rules)
        number = np.repeat(np.arange(len(usual)), np.diff(batch.bounds))
        whole = slice(0, int(batch.bounds[-1]))
        shorts = np.zeros(len(usual), dtype=np.bool_)
        shorts[number[batch.types[whole] == _ENTRY_SHORT]] = True
        if rules.horizon:
            shorts[:] = True
        out.counts[:, UNUSUAL] = ~usual
        together = usual & ~shorts
        if together.any():
            trade_longs(batch, market, mark_rows, costs, rules, together, number, out)
        ceiling = block_maxima(market.close) if (usual & shorts).any() else np.empty(0)
        for one in np.flatnonzero(usual & shorts).tolist():
            _trade_one(one, batch, market, mark_rows, ceiling, costs, rules, out)


def _breaks_contract(batch: Batch, rules: Rules) -> BoolArray:
    """Which combinations have signals out of order or out of bounds."""
    sizes = np.diff(batch.bounds)
    number = np.repeat(np.arange(len(sizes)), sizes)
    whole = slice(0, int(batch.bounds[-1]))
    rows, types, sure = batch.rows[whole], batch.types[whole], batch.confidence[whole]
    bad = ~((sure >= 0.0) & (sure <= 1.0))  # NaN is neither
    bad |= (types < 0) | (types > _LAST_TYPE)
    bad |= (rows < batch.start[number]) | (rows >= rules.folded)
    places = rows * (_LAST_TYPE + 1) + types
    bad[1:] |= (places[1:] <= places[:-1]) & (number[1:] == number[:-1])
    broken = np.zeros(len(sizes), dtype=np.bool_)
    broken[number[bad]] = True
    return broken


def _trade_one(
    number: int,
    batch: Batch,
    market: Market,
    mark_rows: IntArray,
    ceiling: FloatArray,
    costs: CostRates,
    rules: Rules,
    out: Measured,
) -> None:
    begins, ends = int(batch.bounds[number]), int(batch.bounds[number + 1])
    rows, types = batch.rows[begins:ends], batch.types[begins:ends]
    counts = out.counts[number]
    first, last = np.searchsorted(rows, (max(int(batch.first[number]), rules.begin), rules.end))
    rows, kinds = rows[first:last] - rules.begin, types[first:last].astype(np.int8)
    buffers = TradeArrays.empty((len(rows) + 1) // 2)
    count, liquidated = match_signals.arrays(
        rows, kinds, market.price, market.close, ceiling, rules.delay, costs, buffers
    )
    trades = buffers.first(count)
    counts[FELL] = max_drawdown.arrays(market.close, trades, costs)
    out.marks[number] = equity_at(mark_rows, market.close, trades, costs)
    _count(counts, out, begins, trades, liquidated, rules)
    if rules.horizon:
        resolved = np.searchsorted(rows, len(market.close) - rules.horizon)
        counts[HITS], counts[MISSES] = count_hits.arrays(
            market.close, rows[:resolved], kinds[:resolved], rules.horizon, rules.cost
        )
    ends_at = trades.after[-1] if count else costs.capital
    counts[UNUSUAL] = not (np.isfinite(ends_at) and np.isfinite(counts[FELL]))


def _count(
    counts: FloatArray, out: Measured, begins: int, trades: TradeArrays, liquidated: bool, rules: Rules
) -> None:
    count, end = len(trades.side), rules.end - rules.begin
    stays_open = count > 0 and bool(trades.exit_row[-1] == end)
    pnl = (trades.after - trades.before)[: count - stays_open]
    wins, losses = pnl[pnl > 0.0], pnl[pnl < 0.0]
    for column, values in ((out.pnl, pnl), (out.wins, wins), (out.losses, losses)):
        column[begins : begins + len(values)] = values
    held = int((trades.exit_row - trades.entry_row).sum())
    counts[TRADES], counts[WINS], counts[LOSSES] = len(pnl), len(wins), len(losses)
    counts[HELD] = held + liquidated if rules.delay else held - stays_open


trade_signals: Final = NumericKernel(loop=_trade_loop, arrays=_trade_arrays)
