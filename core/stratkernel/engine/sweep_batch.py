"""The signals of some combinations of a sweep, measured together."""

from typing import Final

import numpy as np

from stratkernel.contracts.arrays import BoolArray, FloatArray, IntArray
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.signals import Signals
from stratkernel.engine.accuracy import HORIZON
from stratkernel.engine.kernels.sweep_arrays import COUNTED, UNUSUAL, Batch, Measured, Rules, market_of
from stratkernel.engine.kernels.sweep_trades import trade_signals
from stratkernel.engine.performance import round_trip
from stratkernel.engine.sweep_metrics import MetricColumns
from stratkernel.engine.sweep_together import JoinedSignals
from stratkernel.engine.trades import Costs

COMBINATIONS: Final = 256
"""Combinations that are measured at a time."""
_SIGNALS: Final = 1 << 17
"""Signals from which a batch counts as full."""
_METADATA: Final = frozenset("biufU")


class SignalBatch:
    """Collects signals of combinations, held against the contract when they are measured.

    Signals are copied at once: a strategy may go on to write to what it gave.
    """

    def __init__(
        self, folded: int, candles: Candles, begin: int, costs: Costs, metrics: MetricColumns
    ) -> None:
        self._metrics = metrics
        self._costs = costs.rates
        close = candles.columns.close
        self._market = market_of(candles.columns.open if costs.delay else close, close)
        self._rules = Rules(
            folded,
            begin,
            begin + len(candles),
            costs.delay,
            HORIZON if metrics.wants_accuracy else 0,
            round_trip(costs),
        )
        self._all_sure = True
        self._reserve(1 << 12)
        self._bounds = np.zeros(COMBINATIONS + 1, dtype=np.int64)
        self._start = np.zeros(COMBINATIONS, dtype=np.int64)
        self._first = np.zeros(COMBINATIONS, dtype=np.int64)
        self._counts = np.zeros((COMBINATIONS, COUNTED))
        self._marks = np.zeros((COMBINATIONS, len(metrics.daily.mark_rows)))
        self.size = 0
        self._used = 0

    def has_room_for(self, combinations: int) -> bool:
        return self.size + combinations <= COMBINATIONS

    @property
    def is_full(self) -> bool:
        return self.size == COMBINATIONS or self._used >= _SIGNALS

    def add(self, signals: Signals, start: int, first: int) -> bool:
        """Add the signals of one combination; False, and nothing is added, where their types are unusual.

        Their rows count from row `start` of the candles; those before row `first` are not to count.
        """
        rows, types = signals.rows, signals.types
        shape, count = rows.shape, len(rows)
        if len(shape) != 1 or types.shape != shape:
            return False
        if count and (rows.dtype.kind != "i" or types.dtype.kind != "i"):
            return False
        told = signals.details is None  # details that nobody looked at yet are left alone
        if told and not _described(signals):
            return False
        at, end = self._used, self._used + count
        self._make_room(end)
        np.add(rows, start, out=self._rows[at:end])
        self._types[at:end] = types
        self._make_sure(at, end, signals.confidence if told else None)
        self._append(end, start, first)
        return True

    def add_joined(self, joined: JoinedSignals) -> bool:
        """As `add`, for combinations for which there is room."""
        signals, size, count = joined.signals, self.size, len(joined.offsets)
        told = signals.details is None
        if told and not _described(signals):
            return False
        at, end = self._used, self._used + len(signals)
        self._make_room(end)
        moved = np.repeat(joined.offsets - joined.starts, np.diff(joined.bounds))
        np.subtract(signals.rows, moved, out=self._rows[at:end])
        self._types[at:end] = signals.types
        self._make_sure(at, end, signals.confidence if told else None)
        self._start[size : size + count], self._first[size : size + count] = joined.starts, joined.firsts
        self._bounds[size : size + count + 1] = joined.bounds + at
        self.size, self._used = size + count, end
        return True

    def add_nothing(self) -> None:
        """Keep a place for a combination that is measured elsewhere."""
        self._append(self._used, 0, 0)

    def measure(self) -> tuple[dict[str, FloatArray], BoolArray]:
        """The metrics of what was added, shape (combinations,), and which of them must be done carefully.

        The batch is empty afterwards.
        """
        size = self.size
        batch = Batch(
            self._bounds[: size + 1],
            self._rows,
            self._types,
            self._confidence,
            self._start[:size],
            self._first[:size],
        )
        measured = Measured(self._counts[:size], self._marks[:size], self._pnl, self._wins, self._losses)
        measured.counts[:] = 0.0
        trade_signals(batch, self._market, self._metrics.daily.mark_rows, self._costs, self._rules, measured)
        unusual = measured.counts[:, UNUSUAL] > 0.0
        if unusual.any():
            measured.counts[unusual] = 0.0
            measured.marks[unusual] = 1.0
        columns = self._metrics.of(measured, batch.bounds[:-1])
        self.size = self._used = 0
        return columns, unusual

    def _append(self, end: int, start: int, first: int) -> None:
        number = self.size
        self._start[number], self._first[number] = start, first
        self.size = number + 1
        self._bounds[number + 1] = self._used = end

    def _make_sure(self, at: int, end: int, confidence: FloatArray | None) -> None:
        """Write confidence, where None is 1.0: that is there as long as nobody wrote something else."""
        if confidence is not None:
            self._confidence[at:end] = confidence
            self._all_sure = False
        elif not self._all_sure:
            self._confidence[at:end] = 1.0

    def _make_room(self, end: int) -> None:
        if end > len(self._rows):
            self._reserve(2 * end)

    def _reserve(self, count: int) -> None:
        """Make room for so many signals; those that are there are kept."""
        rows, types, confidence = (
            np.empty(count, dtype=np.int64),
            np.empty(count, dtype=np.int64),
            np.ones(count),
        )
        if getattr(self, "_rows", None) is not None:
            used = self._used
            rows[:used], types[:used], confidence[:used] = (
                self._rows[:used],
                self._types[:used],
                self._confidence[:used],
            )
        self._rows: IntArray = rows
        self._types: IntArray = types
        self._confidence: FloatArray = confidence
        self._pnl, self._wins, self._losses = np.empty((3, count))


def _described(signals: Signals) -> bool:
    """Whether confidence and metadata have the shapes and types that they should."""
    shape, confidence = signals.rows.shape, signals.confidence
    if confidence.shape != shape or (len(confidence) and confidence.dtype.kind not in "fiu"):
        return False
    for name, column in signals.metadata.items():
        if name.__class__ is not str or column.shape != shape or column.dtype.kind not in _METADATA:
            return False
    return True
