"""Event columns: values at few rows, kept sparse."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stratkernel.contracts.arrays import FloatArray, IntArray, read_only


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """Values at some of `length` rows: `rows` ascending int64, `values` float64 of the same shape."""

    rows: IntArray
    values: FloatArray
    length: int

    @classmethod
    def none(cls, length: int) -> "Events":
        """A column in which nothing happens."""
        return cls(np.empty(0, dtype=np.int64), np.empty(0), length)

    def __len__(self) -> int:
        return len(self.rows)

    def dense(self) -> FloatArray:
        """Shape (length,), 0.0 where nothing happened."""
        column = np.zeros(self.length)
        column[self.rows] = self.values
        return column

    def shifted(self, by: int, length: int) -> "Events":
        """The same events in a column in which they stand `by` rows later."""
        return Events(read_only(self.rows + by), self.values, length) if by else self

    def slice(self, start: int, stop: int) -> "Events":
        """The events of rows `start` to `stop`, counted from `start`."""
        first, last = np.searchsorted(self.rows, (start, stop))
        rows = self.rows[first:last]
        return Events(read_only(rows - start) if start else rows, self.values[first:last], stop - start)


def join_events(parts: Sequence[Events], lengths: Sequence[int]) -> Events:
    """Columns of these lengths as one, each behind the one before."""
    starts = np.cumsum([0, *lengths])
    rows = [part.rows + start for part, start in zip(parts, starts, strict=False)]
    values = [part.values for part in parts]
    return Events(read_only(np.concatenate(rows)), read_only(np.concatenate(values)), int(starts[-1]))
