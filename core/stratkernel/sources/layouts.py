"""The layouts that are recognised, and where each keeps its columns."""

import re
from dataclasses import dataclass
from typing import Any, Final

from stratkernel.contracts.columns import CANDLE_COLUMNS
from stratkernel.kernel.errors import DataError, UsageError, did_you_mean
from stratkernel.sources.table import RawTable

_PRICES: Final = ("open", "high", "low", "close")
_TIMES: Final = ("open_time", "timestamp", "unix", "unix_timestamp", "datetime", "date_time", "date", "time")
_TYPED_TIMES: Final = (*_TIMES, "index", "index_level_0")
_SYMBOLS: Final = ("symbol", "ticker", "pair")


@dataclass(frozen=True, slots=True)
class Layout:
    """How one vendor writes candles.

    `marks` are sets of header names of which one, all of it, tells the layout, unless one of `foreign`
    is there too. `times` and `volumes` are
    the names that may hold open time and volume, the first that is there counts. `positions` are the
    columns of files without header, by their number. `tz` is the zone that the vendor documents.
    """

    name: str
    title: str
    marks: tuple[frozenset[str], ...] = ()
    foreign: frozenset[str] = frozenset()
    times: tuple[str, ...] = _TIMES
    volumes: tuple[str, ...] = ("volume",)
    symbols: tuple[str, ...] = ()
    positions: tuple[tuple[str, ...], ...] = ()
    tz: str | None = None
    omits_empty: bool = False


OHLCV: Final = ("time", *CANDLE_COLUMNS)

LAYOUTS: Final = (
    Layout(
        "binance",
        "Binance klines",
        marks=(
            frozenset({"open_time", "close_time", "ignore"}),
            frozenset({"open_time", "close_time", "taker_buy_volume"}),
        ),
        times=("open_time",),
        positions=((*OHLCV, "close_time", "quote_volume", "count", "taker_volume", "taker_quote", "ignore"),),
    ),
    Layout(
        "kraken",
        "Kraken export",
        marks=(frozenset({"time", "vwap", "count"}), frozenset({"time", "vwap", "trades"})),
        times=("time",),
        positions=((*OHLCV, "count"), ("time", *_PRICES, "vwap", "volume", "count")),
        omits_empty=True,
    ),
    Layout(
        "cryptodatadownload",
        "CryptoDataDownload",
        marks=(
            frozenset({"unix", "date", "symbol"}),
            frozenset({"unix_timestamp", "date", "symbol"}),
            frozenset({"date", "symbol", "volume_usd"}),
            frozenset({"date", "symbol", "volume_usdt"}),
        ),
        times=("unix", "unix_timestamp", "date"),
        volumes=("volume", "volume_*"),
        symbols=("symbol",),
        tz="UTC",
    ),
    Layout(
        "yahoo",
        "Yahoo Finance",
        marks=(frozenset({"date", "adj_close"}), frozenset({"datetime", "adj_close"})),
        foreign=frozenset(_SYMBOLS),
        times=("datetime", "date"),
    ),
    Layout("freqtrade", "freqtrade", times=("date",), positions=(OHLCV,)),
    Layout("stratkernel", "the project's own schema", times=("open_time", "timestamp"), symbols=_SYMBOLS),
    Layout("ohlcv", "columns by their names", times=_TYPED_TIMES, symbols=_SYMBOLS, positions=(OHLCV,)),
)
BY_NAME: Final = {layout.name: layout for layout in LAYOUTS}


@dataclass(frozen=True, eq=False)
class Recognised:
    """A layout, and the columns (pyarrow) of a table that it names."""

    layout: Layout
    time: Any
    columns: dict[str, Any]
    symbol: Any | None
    adj_close: Any | None
    names: dict[str, str]


def recognise(table: RawTable, wanted: str | None) -> Recognised:
    """Tell the layout of a table and find its columns.

    Raises:
        UsageError: an unknown `--layout`, or a table without header that could be anything.
        DataError: columns are missing.
    """
    if wanted is not None and wanted not in BY_NAME:
        raise UsageError(
            f"unknown --layout {wanted!r}.{did_you_mean(wanted, BY_NAME)} "
            f"Expected one of: {', '.join(BY_NAME)}"
        )
    if not table.header:
        return _by_position(table, wanted)
    names = [normalised(name) for name in table.header]
    layout = BY_NAME[wanted] if wanted else _by_header(table, set(names))
    return _by_name(table, layout, names)


def normalised(name: str) -> str:
    """A column name in the form that layouts are written in: `<Adj Close>` is `adj_close`."""
    return re.sub(r"[^a-z0-9]+", "_", name.strip().casefold()).strip("_")


