"""The kernel of positions that leave by themselves: stop-loss, take-profit, trailing stop, longest time.

A fold over candles: it takes the position that it is given, lives through the rows, writes the trades that
ended and gives the position that is left, so that candle by candle and all at once are the same.

What happens at one row, in this order, `delay` 1 (fills at the open): the longest holding time and exit
signals at the open, entries at the open, levels within the candle, the mark at the close. `delay` 0 (fills
at the close): levels within the candle, longest holding time and exit signals at the close, entries at the
close, the mark. Equity is that of `trade_kernels`.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from stratkernel.contracts.arrays import FloatArray, IntArray
from stratkernel.contracts.signals import SignalType
from stratkernel.engine.kernels.dispatch import NumericKernel
from stratkernel.engine.kernels.trade_kernels import CostRates, TradeArrays

OPEN: Final = 0
SIGNAL: Final = 1
STOP_LOSS: Final = 2
TAKE_PROFIT: Final = 3
TRAILING_STOP: Final = 4
MAX_BARS: Final = 5
LIQUIDATED: Final = 6
"""Why a trade ended; 0 while it has not."""

_EXIT_LONG: Final = int(SignalType.EXIT_LONG)
_EXIT_SHORT: Final = int(SignalType.EXIT_SHORT)
_ENTRY_LONG: Final = int(SignalType.ENTRY_LONG)
_ENTRY_SHORT: Final = int(SignalType.ENTRY_SHORT)
_FIRST_BLOCK: Final = 64
_LARGEST_BLOCK: Final = 65_536
_NO_ROW: Final = 1 << 60


class ExitLevels(NamedTuple):
    """Distances as fractions of a price, infinite where there is no such rule; `max_bars` in candles."""

    stop_loss: float = np.inf
    take_profit: float = np.inf
    trailing_stop: float = np.inf
    max_bars: int = _NO_ROW


class Prices(NamedTuple):
    """Candles as columns, each of shape (n,)."""

    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray


class Position(NamedTuple):
    """What is held. `equity` is all of it or, while `side` is not 0, what went in.

    `entry_row` counts from the first candle that there ever was; `best` is the highest (long) or lowest
    (short) price since the entry; `spent` tells that nothing is entered any more.
    """

    equity: float
    side: int
    entry_row: int
    entry_price: float
    best: float
    spent: bool


class ExitColumns(NamedTuple):
    """For each trade the price at which it ended, before slippage, and the reason's code."""

    price: FloatArray
    reason: npt.NDArray[np.int8]

    @classmethod
    def empty(cls, size: int) -> "ExitColumns":
        """Uninitialised columns for `size` trades."""
        return cls(np.empty(size), np.empty(size, dtype=np.int8))

    def first(self, count: int) -> "ExitColumns":
        """Those of the first trades, without a copy."""
        return ExitColumns(self.price[:count], self.reason[:count])


