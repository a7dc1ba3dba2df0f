"""What goes into the kernel of a sweep and what comes out: signals, candles, rules, counts."""

from typing import Final, NamedTuple

import numpy as np

from stratkernel.contracts.arrays import FloatArray, IntArray

BLOCK_SHIFT: Final = 4
_BLOCK: Final = 1 << BLOCK_SHIFT

FELL, TRADES, WINS, LOSSES, HELD, HITS, MISSES, UNUSUAL = range(8)
"""Columns of what the kernel counts for a combination.

The deepest fall (0 or less), closed trades, those that won and lost, candle intervals with a position,
signals judged right and wrong, and whether something was found that only the careful way can judge:
signals against the contract, or numbers that are not finite.
"""
COUNTED: Final = 8


class Market(NamedTuple):
    """Candles that trades are made over, shape (n,), and the extremes of their closes around any stretch.

    `low` and `high`, shape (levels, blocks), hold at [k, i] the extreme close of the 2**k blocks from i on;
    `levels`, shape (blocks + 1,), says for each number of blocks the largest k with 2**k of them or less.
    """

    price: FloatArray
    close: FloatArray
    low: FloatArray
    high: FloatArray
    levels: IntArray


class Batch(NamedTuple):
    """Signals of some combinations, one after the other: those of number i from `bounds[i]` on.

    `rows` count in the candles that were folded. `start` is for each combination the first row that it
    could give a signal for, `first` the first at which one counts.
    """

    bounds: IntArray
    rows: IntArray
    types: IntArray
    confidence: FloatArray
    start: IntArray
    first: IntArray


class Rules(NamedTuple):
    """`folded` candles of which those from `begin` to `end` come out; rows from signal to fill; accuracy.

    `horizon` 0 says that nobody asks for accuracy.
    """

    folded: int
    begin: int
    end: int
    delay: int
    horizon: int
    cost: float


class Measured(NamedTuple):
    """What comes out for each of the combinations: counts, equity at marks, profits of closed trades.

    `marks` has shape (combinations, marks). Profits, all and those above and below 0, begin at the
    combination's bound.
    """

    counts: FloatArray
    marks: FloatArray
    pnl: FloatArray
    wins: FloatArray
    losses: FloatArray


def market_of(price: FloatArray, close: FloatArray) -> Market:
    """The candles with tables of their extremes: 16 / 16 * 2 * log2(n / 16) bytes a candle."""
    bounds = np.arange(0, len(close), _BLOCK)
    levels_low = [np.minimum.reduceat(close, bounds)]
    levels_high = [np.maximum.reduceat(close, bounds)]
    blocks, span = len(bounds), 1
    while 2 * span <= blocks:
        for levels, extreme in ((levels_low, np.minimum), (levels_high, np.maximum)):
            level = levels[-1].copy()
            extreme(level[:-span], level[span:], out=level[:-span])
            levels.append(level)
        span *= 2
    largest = np.zeros(blocks + 1, dtype=np.int64)
    largest[1:] = np.frexp(np.arange(1, blocks + 1))[1] - 1
    return Market(price, close, np.stack(levels_low), np.stack(levels_high), largest)