def _by_header(table: RawTable, names: set[str]) -> Layout:
    for layout in LAYOUTS:
        if any(mark <= names for mark in layout.marks) and not layout.foreign & names:
            return layout
    if {"open_time", "timestamp"} & names:
        return BY_NAME["stratkernel"]
    plain = names == {"date", *CANDLE_COLUMNS}
    return BY_NAME["freqtrade" if plain and table.kind == "feather" else "ohlcv"]


def _by_name(table: RawTable, layout: Layout, names: list[str]) -> Recognised:
    found = {
        "time": _first(layout.times, names),
        **{name: _first((name,), names) for name in _PRICES},
        "volume": _first(layout.volumes, names),
    }
    missing = [name for name, index in found.items() if index is None]
    if missing:
        wanted = ["open time" if name == "time" else name for name in missing]
        expected = f"an open time ({', '.join(layout.times)}) and {', '.join(CANDLE_COLUMNS)}"
        raise DataError(
            f"{table.where}: has no column for {', '.join(wanted)} (layout: {layout.title}); "
            f"expected {expected}; got {_listed(table.header)}"
        )
    _refuse_doubles(table, {names[index] for index in found.values() if index is not None}, names)
    at = {name: table.columns[index] for name, index in found.items() if index is not None}
    time = at.pop("time")
    clock = _first(("time",), names)
    if found["time"] is not None and names[found["time"]] == "date" and clock is not None:
        time = _joined(time, table.columns[clock])
    symbol, adjusted = _first(layout.symbols, names), _first(("adj_close",), names)
    return Recognised(
        layout=layout,
        time=time,
        columns=at,
        symbol=None if symbol is None else table.columns[symbol],
        adj_close=None if adjusted is None else table.columns[adjusted],
        names={name: table.header[index] for name, index in found.items() if index is not None},
    )


def _by_position(table: RawTable, wanted: str | None) -> Recognised:
    width = len(table.columns)
    layout, positions = _layout_of_width(table, wanted, width)
    at = dict(zip(positions, table.columns, strict=True))
    return Recognised(
        layout=layout,
        time=at["time"],
        columns={name: at[name] for name in CANDLE_COLUMNS},
        symbol=None,
        adj_close=None,
        names={name: f"column {i}" for i, name in enumerate(positions, 1)},
    )


def _layout_of_width(table: RawTable, wanted: str | None, width: int) -> tuple[Layout, tuple[str, ...]]:
    if wanted:
        for positions in BY_NAME[wanted].positions:
            if len(positions) == width:
                return BY_NAME[wanted], positions
        raise UsageError(
            f"{table.where}: has {width} columns and no header, which is not {BY_NAME[wanted].title} "
            f"(--layout {wanted}); leave the flag out, or give the file a header line"
        )
    candidates = ("binance", "kraken", "freqtrade" if table.kind == "json" else "ohlcv")
    for name in candidates:
        for positions in BY_NAME[name].positions:
            if len(positions) == width and (name != "kraken" or _epoch_seconds(table.columns[0])):
                return BY_NAME[name], positions
    raise UsageError(
        f"{table.where}: has no header and {width} columns, which is no layout that is known; name it with "
        "--layout, or give the file a header line such as: open_time,open,high,low,close,volume"
    )


def _epoch_seconds(column: Any) -> bool:
    """Whether the first values are epochs of ten digits."""
    texts = [str(value.as_py()) for value in column.slice(0, 20)]
    return all(
        re.fullmatch(r"[0-9]{9,10}(\.0*)?", text.strip())
        for text in texts
        if text.strip() not in {"", "None"}
    )


def _first(wanted: tuple[str, ...], names: list[str]) -> int | None:
    for name in wanted:
        if name.endswith("*"):
            index = next((i for i, have in enumerate(names) if have.startswith(name[:-1])), None)
            if index is not None:
                return index
        elif name in names:
            return names.index(name)
    return None


def _refuse_doubles(table: RawTable, used: set[str], names: list[str]) -> None:
    double = sorted(name for name in used if names.count(name) > 1)
    if double:
        raise DataError(
            f"{table.where}: has the column {double[0]!r} twice; keep one. Got {_listed(table.header)}"
        )


def _joined(date: Any, clock: Any) -> Any:
    """Date and time of day from two columns of text; anything else stays as the date is."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not (pa.types.is_string(date.type) and pa.types.is_string(clock.type)):
        return date
    if not pc.all(
        pc.match_substring_regex(pc.utf8_trim_whitespace(clock), r"^\d{2}:\d{2}(:\d{2})?$")
    ).as_py():
        return date
    return pc.binary_join_element_wise(pc.utf8_trim_whitespace(date), pc.utf8_trim_whitespace(clock), " ")


def _listed(header: tuple[str, ...]) -> str:
    shown = ", ".join(header[:20])[:300]
    return shown + (", ..." if len(header) > 20 else "")