def _follow_loop(  # noqa: C901, PLR0912, PLR0913, PLR0915, PLR0917 - numba calls no plain helpers
    rows: IntArray,
    types: npt.NDArray[np.int8],
    prices: Prices,
    start: int,
    delay: int,
    costs: CostRates,
    levels: ExitLevels,
    held: Position,
    out: TradeArrays,
    ends: ExitColumns,
) -> tuple[int, Position]:
    keep = (1.0 - costs.fee) / (1.0 + costs.fee)
    equity, side, entry_row, entry_price, best, spent = held
    end, signals = len(prices.close), len(rows)
    count, i, row = 0, 0, 0
    while row < end and not spent:
        if side == 0:
            while i < signals and types[i] != _ENTRY_LONG and types[i] != _ENTRY_SHORT:
                i += 1
            if i == signals:
                break
            row = max(row, rows[i] + delay)
            if row >= end:
                break
        at_fill = prices.open[row] if delay == 1 else prices.close[row]
        for phase in range(5):
            why, price = OPEN, 0.0
            if phase == 1:
                if side != 0 and start + row - entry_row >= levels.max_bars:
                    why, price = MAX_BARS, at_fill
                while i < signals and rows[i] + delay <= row and types[i] < _ENTRY_LONG:
                    leaves = _EXIT_LONG if side > 0 else _EXIT_SHORT
                    if side != 0 and why == OPEN and types[i] == leaves:
                        why, price = SIGNAL, at_fill
                    i += 1
            elif phase == 2:
                while i < signals and rows[i] + delay <= row:
                    if side == 0:
                        side = 1 if types[i] == _ENTRY_LONG else -1
                        entry_price = at_fill * (1.0 + side * costs.slippage)
                        entry_row, best = start + row, entry_price
                    i += 1
            elif side == 0:
                continue
            elif phase == 4:
                if side < 0:
                    units = equity / (entry_price * (1.0 + costs.fee))
                    if equity * (1.0 + keep) - units * prices.close[row] <= 0.0:
                        why, price = LIQUIDATED, prices.close[row]
                if delay == 1 or entry_row < start + row:
                    best = max(best, prices.high[row]) if side > 0 else min(best, prices.low[row])
            elif (phase == 3) == (delay == 1):
                fixed = entry_price * (1.0 - side * levels.stop_loss)
                trail = best * (1.0 - side * levels.trailing_stop)
                target = entry_price * (1.0 + side * levels.take_profit)
                stop = max(fixed, trail) if side > 0 else min(fixed, trail)
                stops = STOP_LOSS if stop == fixed else TRAILING_STOP
                first, low, high = prices.open[row], prices.low[row], prices.high[row]
                if (first <= stop) if side > 0 else (first >= stop):
                    why, price = stops, first
                elif (first >= target) if side > 0 else (first <= target):
                    why, price = TAKE_PROFIT, first
                elif (low <= stop) if side > 0 else (high >= stop):
                    why, price = stops, stop
                elif (high >= target) if side > 0 else (low <= target):
                    why, price = TAKE_PROFIT, target
            if why == OPEN:
                continue
            moved = (price * (1.0 - side * costs.slippage)) / entry_price
            out.side[count], out.entry_row[count], out.exit_row[count] = side, entry_row, start + row
            out.units[count] = equity / (entry_price * (1.0 + costs.fee))
            out.before[count] = equity
            equity = equity * (moved * keep if side > 0 else (1.0 + keep) - moved)
            out.after[count] = equity
            ends.price[count], ends.reason[count] = price, why
            count += 1
            side = 0
            if why == LIQUIDATED or equity <= 0.0:
                spent = True
                break
        row += 1
    return count, Position(equity, side, entry_row, entry_price, best, spent)


def _follow_arrays(  # noqa: PLR0913, PLR0917 - the signature of the loop
    rows: IntArray,
    types: npt.NDArray[np.int8],
    prices: Prices,
    start: int,
    delay: int,
    costs: CostRates,
    levels: ExitLevels,
    held: Position,
    out: TradeArrays,
    ends: ExitColumns,
) -> tuple[int, Position]:
    """Live through the candles with the position `held`, and write the trades that end to `out` and `ends`.

    `rows` and `types` are ordered, exits before entries; a row of -1 (with `delay` 1) is a signal of the
    candle before the first. `start` is the number of the first candle. Gives the number of trades that
    ended and the position that is left; one that is still held is not among the trades.
    """
    fills = rows + delay
    inside = int(np.searchsorted(fills, len(prices.close)))
    fills, types = fills[:inside], types[:inside]
    entering = types >= _ENTRY_LONG
    entry_fills, entry_types = fills[entering], types[entering]
    exit_fills = {1: fills[types == _EXIT_LONG], -1: fills[types == _EXIT_SHORT]}
    count, free = 0, 0
    while not held.spent:
        if held.side == 0:
            k = int(np.searchsorted(entry_fills, free))
            if k == len(entry_fills):
                break
            held = _entered(held, int(entry_fills[k]), int(entry_types[k]), prices, start, delay, costs)
        row, why, price, best = _leave(held, exit_fills[held.side], prices, start, delay, costs, levels)
        if why == OPEN:
            held = held._replace(best=best)
            break
        held = _write(count, held, start + row, why, price, costs, out, ends)
        count += 1
        free = row + 1 if delay == 1 and why in (STOP_LOSS, TAKE_PROFIT, TRAILING_STOP) else row
    return count, held


def _entered(
    held: Position, row: int, kind: int, prices: Prices, start: int, delay: int, costs: CostRates
) -> Position:
    side = 1 if kind == _ENTRY_LONG else -1
    at_fill = float(prices.open[row] if delay == 1 else prices.close[row])
    paid = at_fill * (1.0 + side * costs.slippage)
    return Position(held.equity, side, start + row, paid, paid, spent=False)


