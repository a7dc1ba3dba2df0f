"""Equity of a series that comes in chunks: daily marks and the deepest fall, with little carried."""

import numpy as np

from stratkernel.contracts.arrays import FloatArray, IntArray
from stratkernel.contracts.candles import Candles
from stratkernel.engine.kernels.equity_kernels import equity_curve
from stratkernel.engine.kernels.trade_kernels import CostRates
from stratkernel.engine.metrics import day_ends
from stratkernel.engine.performance import EquityMarks
from stratkernel.engine.streaming.growing import Growing, Scratch
from stratkernel.engine.streaming.trade_fold import ChunkTrades


class EquityFold:
    """Equity at the end of each day and its deepest fall; memory for the days, not for the candles."""

    def __init__(self, rates: CostRates) -> None:
        self._rates = rates
        self._rows: Growing[np.int64] = Growing(np.int64)
        self._days: Growing[np.int64] = Growing(np.int64)
        self._marks: Growing[np.float64] = Growing(np.float64)
        self._last: tuple[int, int, float] | None = None
        self._first_mark = np.nan
        self._first_close = self._last_close = 0
        self._peak, self._worst = -np.inf, 1.0
        self._count = 0
        self._curve = Scratch()

    def advance(self, candles: Candles, trades: ChunkTrades) -> None:
        """Add the next candles and what was traded in them."""
        start, count = self._count, len(candles)
        curve = self._curve.empty(count)
        local = trades.within(start, count)
        equity_curve(candles.columns.close, local, self._rates._replace(capital=trades.equity), curve)
        if not start:
            self._first_mark, self._first_close = float(curve[0]), int(candles.close_time[0])
        self._last_close = int(candles.close_time[-1])
        self._fall(curve)
        rows, days = day_ends(candles.close_time, candles.timeframe)
        self._end_days(rows + start, days, curve[rows])
        self._count += count

    @property
    def marks(self) -> EquityMarks:
        """What the metrics of equity need, of at least one candle."""
        self._keep_last()
        return EquityMarks(
            marks=np.concatenate(([self._first_mark], self._marks.values)),
            rows=self._rows.values,
            days=self._days.values,
            elapsed=self._last_close - self._first_close,
            drawdown=self._worst - 1.0 if self._peak > 0.0 else np.nan,
        )

    def _fall(self, curve: FloatArray) -> None:
        """min(E / max(E so far)); division keeps order, so a chunk without a new peak needs only one."""
        low, high = float(curve.min()), float(curve.max())
        if not high > self._peak:
            if self._peak > 0.0:
                self._worst = min(self._worst, low / self._peak)
            return
        peaks = np.maximum.accumulate(curve)
        np.maximum(peaks, self._peak, out=peaks)
        known = peaks > 0.0
        if known.any():
            self._worst = min(self._worst, float(np.min(curve[known] / peaks[known])))
        self._peak = high

    def _end_days(self, rows: IntArray, days: IntArray, marks: FloatArray) -> None:
        """The last day may go on in the next chunk, so it waits."""
        if self._last is not None and self._last[1] != days[0]:
            self._keep_last()
        self._rows.append(rows[:-1])
        self._days.append(days[:-1])
        self._marks.append(marks[:-1])
        self._last = int(rows[-1]), int(days[-1]), float(marks[-1])

    def _keep_last(self) -> None:
        if self._last is not None:
            row, day, mark = self._last
            self._rows.append(np.array([row]))
            self._days.append(np.array([day]))
            self._marks.append(np.array([mark]))
            self._last = None
