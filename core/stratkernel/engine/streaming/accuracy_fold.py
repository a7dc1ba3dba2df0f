"""Accuracy of signals that come in chunks: each is judged once the candles of its horizon are there."""

import numpy as np
import numpy.typing as npt

from stratkernel.contracts.arrays import FloatArray, IntArray
from stratkernel.contracts.columns import CANDLE_COLUMNS, Columns
from stratkernel.contracts.signals import SignalType
from stratkernel.engine.accuracy import HORIZON, JudgedSignals, SignalAccuracy, judge, summarise
from stratkernel.engine.streaming.growing import Growing


class AccuracyFold:
    """What `measure_accuracy` says; carries one horizon of candles and the signals that wait for theirs."""

    def __init__(self, cost: float, horizon: int = HORIZON) -> None:
        self._cost, self._horizon = cost, horizon
        self._tail: Columns | None = None
        self._rows: IntArray = np.empty(0, dtype=np.int64)
        self._types: npt.NDArray[np.int8] = np.empty(0, dtype=np.int8)
        self._forward: Growing[np.float64] = Growing(np.float64)
        self._favourable: Growing[np.float64] = Growing(np.float64)
        self._adverse: Growing[np.float64] = Growing(np.float64)
        self._rising = self._told = 0

    def advance(self, columns: Columns, rows: IntArray, types: npt.NDArray[np.int8]) -> None:
        """Add the next candles and their signals, whose rows count within them."""
        kept = 0 if self._tail is None else len(self._tail)
        joined = columns if self._tail is None else _join(self._tail, columns)
        close, horizon = joined.close, self._horizon
        told = max(len(close) - horizon, 0)
        self._rising += int(np.count_nonzero(close[horizon:] > close[:told]))
        self._told += told
        directed = types != SignalType.HOLD
        rows = np.concatenate((self._rows, rows[directed] + kept))
        types = np.concatenate((self._types, types[directed]))
        judged = judge(joined, rows, types, horizon)
        self._forward.append(judged.forward)
        self._favourable.append(judged.favourable)
        self._adverse.append(judged.adverse)
        waiting = len(rows) - judged.unresolved
        first = max(len(joined) - horizon, 0)
        self._rows, self._types = rows[waiting:] - first, types[waiting:]
        self._tail = _owned(joined.slice(first, len(joined)))

    @property
    def accuracy(self) -> SignalAccuracy:
        """The accuracy of all signals so far."""
        judged = JudgedSignals(
            self._forward.values, self._favourable.values, self._adverse.values, len(self._rows)
        )
        return summarise(judged, (self._rising, self._told), horizon=self._horizon, cost=self._cost)


def _join(one: Columns, other: Columns) -> Columns:
    arrays: dict[str, FloatArray] = {
        name: np.concatenate((one[name], other[name])) for name in ("high", "low", "close")
    }
    return Columns(arrays, np.concatenate((one.close_time, other.close_time)))


def _owned(columns: Columns) -> Columns:
    """A copy, so that no view keeps a whole chunk in memory."""
    names = [name for name in CANDLE_COLUMNS if name in columns and name not in {"open", "volume"}]
    return Columns({name: columns[name].copy() for name in names}, columns.close_time.copy())
