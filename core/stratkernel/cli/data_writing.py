"""`stratkernel data export | delete`: candles out of the database."""

import argparse
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from stratkernel.cli.candle_flags import add_database_argument, add_range_arguments
from stratkernel.cli.session import open_kernel

if TYPE_CHECKING:
    import pyarrow as pa

    from stratkernel.contracts.candles import Candles
    from stratkernel.contracts.storage import CandleStorage
    from stratkernel.contracts.stored import Series


def _series_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--symbol", required=True, help="as `stratkernel data list` lists it")
    parser.add_argument("--timeframe", help="where the symbol has several")
    parser.add_argument("--venue", help="where several have the symbol (default: local)")


def _export_arguments(parser: argparse.ArgumentParser) -> None:
    _series_arguments(parser)
    add_range_arguments(parser, "open time")
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="a .csv or .parquet file")
    add_database_argument(parser)


def export(arguments: argparse.Namespace) -> int:
    """Write stored candles to a file, which `stratkernel data import` and `run --data` read, bit for bit."""
    from stratkernel.cli.candle_input import parse_range
    from stratkernel.cli.database import check_texts, database_of
    from stratkernel.cli.series_argument import choose_series
    from stratkernel.cli.table_files import table_path, write_batches
    from stratkernel.kernel.errors import one_line

    check_texts(arguments, "symbol", "timeframe", "venue")
    path = table_path("--output", arguments.output)
    start, end = parse_range(arguments)
    with database_of(open_kernel(arguments), arguments, makes=False) as database:
        candles = database.storage.candles
        series = choose_series(database.storage, arguments.symbol, arguments.timeframe, arguments.venue)
        parts = candles.chunks(series, start, end)
        first = next(parts, None)
        if first is None:  # before the file is touched: an old one stays
            _refuse_empty(candles, series, arguments)
        rows = write_batches(map(_batch, chain(() if first is None else (first,), parts)), _schema(), path)
    print(f"wrote {rows:,} candles of {one_line(str(series))} to {path}")
    return 0


def _refuse_empty(candles: "CandleStorage", series: "Series", arguments: argparse.Namespace) -> None:
    """Raise `UnknownNameError`, which says which candles there are."""
    from stratkernel.contracts.timeframes import iso
    from stratkernel.kernel.errors import UnknownNameError, one_line

    nothing = f"nothing was written to {arguments.output}: {one_line(str(series))}"
    (stored,) = candles.series(symbol=series.symbol, timeframe=series.timeframe, venue=series.venue)
    if stored.first is None or stored.last is None:
        raise UnknownNameError(f"{nothing} has no candles")
    raise UnknownNameError(
        f"{nothing} has no candle from {arguments.start or 'the first'} to {arguments.end or 'the last'}; "
        f"it has {stored.candles:,}, from {iso(stored.first)} to {iso(stored.last)} (open times)"
    )


def _schema() -> "pa.Schema":
    import pyarrow as pa

    from stratkernel.contracts.columns import CANDLE_COLUMNS

    time = ("open_time", pa.timestamp("us", tz="UTC"))
    return pa.schema([time, *((name, pa.float64()) for name in CANDLE_COLUMNS)])


def _batch(candles: "Candles") -> "pa.RecordBatch":
    import pyarrow as pa

    from stratkernel.contracts.columns import CANDLE_COLUMNS

    arrays: list[Any] = [pa.array(candles.open_time).cast(pa.timestamp("us", tz="UTC"))]
    arrays += [pa.array(candles.columns[name]) for name in CANDLE_COLUMNS]
    return pa.RecordBatch.from_arrays(arrays, schema=_schema())


def _delete_arguments(parser: argparse.ArgumentParser) -> None:
    _series_arguments(parser)
    parser.add_argument("--yes", action="store_true", help="delete, without which nothing is")
    add_database_argument(parser)


def delete(arguments: argparse.Namespace) -> int:
    """Delete the stored candles of a series, those that were put aside too. Runs over them stay."""
    from stratkernel.cli.database import check_texts, database_of, require_yes
    from stratkernel.cli.series_argument import choose_series
    from stratkernel.kernel.errors import one_line

    check_texts(arguments, "symbol", "timeframe", "venue")
    with database_of(open_kernel(arguments), arguments, makes=False) as database:
        candles = database.storage.candles
        series = choose_series(database.storage, arguments.symbol, arguments.timeframe, arguments.venue)
        (stored,) = candles.series(symbol=series.symbol, timeframe=series.timeframe, venue=series.venue)
        name = one_line(str(series))
        require_yes(arguments, f"delete {stored.candles:,} candles of {name} from {database.storage.title}")
        count = candles.delete(series)
        database.storage.reclaim()
    print(f"deleted {count:,} candles of {name}")
    return 0


COMMANDS: Final = {"export": (_export_arguments, export), "delete": (_delete_arguments, delete)}
