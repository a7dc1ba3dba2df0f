"""The source `candle_file`: candles of one symbol from a file on this machine."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Self, TypeVar
from urllib.parse import unquote, urlsplit

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from typing_extensions import override

from stratkernel.contracts.arrays import FloatArray, IntArray
from stratkernel.contracts.calendars import Calendar
from stratkernel.contracts.columns import CANDLE_COLUMNS
from stratkernel.contracts.source import UNREADABLE_TIME, DataSource, RawCandles, RawChunks, SourceRequest
from stratkernel.kernel.errors import DataError, UsageError, describe, did_you_mean
from stratkernel.sources.infer import timeframe_of
from stratkernel.sources.instants import TimeContext
from stratkernel.sources.layouts import Layout, Recognised, recognise
from stratkernel.sources.numbers import read_numbers
from stratkernel.sources.readers import READERS, read_table, suffix_of
from stratkernel.sources.symbols import choose_symbol
from stratkernel.sources.table import RawTable
from stratkernel.sources.times import read_times

_ORDERS: Final = ("oldest-first", "newest-first")
_PRICES: Final = ("open", "high", "low", "close")

OMITS_NOTE: Final = "a missing candle is no gap: this source omits candles without trades"

N = TypeVar("N", np.float64, np.int64)


@dataclass(frozen=True, slots=True)
class FileOptions:
    """The flags of this source; `None` is inferred.

    layout: binance, kraken, cryptodatadownload, yahoo, freqtrade, stratkernel or ohlcv.
    tz: the zone of date-times that name none. time_unit: s, ms, us or ns, of epochs.
    order: oldest-first or newest-first. adjusted: scale prices by Adj Close / Close.
    omits_empty: the file leaves out candles without trades. calendar: 24x7, weekdays or sessions.
    venue: the name of the market, part of a run's identity.
    """

    layout: str | None = None
    tz: str | None = None
    time_unit: str | None = None
    order: str | None = None
    adjusted: bool = False
    omits_empty: bool | None = None
    calendar: Calendar | None = None
    venue: str = "local"

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Self:
        """Check the options of a request. Raises `UsageError`."""
        given = {name: value for name, value in options.items() if value is not None}
        unknown = [name for name in given if name not in cls.__slots__]
        if unknown:
            known = ", ".join(cls.__slots__)
            raise UsageError(
                f"candle files have no option {unknown[0]!r}.{did_you_mean(unknown[0], cls.__slots__)} "
                f"Expected one of: {known}"
            )
        if given.get("order", _ORDERS[0]) not in _ORDERS:
            raise UsageError(f"unknown --order {given['order']!r}; expected {' or '.join(_ORDERS)}")
        if "calendar" in given:
            try:
                given["calendar"] = Calendar(given["calendar"])
            except ValueError as error:
                raise UsageError(
                    f"unknown --calendar {given['calendar']!r}; expected one of {', '.join(Calendar)}"
                ) from error
        return cls(**given)


class CandleFileSource(DataSource):
    """Reads CSV (plain or gzip), Parquet, Feather and JSON, in the layouts of `stratkernel.sources.layouts`.

    What it infers is said in the notes of what it gives; each inference has a flag that overrides it.
    """

    name: ClassVar[str] = "candle_file"
    schemes: ClassVar[tuple[str, ...]] = ("file",)
    suffixes: ClassVar[tuple[str, ...]] = tuple(READERS)

    def load(self, request: SourceRequest) -> RawCandles:
        """Read the candles of one symbol, oldest first.

        Raises:
            UsageError: no such file, or something must be said with a flag, which it names.
            DataError: the file cannot be read as candles.
        """
        options = FileOptions.of(request.options)
        path = local_path(request.location)
        try:
            return self._load(path, request, options)
        except (pa.ArrowException, UnicodeDecodeError) as error:
            # a damaged Parquet or Feather file may open and then hold what is no text
            raise DataError(f"{path.name}: is damaged: {describe(error)}") from error

    @override
    def chunks(self, request: SourceRequest, rows: int) -> RawChunks:
        """Read a Parquet file, or a folder of them as one series, in parts; other files are read whole.

        Raises:
            UsageError: no such file, not Parquet, or something must be said with a flag, which it names.
            DataError: it cannot be read as candles, or stands newest first.
        """
        from stratkernel.sources.candle_chunks import ParquetChunks

        options = FileOptions.of(request.options)
        return ParquetChunks(local_path(request.location), request, options, rows)

    @staticmethod
    def _load(path: Path, request: SourceRequest, options: FileOptions) -> RawCandles:
        table = read_table(path)
        found = recognise(table, options.layout)
        stem = path.name[: -len(suffix_of(path))]
        symbol, mask, symbol_note = choose_symbol(found.symbol, request.symbol, stem, table.where)
        if mask is not None and not mask.all():
            table = table.filtered(mask)
            found = recognise(table, options.layout)
        return _raw_candles(table, found, request, options, (symbol, symbol_note))


def local_path(location: str) -> Path:
    """The path that a plain path or a `file:` URL means.

    Raises:
        UsageError: it is no path that this machine can have.
    """
    if not location or "\0" in location:
        raise UsageError(f"{location!r} is no path; name a file of candles")
    if location.lower().startswith("file:"):
        parts = urlsplit(location)
        if parts.netloc not in {"", "localhost"}:
            raise UsageError(
                f"{location!r} names a file on {parts.netloc!r}; only files of this machine are read"
            )
        location = unquote(parts.path)
    return Path(location).expanduser()


def _raw_candles(
    table: RawTable, found: Recognised, request: SourceRequest, options: FileOptions, symbol: tuple[str, str]
) -> RawCandles:
    context = TimeContext(table.where, table.line, options.tz, found.layout.tz, options.time_unit)
    times = read_times(found.time, context)
    unreadable = {(row, "open_time"): text for row, text in (times.unreadable | table.ragged).items()}
    columns = {name: read_numbers(found.columns[name], name, unreadable) for name in CANDLE_COLUMNS}
    differing = adjust_prices(columns, found, options, table.where, unreadable)
    omits_empty = found.layout.omits_empty if options.omits_empty is None else options.omits_empty
    timeframe, timeframe_note = timeframe_of(
        times.micros, request.timeframe, table.where, omits_empty=omits_empty
    )
    newest_first, order_note = _order(times.micros, options.order)
    notes = (
        layout_note(found.layout, options),
        *table.notes,
        symbol[1],
        timeframe_note,
        *times.notes,
        times.unused_tz(options.tz),
        order_note,
        price_note(options, differing),
        OMITS_NOTE if omits_empty else "",
    )
    last = len(table) - 1
    return RawCandles(
        symbol=symbol[0],
        timeframe=timeframe,
        open_time=_turned(times.micros, turn=newest_first),
        columns={name: _turned(values, turn=newest_first) for name, values in columns.items()},
        line=_turned(table.line, turn=newest_first),
        where=table.where,
        unreadable={
            (last - row if newest_first else row, name): text for (row, name), text in unreadable.items()
        },
        calendar=options.calendar,
        omits_empty=omits_empty,
        venue=options.venue,
        notes=tuple(note for note in notes if note),
    )


def layout_note(layout: Layout, options: FileOptions) -> str:
    """What is said of the layout."""
    return f"layout: {layout.title}" + (" (given)" if options.layout else "")


def adjust_prices(
    columns: dict[str, FloatArray],
    found: Recognised,
    options: FileOptions,
    where: str,
    unreadable: dict[tuple[int, str], str],
) -> int:
    """Scale the prices in place of `columns` when asked to; gives the rows where Adj Close is another price.

    Raises:
        UsageError: there is no such column to scale by.
    """
    if found.adj_close is None:
        if options.adjusted:
            raise UsageError(f"{where}: has no column Adj Close for --adjusted; leave the flag out")
        return 0
    texts: dict[tuple[int, str], str] = {}
    adjusted = read_numbers(found.adj_close, "adj_close", texts)
    if not options.adjusted:
        return int(np.count_nonzero(~(adjusted == columns["close"])))
    with np.errstate(all="ignore"):
        factor = adjusted / columns["close"]
        for name in _PRICES:
            columns[name] = columns[name] * factor
    for (row, _), text in texts.items():
        unreadable.setdefault((row, "close"), f"Adj Close {text!r}")
    return 0


def price_note(options: FileOptions, differing: int) -> str:
    """What is said of adjusted prices."""
    if options.adjusted:
        return "prices scaled by Adj Close / Close"
    return f"prices as they are; Adj Close differs on {differing:,} rows (--adjusted)" if differing else ""


def _order(time: IntArray, given: str | None) -> tuple[bool, str]:
    """Whether the rows stand newest first: most steps lead into the past."""
    steps = np.diff(time[time != UNREADABLE_TIME])
    up, down = int(np.count_nonzero(steps > 0)), int(np.count_nonzero(steps < 0))
    return order_of(up, down, given)


def order_of(up: int, down: int, given: str | None) -> tuple[bool, str]:
    """Whether rows with so many steps into the future and the past stand newest first, and what is said."""
    if given is not None:
        return given == "newest-first", f"order: {given.replace('-', ' ')} (given)"
    strict = "" if not (up and down) else ", but not all of them"
    if down > up:
        return True, f"order: newest first in the file{strict}; turned round"
    return False, f"order: oldest first{strict}"


def _turned(array: npt.NDArray[N], *, turn: bool) -> npt.NDArray[N]:
    """The array, reversed if need be, that nobody writes to any more."""
    turned = array[::-1].copy() if turn else array
    turned.flags.writeable = False
    return turned
