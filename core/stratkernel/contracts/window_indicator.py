"""The easy form of an indicator: whole columns in, and how far back a value looks."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal, TypeAlias, cast

import numpy as np

from stratkernel.contracts.arrays import FloatArray, IntArray
from stratkernel.contracts.columns import Columns
from stratkernel.contracts.events import Events, join_events
from stratkernel.contracts.indicator import BaseIndicator, P, Values
from stratkernel.contracts.state import State

ANCHOR: Final = 256
"""Indicators with `exact = "anchored"` start their windows at multiples of this many rows."""

Named: TypeAlias = dict[str, Any]
"""What `calculate` gave, by the names of the outputs; the engine checks it, not this module."""


class WindowIndicator(BaseIndicator[P]):
    """An indicator whose value at a row is a pure function of that row and the `lookback` rows before.

    Write `calculate` with numpy over whole columns; chunks are given their `lookback` earlier rows.
    pandas' rolling sums drift with their start: use `stratkernel.rolling`, or declare
    `exact = "anchored"`, and every calculation begins `lookback` rows before a multiple of 256.
    """

    exact: ClassVar[Literal["window", "anchored"]] = "window"

    @abstractmethod
    def lookback(self) -> int:
        """How many rows before its own a value depends on."""

    @abstractmethod
    def calculate(self, columns: Columns) -> Values:
        """One value a row and output; never called with fewer than `lookback` + 1 rows.

        What stands in the first `lookback` rows is not looked at.
        """

    def initial_state(self) -> State:
        empty = {name: np.empty(0) for name in self.inputs}
        return {"rows": 0, "close_time": np.empty(0, dtype=np.int64), **empty}

    def advance(self, columns: Columns, state: State) -> tuple[Values, State]:
        seen = cast("int", state["rows"])
        kept = len(cast("IntArray", state["close_time"]))
        joined = self._joined(columns, state) if kept else columns
        if self.exact == "window":
            values = _from_row(self._calculate(joined), kept, len(joined))
        else:
            values = self._anchored(joined, kept, first=seen - kept)
        after = seen + len(columns)
        keep = self.lookback() + (after % ANCHOR if self.exact == "anchored" else 0)
        tail = joined.slice(max(0, len(joined) - keep), len(joined))
        kept_columns = {name: tail[name].copy() for name in self.inputs}
        return values, {"rows": after, "close_time": tail.close_time.copy(), **kept_columns}

    def _joined(self, columns: Columns, state: State) -> Columns:
        arrays = {
            name: np.concatenate((cast("FloatArray", state[name]), columns[name])) for name in self.inputs
        }
        times = np.concatenate((cast("IntArray", state["close_time"]), columns.close_time))
        for array in arrays.values():
            array.flags.writeable = False
        return Columns(arrays, times)

    def _calculate(self, columns: Columns) -> Named:
        rows = len(columns)
        if rows > self.lookback():
            values = self.calculate(columns)
            return dict(values) if isinstance(values, Mapping) else {self.outputs[0]: values}
        return {
            output: Events.none(rows) if output in self.event_outputs else np.full(rows, np.nan)
            for output in self.outputs
        }

    def _anchored(self, columns: Columns, kept: int, first: int) -> Named:
        """Calculate block by block from row `kept` on; `first` is the first row's number from the origin."""
        rows, start = len(columns), kept
        parts: list[tuple[Named, int]] = []
        while start < rows or not parts:
            anchor = (first + start) // ANCHOR * ANCHOR
            stop = min(rows, anchor + ANCHOR - first)
            begin = max(0, anchor - self.lookback() - first)
            values = self._calculate(columns.slice(begin, stop))
            parts.append((_from_row(values, start - begin, stop - begin), stop - start))
            start = stop if stop > start else rows
        lengths = [length for _, length in parts]
        return {name: _join([part[name] for part, _ in parts], lengths) for name in parts[0][0]}


def _from_row(values: Named, start: int, stop: int) -> Named:
    """The columns from row `start` on; what is no column is left for the engine to refuse."""

    def cut(column: Any) -> Any:
        if isinstance(column, Events) and column.length == stop:
            return column.slice(start, stop)
        return column[start:] if isinstance(column, np.ndarray) and column.ndim else column

    return {name: cut(column) for name, column in values.items()} if start else values


def _join(columns: list[Any], lengths: list[int]) -> Any:
    if len(columns) == 1:
        return columns[0]
    if all(isinstance(column, Events) for column in columns):
        return join_events(columns, lengths)
    return np.concatenate([np.asarray(column) for column in columns])
