"""Where a series is cut to see what could have been known: thoroughly, or as a cheap sample."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from stratkernel.contracts.arrays import IntArray

EVERY_ROW_UP_TO: Final = 2_000
"""Rows up to which a series is cut behind every one."""

_STEPS: Final = (997, 1_997, 3_989, 7_993, 15_991, 31_991, 63_997, 127_997, 255_989, 511_997, 1_023_991)
"""Primes, so that cuts meet every place within a higher timeframe's candle."""

_MOST_CUTS_BEYOND: Final = 250
_GOLDEN: Final = 0.6180339887498949
_SAMPLED: Final = 3


@dataclass(frozen=True, slots=True)
class Cuts:
    """Rows at which to compare: numbers of candles of a prefix, of a past before poison, ends of windows.

    `chunks` are sizes, `starts` rows at which history begins later. `factors` are what later candles are
    multiplied by; None stands for random ones.
    """

    prefixes: Sequence[int]
    poisons: Sequence[int]
    windows: Sequence[int]
    chunks: Sequence[int]
    starts: Sequence[int]
    factors: Sequence[float | None]


def every_cut(rows: int) -> list[int]:
    """Behind every row up to 2,000, beyond that by a step that is coprime to all ratios of timeframes."""
    step = next((step for step in _STEPS if rows <= step * _MOST_CUTS_BEYOND), _STEPS[-1])
    return [*range(1, min(rows, EVERY_ROW_UP_TO + 1)), *range(EVERY_ROW_UP_TO + step, rows, step)]


def thorough_cuts(rows: int, warm_up: int) -> Cuts:
    """Every cut, two score of poisoned futures, chunks of many sizes, histories that begin later."""
    every = every_cut(rows)
    poisons = sorted({*_spread(warm_up + 1, min(rows, EVERY_ROW_UP_TO), 28), *_spread(warm_up + 1, rows, 12)})
    left = rows - warm_up
    starts = sorted({left // 7, left // 3, left // 2} - {0}) if left > 16 else []
    return Cuts(every, poisons, every, (1, 7, 64, 1_000), starts, (10.0, 0.001, None))


def sampled_cuts(rows: int, warm_up: int, signal_rows: IntArray, *, recalculated: bool = False) -> Cuts:
    """A few of each, most of them where there are signals: there a leak shows."""
    places = np.linspace(0, len(signal_rows) - 1, min(_SAMPLED, len(signal_rows))).astype(int)
    behind = {row + 1 for row in signal_rows[places].tolist()}
    spread = set(_spread(warm_up + 1, rows, _SAMPLED))
    cuts = sorted(cut for cut in behind | {cut + 1 for cut in behind} | spread if 0 < cut < rows)
    poisons = sorted(behind & set(cuts))[-1:] or sorted(spread)[-1:]
    chunks = () if recalculated else (max(1, rows // 3 + 1),)
    return Cuts(cuts, poisons, cuts, chunks, (), (None,))


def _spread(first: int, stop: int, count: int) -> list[int]:
    """So many rows from `first` to below `stop`, by the golden ratio: at all places of an hour or a day."""
    if stop <= first:
        return []
    shares = (np.arange(1, min(count, stop - first) + 1) * _GOLDEN) % 1.0
    return sorted({first + int(share * (stop - first)) for share in shares})
