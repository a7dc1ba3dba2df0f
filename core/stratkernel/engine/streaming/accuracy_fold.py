"""Accuracy of signals that come in chunks: each is judged once the candles of its horizon are there."""

import numpy as np
import numpy.typing as npt

from stratkernel.contracts.arrays import IntArray
from stratkernel.contracts.columns import Columns
from stratkernel.contracts.signals import SignalType
from stratkernel.engine.accuracy import HORIZON, JudgedSignals, SignalAccuracy, judge, summarise
from stratkernel.engine.streaming.growing import Growing

_READ = ("high", "low", "close")


class AccuracyFold:
    """What `measure_accuracy` says; carries one horizon of candles and the signals that wait for theirs.

    Signals are judged over the carried candles and as many of the chunk, or over the chunk itself, so that
    no chunk is copied.
    """

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
        directed = types != SignalType.HOLD
        rows, types = rows[directed], types[directed]
        count, horizon = len(columns), self._horizon
        tail = self._tail
        if tail is not None:
            head = _join(tail, columns.slice(0, min(horizon, count)))
            self._compare(head, len(tail))
            if count < horizon:
                rows = np.concatenate((self._rows, rows + len(tail)))
                waiting = self._judge(head, rows, np.concatenate((self._types, types)))
                self._wait(head, *waiting)
                return
            self._judge(head, self._rows, self._types)
        self._compare(columns, count)
        self._wait(columns, *self._judge(columns, rows, types))

    @property
    def accuracy(self) -> SignalAccuracy:
        """The accuracy of all signals so far."""
        judged = JudgedSignals(
            self._forward.values, self._favourable.values, self._adverse.values, len(self._rows)
        )
        return summarise(judged, (self._rising, self._told), horizon=self._horizon, cost=self._cost)

    def _compare(self, columns: Columns, most: int) -> None:
        """Candles after which the close was higher, of the first ones."""
        told = min(max(len(columns) - self._horizon, 0), most)
        close = columns.close
        self._rising += int(np.count_nonzero(close[self._horizon : self._horizon + told] > close[:told]))
        self._told += told

    def _judge(
        self, columns: Columns, rows: IntArray, types: npt.NDArray[np.int8]
    ) -> tuple[IntArray, npt.NDArray[np.int8]]:
        """Judge what can be judged over these candles; gives the signals that cannot yet."""
        judged = judge(columns, rows, types, self._horizon)
        self._forward.append(judged.forward)
        self._favourable.append(judged.favourable)
        self._adverse.append(judged.adverse)
        done = len(rows) - judged.unresolved
        return rows[done:], types[done:]

    def _wait(self, columns: Columns, rows: IntArray, types: npt.NDArray[np.int8]) -> None:
        first = max(len(columns) - self._horizon, 0)
        self._rows, self._types = rows - first, types.copy()
        last = columns.slice(first, len(columns))
        # copies, so that no view keeps a whole chunk in memory
        self._tail = Columns({name: last[name].copy() for name in _READ}, last.close_time.copy())


def _join(one: Columns, other: Columns) -> Columns:
    arrays = {name: np.concatenate((one[name], other[name])) for name in _READ}
    return Columns(arrays, np.concatenate((one.close_time, other.close_time)))
