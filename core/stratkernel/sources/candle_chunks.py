"""Candles of Parquet files in parts, for series larger than memory."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from typing_extensions import override

from stratkernel.contracts.arrays import BoolArray, IntArray
from stratkernel.contracts.columns import CANDLE_COLUMNS
from stratkernel.contracts.source import UNREADABLE_TIME, RawCandles, RawChunks, SourceRequest
from stratkernel.kernel.errors import UsageError
from stratkernel.sources.candle_file import (
    OMITS_NOTE,
    FileOptions,
    adjust_prices,
    layout_note,
    order_of,
    price_note,
)
from stratkernel.sources.infer import timeframe_of
from stratkernel.sources.instants import TimeContext, Times
from stratkernel.sources.layouts import Recognised, recognise
from stratkernel.sources.numbers import as_array, read_numbers
from stratkernel.sources.parquet_dataset import ParquetDataset
from stratkernel.sources.step_evidence import StepEvidence, even_step
from stratkernel.sources.symbols import choose_symbol
from stratkernel.sources.table import RawTable
from stratkernel.sources.times import read_times

HEAD_ROWS: Final = 65_536
"""Rows from which the timeframe is told and, for smaller chunks, that are read at once.

What is inferred never depends on the size of the chunks.
"""


class ParquetChunks(RawChunks):
    """A Parquet file, or a folder of them as one series, part by part.

    Layout, symbol and timeframe are told from names and the first rows, and held against all rows as these
    are read: where all rows would have told otherwise, reading ends with an error that names the flag.
    """

    def __init__(self, path: Path, request: SourceRequest, options: FileOptions, rows: int) -> None:
        self._request, self._options, self._part = request, options, rows
        dataset = ParquetDataset.open(path)
        nothing = dataset.empty()
        found = recognise(nothing, options.layout)
        self._layout = found.layout
        self.where, self.rows = dataset.where, dataset.rows
        self.venue, self.calendar = options.venue, options.calendar
        self.omits_empty = found.layout.omits_empty if options.omits_empty is None else options.omits_empty
        self._time, self._symbol_column = found.names["time"], _name_of(found.symbol, nothing)
        _require_instants(found, options, self.where)
        used = {*found.names.values(), self._symbol_column, _name_of(found.adj_close, nothing)}
        self._columns = [name for name in dataset.header if name in used]
        self._dataset = self._by_time(dataset)
        stem = path.name.removesuffix(path.suffix)
        self.symbol, self._spelled, self._symbol_note = self._choose_symbol(request.symbol, stem)
        self.timeframe, note = timeframe_of(
            self._head(), request.timeframe, self.where, omits_empty=self.omits_empty
        )
        self._notes = self._note_list((), 0, "", note)

    @override
    def __iter__(self) -> Iterator[RawCandles]:
        evidence, order = StepEvidence(), _Order(self._options.order, self.where)
        notes: list[str] = []
        differing = 0
        for table in self._tables(self._columns):
            found = recognise(table, self._layout.name)
            times = self._times(table, found.time)
            unreadable = {(row, "open_time"): text for row, text in times.unreadable.items()}
            columns = {name: read_numbers(found.columns[name], name, unreadable) for name in CANDLE_COLUMNS}
            differing += adjust_prices(columns, found, self._options, self.where, unreadable)
            order.update(times.micros)
            evidence.update(times.micros)
            said = (*times.notes, times.unused_tz(self._options.tz))
            notes += [note for note in said if note and note not in notes]
            raw = RawCandles(
                symbol=self.symbol,
                timeframe=self.timeframe,
                open_time=_fixed(times.micros),
                columns={name: _fixed(values) for name, values in columns.items()},
                line=table.line,
                where=self.where,
                unreadable=unreadable,
                calendar=self.calendar,
                omits_empty=self.omits_empty,
                venue=self.venue,
            )
            yield from _cut(raw, self._part)
        note = evidence.timeframe(
            self.timeframe, self._request.timeframe, self.where, omits_empty=self.omits_empty
        )
        self._notes = self._note_list(notes, differing, order.note, note)

    @override
    def open_times(self) -> Iterator[IntArray]:
        for table in self._tables([name for name in (self._time, self._symbol_column) if name]):
            yield self._times(table, table.columns[table.header.index(self._time)]).micros

    @property
    @override
    def notes(self) -> tuple[str, ...]:
        return self._notes

    def _tables(self, columns: Sequence[str]) -> Iterator[RawTable]:
        """The rows of the symbol, in tables as they are read."""
        for table in self._dataset.tables(columns, max(self._part, HEAD_ROWS)):
            if self._spelled is None or self._symbol_column is None:
                yield table
                continue
            mask = _is_symbol(table.columns[table.header.index(self._symbol_column)], self._spelled)
            if mask.any():
                yield table if mask.all() else table.filtered(mask)

    def _times(self, table: RawTable, column: Any) -> Times:
        tz, unit = self._options.tz, self._options.time_unit
        return read_times(column, TimeContext(table.where, table.line, tz, self._layout.tz, unit))

    def _by_time(self, dataset: ParquetDataset) -> ParquetDataset:
        """Files in the order of their first open times; names alone do not always tell."""
        if len(dataset.files) == 1:
            return dataset
        begins: list[tuple[int, Path]] = []
        for file in dataset.files:
            table = dataset.first_of(file, [self._time])
            begins.append((int(self._times(table, table.columns[0]).micros[0]), file))
        return dataset.in_order([file for _, file in sorted(begins)])

    def _choose_symbol(self, wanted: str | None, stem: str) -> tuple[str, frozenset[str] | None, str]:
        """The symbol, the texts that stand for it (None: all rows are of it), and a note."""
        if self._symbol_column is None:
            symbol, _, note = choose_symbol(None, wanted, stem, self.where)
            return symbol, None, note
        import pyarrow as pa

        names: dict[str, None] = {}
        for table in self._dataset.tables([self._symbol_column], HEAD_ROWS):
            names |= dict.fromkeys(_texts(table.columns[0]).unique().drop_null().to_pylist())
        there = list(names)
        column = pa.chunked_array([pa.array(there, pa.string())])
        symbol, mask, note = choose_symbol(column, wanted, stem, self.where)
        if mask is None:
            return symbol, None, note
        return (
            symbol,
            frozenset(name for name, chosen in zip(there, mask.tolist(), strict=True) if chosen),
            note,
        )

    def _head(self) -> IntArray:
        """The first open times, enough to tell the timeframe."""
        parts: list[IntArray] = []
        for time in self.open_times():
            parts.append(time)
            if sum(map(len, parts)) >= HEAD_ROWS:
                break
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)

    def _note_list(self, times: Sequence[str], differing: int, order: str, timeframe: str) -> tuple[str, ...]:
        notes = (
            layout_note(self._layout, self._options),
            self._symbol_note,
            timeframe,
            *times,
            order,
            price_note(self._options, differing),
            OMITS_NOTE if self.omits_empty else "",
        )
        return tuple(note for note in notes if note)


class _Order:
    """In which direction rows stand in time; only oldest first can be read in parts."""

    def __init__(self, given: str | None, where: str) -> None:
        self._given, self._where = given, where
        self._last: int | None = None
        self._up = self._down = 0

    def update(self, micros: IntArray) -> None:
        """Look at the next open times. Raises `UsageError`."""
        if even_step(micros) > 0 and (self._last is None or micros[0] > self._last):
            self._up += len(micros) - (self._last is None)
            self._last = int(micros[-1])
            return
        time = micros[micros != UNREADABLE_TIME]
        if self._last is not None:
            time = np.concatenate(([self._last], time))
        steps = np.diff(time)
        self._up += int(np.count_nonzero(steps > 0))
        self._down += int(np.count_nonzero(steps < 0))
        self._last = int(time[-1]) if len(time) else self._last
        if order_of(self._up, self._down, self._given)[0]:
            raise UsageError(
                f"{self._where}: stands newest first, and candles are read in chunks oldest first; "
                "sort the file, or leave out --stream"
            )

    @property
    def note(self) -> str:
        """What is said of all rows."""
        return order_of(self._up, self._down, self._given)[1]


def _require_instants(found: Recognised, options: FileOptions, where: str) -> None:
    """Refuse times whose meaning may depend on rows that are not read yet. Raises `UsageError`."""
    import pyarrow.types as kinds

    kind = found.time.type.value_type if kinds.is_dictionary(found.time.type) else found.time.type
    if kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_string_view(kind):
        raise UsageError(
            f"{where}: the open times are text, which is not read in chunks; write them as timestamps, "
            "or leave out --stream"
        )
    zone = options.tz or found.layout.tz
    if kinds.is_timestamp(kind) and kind.tz is None and zone is not None and zone.upper() != "UTC":
        raise UsageError(
            f"{where}: the open times are local to {zone}, whose repeated hours need all rows; write them "
            "in UTC, or leave out --stream"
        )


def _name_of(column: Any, table: RawTable) -> str | None:
    """The name under which a column stands in a table."""
    return next((name for name, own in zip(table.header, table.columns, strict=True) if own is column), None)


def _texts(column: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.utf8_trim_whitespace(column.cast(pa.string()))


def _is_symbol(column: Any, spelled: frozenset[str]) -> BoolArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    return np.asarray(as_array(pc.is_in(_texts(column), pa.array(sorted(spelled)))), dtype=np.bool_)


def _cut(raw: RawCandles, rows: int) -> Iterator[RawCandles]:
    """Parts of at most so many rows."""
    total = len(raw.open_time)
    if total <= rows:
        yield raw
        return
    for start in range(0, total, rows):
        stop = min(start + rows, total)
        yield dataclasses.replace(
            raw,
            open_time=raw.open_time[start:stop],
            columns={name: values[start:stop] for name, values in raw.columns.items()},
            line=raw.line[start:stop],
            unreadable={
                (row - start, name): text
                for (row, name), text in raw.unreadable.items()
                if start <= row < stop
            },
        )


def _fixed(array: Any) -> Any:
    """The array, which nobody writes to any more."""
    if array.flags.writeable:
        array.flags.writeable = False
    return array
