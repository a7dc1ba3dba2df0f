"""What a node or a strategy gave, in a form in which two runs of it are compared to the bit."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stratkernel.contracts.arrays import BoolArray, FloatArray, IntArray
from stratkernel.contracts.events import Events
from stratkernel.contracts.signals import Signals, SignalType


@dataclass(frozen=True, slots=True)
class Difference:
    """The first row at which two traces differ, the column that does, and what became of what."""

    row: int
    column: str
    message: str


@dataclass(frozen=True, slots=True, eq=False)
class Trace(ABC):
    """What came out at rows that close at `times`; the first `skipped` rows hold nothing yet."""

    times: IntArray
    skipped: int
    name: str

    @abstractmethod
    def difference(self, found: Any, below: int) -> Difference | None:
        """The first difference of another run's trace from this one, among the rows before `below`."""

    @abstractmethod
    def content(self, row: int) -> object:
        """All that came out at one row."""

    @abstractmethod
    def later(self, first: int) -> "Trace":
        """The trace from a row on."""

    def row_at(self, time: int) -> int | None:
        """The row that closes at a time, where there is one."""
        row = int(np.searchsorted(self.times, time))
        return row if row < len(self.times) and self.times[row] == time else None


@dataclass(frozen=True, slots=True, eq=False)
class ColumnTrace(Trace):
    """One value a row."""

    values: FloatArray

    def difference(self, found: "ColumnTrace", below: int) -> Difference | None:
        start = self.skipped
        differs = _differ(self.values[start:below], found.values[start:below])
        if not differs.any():
            return None
        row = start + int(np.argmax(differs))
        return Difference(row, self.name, f"{self.values[row].item()!r} became {found.values[row].item()!r}")

    def later(self, first: int) -> "ColumnTrace":
        return ColumnTrace(self.times[first:], self.skipped, self.name, self.values[first:])

    def content(self, row: int) -> object:
        return self.values[row].tobytes() if row >= self.skipped else None


@dataclass(frozen=True, slots=True, eq=False)
class EventsTrace(Trace):
    """Values at some rows."""

    events: Events

    def difference(self, found: "EventsTrace", below: int) -> Difference | None:
        (rows, values), (other_rows, other_values) = (
            _between(trace.events.rows, trace.events.values, self.skipped, below) for trace in (self, found)
        )
        k = _first_unequal(rows != other_rows) if len(rows) == len(other_rows) else None
        if len(rows) != len(other_rows) or k is not None:
            row, is_lost = _first_only_in_one(rows, other_rows)
            return Difference(row, self.name, "its event is missing" if is_lost else "there is an event")
        k = _first_unequal(_differ(values, other_values))
        if k is None:
            return None
        return Difference(int(rows[k]), self.name, f"{values[k].item()!r} became {other_values[k].item()!r}")

    def later(self, first: int) -> "EventsTrace":
        events = self.events.slice(first, self.events.length)
        return EventsTrace(self.times[first:], self.skipped, self.name, events)

    def content(self, row: int) -> object:
        k = int(np.searchsorted(self.events.rows, row))
        is_there = k < len(self.events) and self.events.rows[k] == row
        return self.events.values[k].tobytes() if is_there else None


@dataclass(frozen=True, slots=True, eq=False)
class SignalsTrace(Trace):
    """Signals with everything that they carry."""

    signals: Signals

    def only(self, row: int, moved_to: int) -> "SignalsTrace":
        """What was said at one row, as if it had been said at another."""
        start, stop = np.searchsorted(self.signals.rows, (row, row + 1))
        said = self.signals
        metadata = {name: column[start:stop] for name, column in said.metadata.items()}
        at_row = Signals(
            np.full(stop - start, moved_to, dtype=np.int64),
            said.types[start:stop],
            confidence=said.confidence[start:stop],
            metadata=metadata,
        )
        return SignalsTrace(self.times, 0, self.name, at_row)

    @property
    def columns(self) -> dict[str, npt.NDArray[Any]]:
        named = {f"metadata '{name}'": column for name, column in self.signals.metadata.items()}
        return {"confidence": self.signals.confidence, **named}

    def difference(self, found: "SignalsTrace", below: int) -> Difference | None:
        mine, other = (trace.signals for trace in (self, found))
        cut, other_cut = (int(np.searchsorted(each.rows, below)) for each in (mine, other))
        keys, other_keys = (
            each.rows[:end] * len(SignalType) + each.types[:end]
            for each, end in ((mine, cut), (other, other_cut))
        )
        if cut != other_cut or (keys != other_keys).any():
            key, is_lost = _first_only_in_one(keys, other_keys)
            kind = SignalType(key % len(SignalType)).name
            what = f"{kind} is missing" if is_lost else f"there is {kind}"
            return Difference(key // len(SignalType), "signal", what)
        theirs = found.columns
        first: Difference | None = None
        for name, column in self.columns.items() if cut else ():
            if name not in theirs:
                return Difference(int(mine.rows[0]), name, "it is missing")
            k = _first_unequal(_differ(column[:cut], theirs[name][:cut]))
            if k is not None and (first is None or mine.rows[k] < first.row):
                said = f"{column[k].item()!r:.40} became {theirs[name][k].item()!r:.40}"
                first = Difference(int(mine.rows[k]), name, said)
        return first

    def later(self, first: int) -> "SignalsTrace":
        start = int(np.searchsorted(self.signals.rows, first))
        said = self.signals
        metadata = {name: column[start:] for name, column in said.metadata.items()}
        rest = Signals(
            said.rows[start:] - first,
            said.types[start:],
            confidence=said.confidence[start:],
            metadata=metadata,
        )
        return SignalsTrace(self.times[first:], self.skipped, self.name, rest)

    def content(self, row: int) -> object:
        start, stop = np.searchsorted(self.signals.rows, (row, row + 1))
        columns = {name: [repr(v) for v in c[start:stop].tolist()] for name, c in self.columns.items()}
        return (self.signals.types[start:stop].tolist(), columns if stop > start else None)


def _differ(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> BoolArray:
    """Where two columns differ in any bit; two NaN are equal."""
    if one.dtype.kind == "f" and other.dtype == one.dtype:
        unsigned = np.dtype(f"u{one.dtype.itemsize}")
        return np.asarray((one.view(unsigned) != other.view(unsigned)) & ~(np.isnan(one) & np.isnan(other)))
    if one.dtype.kind != other.dtype.kind:
        return np.ones(len(one), dtype=np.bool_)
    return np.asarray(one != other)


def _first_unequal(differs: BoolArray) -> int | None:
    return int(np.argmax(differs)) if differs.any() else None


def _between(rows: IntArray, values: FloatArray, start: int, stop: int) -> tuple[IntArray, FloatArray]:
    first, last = np.searchsorted(rows, (start, stop))
    return rows[first:last], values[first:last]


def _first_only_in_one(keys: IntArray, other: IntArray) -> tuple[int, bool]:
    """The first of two ascending columns of keys that only one has, and whether it is the first one."""
    both = min(len(keys), len(other))
    unequal = np.flatnonzero(keys[:both] != other[:both])
    k = int(unequal[0]) if len(unequal) else both
    is_lost = k < len(keys) and (k >= len(other) or keys[k] < other[k])
    return int(keys[k] if is_lost else other[k]), is_lost
