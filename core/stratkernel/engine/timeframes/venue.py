"""A venue's own candles of a higher timeframe, shown as they close."""

from typing import cast

import numpy as np

from stratkernel.contracts.candles import Candles
from stratkernel.contracts.columns import CANDLE_COLUMNS, Columns, candle_columns
from stratkernel.contracts.state import State
from stratkernel.contracts.timeframes import Timeframe
from stratkernel.engine.timeframes.resampling import NO_CANDLES, HigherCandles


class VenueCandles:
    """Gives the candles that closed by each base row, those that opened before the first base row left out.

    A candle that is missing or late leaves the one before it visible. Stands where a `Resampler` does.
    """

    def __init__(self, base: Timeframe, candles: Candles) -> None:
        self.base = base
        self.timeframe = candles.timeframe
        self._take(candles.columns)

    def initial_state(self) -> State:
        """The state before the first base candle."""
        return {"from": None}

    def extend(self, columns: Columns) -> None:
        """Take further candles, as a live source brings them; those that are there already are left out."""
        known = self._columns.close_time
        first = int(np.searchsorted(columns.close_time, known[-1], side="right")) if len(known) else 0
        arrays = {n: np.concatenate((self._columns[n], columns[n][first:])) for n in CANDLE_COLUMNS}
        self._take(candle_columns(arrays, np.concatenate((known, columns.close_time[first:]))))

    def advance(self, columns: Columns, state: State) -> tuple[HigherCandles, State]:
        """The candles that closed with these base candles, and the state after them; pure."""
        if not len(columns):
            return NO_CANDLES, state
        begin = state["from"]
        if begin is None:
            begin = int(self.base.open_of(columns.close_time[:1])[0])
        close_time = self._columns.close_time
        first = int(np.searchsorted(self._open_time, cast("int", begin)))
        stop = max(first, int(np.searchsorted(close_time, columns.close_time[-1], side="right")))
        found = self._columns.slice(first, stop)
        rows = np.searchsorted(columns.close_time, found.close_time)
        after = int(found.close_time[-1]) if len(found) else begin
        return HigherCandles(found, rows, np.zeros(len(found), dtype=bool)), {"from": after}

    def _take(self, columns: Columns) -> None:
        self._columns = columns
        self._open_time = self.timeframe.open_of(columns.close_time)
