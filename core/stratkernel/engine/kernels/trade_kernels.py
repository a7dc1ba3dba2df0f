"""The kernel of the trade simulator: signals to trades.

All equity goes in, units are fractional, nothing is borrowed. With entry price `a`, exit price `b` (both
after slippage), fee `f` a side and `keep = (1 - f) / (1 + f)`, equity grows by

- long: `keep * b / a`; while held it is `units * close`;
- short: `(1 + keep) - b / a`; while held it is `cash - units * close`, `cash = before * (1 + keep)`;

with `units = before / (a * (1 + f))`. Between two marks a position is on at the closes of the rows
`entry_row <= row < exit_row`, whichever the fill.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from stratkernel.contracts.arrays import FloatArray, IntArray
from stratkernel.contracts.signals import SignalType
from stratkernel.engine.kernels.dispatch import NumericKernel

_EXIT_LONG: Final = int(SignalType.EXIT_LONG)
_EXIT_SHORT: Final = int(SignalType.EXIT_SHORT)
_ENTRY_LONG: Final = int(SignalType.ENTRY_LONG)
_ENTRY_SHORT: Final = int(SignalType.ENTRY_SHORT)
BLOCK: Final = 256

_FLAT, _LONG, _SHORT = 0, 5, 10
_NEXT_STATE: Final = bytes((
    # HOLD, EXIT_LONG, EXIT_SHORT, ENTRY_LONG, ENTRY_SHORT
    _FLAT, _FLAT, _FLAT, _LONG, _SHORT,
    _LONG, _FLAT, _LONG, _LONG, _LONG,
    _SHORT, _SHORT, _FLAT, _SHORT, _SHORT,
))  # fmt: skip
"""Position after a signal, at [position before + signal type]."""


class CostRates(NamedTuple):
    """Costs a side as fractions (0.001 is 10 basis points), and the equity to begin with."""

    fee: float
    slippage: float
    capital: float


class TradeArrays(NamedTuple):
    """Trades as columns. `exit_row` is the number of candles for a position that stays open.

    `side` +1 or -1; `before` and `after` are the equity that goes in and comes out (for an open position:
    its mark at the last close), in currency.
    """

    side: npt.NDArray[np.int8]
    entry_row: IntArray
    exit_row: IntArray
    units: FloatArray
    before: FloatArray
    after: FloatArray

    @classmethod
    def empty(cls, size: int) -> "TradeArrays":
        """Uninitialised columns for `size` trades."""
        whole = np.empty((2, size), dtype=np.int64)
        real = np.empty((3, size))
        return cls(np.empty(size, dtype=np.int8), whole[0], whole[1], real[0], real[1], real[2])

    def first(self, count: int) -> "TradeArrays":
        """The first trades, without a copy."""
        return TradeArrays(
            self.side[:count],
            self.entry_row[:count],
            self.exit_row[:count],
            self.units[:count],
            self.before[:count],
            self.after[:count],
        )


def _match_loop(  # noqa: C901, PLR0912 - numba cannot call helpers that are not compiled
    rows: IntArray,
    types: npt.NDArray[np.int8],
    price: FloatArray,
    close: FloatArray,
    ceiling: FloatArray,
    delay: int,
    costs: CostRates,
    out: TradeArrays,
) -> tuple[int, bool]:
    fee, slippage, equity = costs.fee, costs.slippage, costs.capital
    keep = (1.0 - fee) / (1.0 + fee)
    end, signals = len(close), len(rows)
    count, held, entry_price = 0, 0, 0.0
    for i in range(signals + 1):
        row = rows[i] + delay if i < signals else end
        if held == 0:
            if row >= end:
                break
            kind = types[i]
            if kind in (_ENTRY_LONG, _ENTRY_SHORT):
                held = 1 if kind == _ENTRY_LONG else -1
                entry_price = price[row] * (1.0 + held * slippage)
                out.side[count] = held
                out.entry_row[count] = row
                out.units[count] = equity / (entry_price * (1.0 + fee))
                out.before[count] = equity
            continue
        if row < end and types[i] != (_EXIT_LONG if held > 0 else _EXIT_SHORT):
            continue
        units = out.units[count]
        leaves = min(row, end)
        liquidated = False
        if held < 0:
            cash = equity * (1.0 + keep)
            highest = 0.0
            for block in range(out.entry_row[count] // BLOCK, (leaves - 1) // BLOCK + 1):
                highest = max(highest, ceiling[block])
            if cash - units * highest <= 0.0:
                for mark in range(out.entry_row[count], leaves):
                    if cash - units * close[mark] <= 0.0:
                        leaves, liquidated = mark, True
                        break
        if leaves == end:
            last = close[end - 1]
            equity = units * last if held > 0 else equity * (1.0 + keep) - units * last
        else:
            base = close[leaves] if liquidated else price[leaves]
            moved = (base * (1.0 - held * slippage)) / entry_price
            equity = equity * (moved * keep if held > 0 else (1.0 + keep) - moved)
        out.exit_row[count] = leaves
        out.after[count] = equity
        count += 1
        held = 0
        if liquidated or equity <= 0.0:
            return count, liquidated
    return count, False


def _match_arrays(
    rows: IntArray,
    types: npt.NDArray[np.int8],
    price: FloatArray,
    close: FloatArray,
    ceiling: FloatArray,
    delay: int,
    costs: CostRates,
    out: TradeArrays,
) -> tuple[int, bool]:
    """Turn signals into trades, written into `out`; returns their number and whether the last was liquidated.

    `rows` and `types` are ordered, exits before entries; `price` is what fills happen at, `delay` rows
    after the signal; `ceiling` is `block_maxima(close)`, needed only where a short is entered. An entry
    while in and an exit while out or of the other side do nothing. After a liquidation, or when no equity
    is left, nothing is entered any more.
    """
    end = len(close)
    entries, exits, side = _transitions(types[: np.searchsorted(rows, end - delay)])
    count = len(entries)
    if count == 0:
        return 0, False
    trades = out.first(count)
    stays_open = len(exits) < count
    trades.side[:] = side
    np.add(rows[entries], delay, out=trades.entry_row)
    trades.exit_row[-1] = end
    np.add(rows[exits], delay, out=trades.exit_row[: len(exits)])
    last_prices = np.append(price[trades.exit_row[:-1]], price[trades.exit_row[-1] - stays_open])
    keep = (1.0 - costs.fee) / (1.0 + costs.fee)
    entry_price = price[trades.entry_row] * (1.0 + side * costs.slippage)
    moved = (last_prices * (1.0 - side * costs.slippage)) / entry_price
    grown = np.empty(count + 1)
    grown[0] = costs.capital
    np.subtract(1.0 + keep, moved, out=grown[1:])
    np.multiply(moved, keep, out=grown[1:], where=side > 0)
    np.multiply.accumulate(grown, out=grown)
    trades.before[:], trades.after[:] = grown[:-1], grown[1:]
    np.divide(trades.before, entry_price * (1.0 + costs.fee), out=trades.units)
    if stays_open:
        held = trades.units[-1] * close[-1]
        trades.after[-1] = held if side[-1] > 0 else trades.before[-1] * (1.0 + keep) - held
    return _stop_at_ruin(trades, entry_price, close, ceiling, costs)


def _transitions(types: npt.NDArray[np.int8]) -> tuple[IntArray, IntArray, FloatArray]:
    """Which signals open and which close a position, and the side (+1.0 or -1.0) of each that opens."""
    if not (types == _ENTRY_SHORT).any():  # then the latest word on longs is the position
        said = np.flatnonzero((types == _ENTRY_LONG) | (types == _EXIT_LONG))
        held = types.take(said) == _ENTRY_LONG
        changes = said[held != np.concatenate(([False], held[:-1]))]
        return changes[0::2], changes[1::2], np.ones((len(changes) + 1) // 2)
    state = _FLAT
    after = bytes([state := _NEXT_STATE[state + kind] for kind in types.tolist()])
    states = np.frombuffer(b"\0" + after, dtype=np.uint8)
    changes = np.flatnonzero(states[1:] != states[:-1])
    entries = changes[0::2]
    return entries, changes[1::2], np.where(states[entries + 1] == _LONG, 1.0, -1.0)


def _stop_at_ruin(
    trades: TradeArrays, entry_price: FloatArray, close: FloatArray, ceiling: FloatArray, costs: CostRates
) -> tuple[int, bool]:
    """Cut the trades after the first that leaves no equity, and liquidate it where it ran out."""
    keep = (1.0 - costs.fee) / (1.0 + costs.fee)
    spent = np.flatnonzero(trades.after <= 0.0)
    count = int(spent[0]) + 1 if len(spent) else len(trades.side)
    for k in _may_be_ruined(trades.first(count), ceiling, keep):
        start, cash = int(trades.entry_row[k]), trades.before[k] * (1.0 + keep)
        ruin = cash - trades.units[k] * close[start : trades.exit_row[k]] <= 0.0
        if ruin.any():
            row = start + int(np.argmax(ruin))
            trades.exit_row[k] = row
            moved = (close[row] * (1.0 + costs.slippage)) / entry_price[k]
            trades.after[k] = trades.before[k] * ((1.0 + keep) - moved)
            return k + 1, True
    return count, False


def _may_be_ruined(trades: TradeArrays, ceiling: FloatArray, keep: float) -> list[int]:
    """The shorts that would be ruined by the highest close of the blocks in which they are held."""
    short = np.flatnonzero(trades.side < 0)
    if len(short) == 0:
        return []
    bounds = np.empty((len(short), 2), dtype=np.int64)
    bounds[:, 0] = trades.entry_row[short] // BLOCK
    bounds[:, 1] = (trades.exit_row[short] - 1) // BLOCK + 1
    # reduceat wants every bound to be an index, the end of the last block too.
    highest = np.maximum.reduceat(np.append(ceiling, 0.0), bounds.ravel())[::2]
    lowest_mark = trades.before[short] * (1.0 + keep) - trades.units[short] * highest
    return list(short[lowest_mark <= 0.0].tolist())


def block_maxima(close: FloatArray) -> FloatArray:
    """The highest close of each block of `BLOCK` rows: what most shorts are checked against."""
    return np.asarray(np.maximum.reduceat(close, np.arange(0, len(close), BLOCK)))


match_signals: Final = NumericKernel(loop=_match_loop, arrays=_match_arrays)