def _write(
    k: int,
    held: Position,
    row: int,
    why: int,
    price: float,
    costs: CostRates,
    out: TradeArrays,
    ends: ExitColumns,
) -> Position:
    keep = (1.0 - costs.fee) / (1.0 + costs.fee)
    moved = (price * (1.0 - held.side * costs.slippage)) / held.entry_price
    after = held.equity * (moved * keep if held.side > 0 else (1.0 + keep) - moved)
    out.side[k], out.entry_row[k], out.exit_row[k] = held.side, held.entry_row, row
    out.units[k] = held.equity / (held.entry_price * (1.0 + costs.fee))
    out.before[k], out.after[k] = held.equity, after
    ends.price[k], ends.reason[k] = price, why
    return held._replace(equity=after, side=0, spent=why == LIQUIDATED or after <= 0.0)


def _leave(
    held: Position,
    exit_fills: IntArray,
    prices: Prices,
    start: int,
    delay: int,
    costs: CostRates,
    levels: ExitLevels,
) -> tuple[int, int, float, float]:
    """Row, reason, price and best price of the end of a position; reason 0 when it stays on."""
    end, entry = len(prices.close), held.entry_row - start
    k = int(np.searchsorted(exit_fills, entry, side="right"))
    signal = int(exit_fills[k]) if k < len(exit_fills) else _NO_ROW
    limit = entry + levels.max_bars
    fill = min(signal, limit)
    ruin = _ruin(held, prices.close, max(entry, 0), min(fill, end), costs) if held.side < 0 else _NO_ROW
    first = max(entry + 1 - delay, 0)
    # at the row of a fill at the close, the candle comes first
    last = min(fill + 1 - delay, ruin + 1, end)
    row, why, price, best = _scan(held, prices, first, last, levels)
    if why != OPEN:
        return row, why, price, best
    if ruin < _NO_ROW:
        return ruin, LIQUIDATED, float(prices.close[ruin]), best
    if fill < end:
        at_fill = prices.open[fill] if delay == 1 else prices.close[fill]
        return fill, MAX_BARS if limit <= signal else SIGNAL, float(at_fill), best
    return end, OPEN, 0.0, best


def _ruin(held: Position, close: FloatArray, first: int, last: int, costs: CostRates) -> int:
    """The first row at whose close a short has used up all equity."""
    keep = (1.0 - costs.fee) / (1.0 + costs.fee)
    units = held.equity / (held.entry_price * (1.0 + costs.fee))
    cash = held.equity * (1.0 + keep)
    size = _FIRST_BLOCK
    while first < last:
        spent = cash - units * close[first : min(first + size, last)] <= 0.0
        if spent.any():
            return first + int(np.argmax(spent))
        first += size
        size = min(2 * size, _LARGEST_BLOCK)
    return _NO_ROW


def _scan(
    held: Position, prices: Prices, first: int, last: int, levels: ExitLevels
) -> tuple[int, int, float, float]:
    """Row, reason, price and best price where the first level is touched; reason 0 when none is."""
    side, best = held.side, held.best
    fixed = held.entry_price * (1.0 - side * levels.stop_loss)
    target = held.entry_price * (1.0 + side * levels.take_profit)
    against, along = (prices.low, prices.high) if side > 0 else (prices.high, prices.low)
    size = _FIRST_BLOCK
    while first < last:
        until = min(first + size, last)
        worst, gains = against[first:until], along[first:until]
        seen = np.concatenate(([best], gains))
        bests = np.maximum.accumulate(seen) if side > 0 else np.minimum.accumulate(seen)
        trail = bests[:-1] * (1.0 - side * levels.trailing_stop)
        if side > 0:
            touched = (worst <= np.maximum(fixed, trail)) | (gains >= target)
        else:
            touched = (worst >= np.minimum(fixed, trail)) | (gains <= target)
        if touched.any():
            k = int(np.argmax(touched))
            reason, price = _settle(
                side, (fixed, float(trail[k]), target), float(prices.open[first + k]), float(worst[k])
            )
            return first + k, reason, price, float(bests[k])
        best, first = float(bests[-1]), until
        size = min(2 * size, _LARGEST_BLOCK)
    return last, OPEN, 0.0, best


def _settle(side: int, levels: tuple[float, float, float], opened: float, worst: float) -> tuple[int, float]:
    """Reason and price in a candle that touches a level: its open comes first, then the stop."""
    fixed, trail, target = levels
    stop = max(fixed, trail) if side > 0 else min(fixed, trail)
    stops = STOP_LOSS if stop == fixed else TRAILING_STOP
    if side * opened <= side * stop:
        return stops, opened
    if side * opened >= side * target:
        return TAKE_PROFIT, opened
    return (stops, stop) if side * worst <= side * stop else (TAKE_PROFIT, target)


follow_position: Final = NumericKernel(loop=_follow_loop, arrays=_follow_arrays)
