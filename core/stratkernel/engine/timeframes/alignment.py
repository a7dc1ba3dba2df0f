"""Values of a higher timeframe on base rows: each row sees the newest candle that closed by then."""

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from stratkernel.contracts.arrays import IntArray, read_only
from stratkernel.contracts.events import Events

T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """Where the higher candles of a chunk come in among its base rows.

    `rows` are the base rows at which they are first known, `lengths` for how many base rows each is the
    newest, the one from before the chunk first (empty where none comes in). `before` counts the higher
    candles from before the chunk.
    """

    rows: IntArray
    lengths: IntArray
    before: int
    total: int

    @classmethod
    def of(cls, rows: IntArray, before: int, total: int) -> "Alignment":
        """The alignment of higher candles known at `rows` of a chunk of `total` base rows."""
        if not len(rows):
            return cls(rows, rows, before, total)
        bounds = np.concatenate((np.zeros(1, dtype=np.int64), rows, np.full(1, total, dtype=np.int64)))
        return cls(rows, np.diff(bounds), before, total)

    def spread(self, newest: Any, values: npt.NDArray[T]) -> npt.NDArray[T]:
        """One value a base row, `newest` being that from before the chunk."""
        if not len(values):
            return read_only(np.full(self.total, newest, dtype=values.dtype))
        whole = np.concatenate((np.array([newest], dtype=values.dtype), values))
        return read_only(np.repeat(whole, self.lengths))

    def spread_events(self, events: Events) -> Events:
        """Each event at the first base row that knows it; of several at one row the newest."""
        if not len(events):
            return Events.none(self.total)
        rows = self.rows[events.rows]
        last = np.concatenate((rows[1:] != rows[:-1], np.ones(1, dtype=bool)))
        return Events(read_only(rows[last]), read_only(events.values[last]), self.total)

    def first_row_knowing(self, candle: int) -> int:
        """The first base row of the chunk that knows the higher candle of this number (from the origin on).

        0 where it was known before, the length of the chunk where it is still to come.
        """
        position = candle - self.before
        if position < 0:
            return 0
        return int(self.rows[position]) if position < len(self.rows) else self.total
