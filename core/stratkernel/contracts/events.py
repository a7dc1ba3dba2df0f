"""Event columns: values at few rows, kept sparse."""

from dataclasses import dataclass

import numpy as np

from stratkernel.contracts.arrays import FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """Values at some of `length` rows: `rows` ascending int64, `values` float64 of the same shape."""

    rows: IntArray
    values: FloatArray
    length: int

    def __len__(self) -> int:
        return len(self.rows)

    def dense(self) -> FloatArray:
        """Shape (length,), 0.0 where nothing happened."""
        column = np.zeros(self.length)
        column[self.rows] = self.values
        return column

    def shifted(self, by: int, length: int) -> "Events":
        """The same events in a column in which they stand `by` rows later."""
        return Events(self.rows + by if by else self.rows, self.values, length)

    def slice(self, start: int, stop: int) -> "Events":
        """The events of rows `start` to `stop`, counted from `start`."""
        first, last = np.searchsorted(self.rows, (start, stop))
        return Events(self.rows[first:last] - start, self.values[first:last], stop - start)


NO_EVENTS = Events(np.empty(0, dtype=np.int64), np.empty(0), 0)
