"""Signals on candles that say little: repaired ones, and prices that stand still."""

import numpy as np
from typing_extensions import override

from stratkernel.contracts.arrays import BoolArray
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.signals import SignalFlag, SignalTable
from stratkernel.engine.validators.counting import CountingValidator

_STILL = 10


class StalePrice(CountingValidator):
    """A signal at a price that has not moved for ten candles, nor within them: a feed that hangs?"""

    name = "stale"
    reads = _STILL
    says = f"come at a price that has stood still for {_STILL} candles"

    @override
    def marks(self, candles: Candles, signals: SignalTable) -> BoolArray:
        close, high, low = candles.columns.close, candles.columns.high, candles.columns.low
        places = np.flatnonzero((signals.rows >= _STILL - 1) & (signals.rows < len(candles)))
        for before in range(_STILL):
            rows = signals.rows[places]
            still = high[rows - before] == low[rows - before]
            if before:
                still &= close[rows - before] == close[rows]
            places = places[still]
            if not len(places):
                break
        marked = np.zeros(len(signals), dtype=np.bool_)
        marked[places] = True
        return marked


class RepairedCandles(CountingValidator):
    """A signal on a candle that was repaired, filled in or kept though it breaks a rule."""

    name = "repaired_candles"
    reads = 0
    says = "were computed on candles that were repaired, filled in or flagged"

    @override
    def marks(self, candles: Candles, signals: SignalTable) -> BoolArray:
        return np.asarray((signals.flags & SignalFlag.REPAIRED) != 0)
