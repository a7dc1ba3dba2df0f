"""`run --stream`: candles of a Parquet file, a folder of them or the database, read chunk by chunk."""

import argparse
from typing import TYPE_CHECKING, Any

from stratkernel.cli.candle_input import (
    calendar_of,
    file_request,
    policy_of,
    require_stored,
    tell,
    tell_report,
)
from stratkernel.cli.series_argument import choose_series
from stratkernel.cli.session import warn_of_broken_plugins
from stratkernel.contracts.stored import Series
from stratkernel.engine.lookahead.checking import refuse_lookahead
from stratkernel.engine.streaming.chunks import CHUNK_ROWS, CandleChunks, StoredChunks, first_candles
from stratkernel.engine.streaming.loading import load_chunks
from stratkernel.engine.streaming.run import StreamedResult, stream_strategy
from stratkernel.engine.timeframes.plan import VENUE
from stratkernel.kernel.clock import SystemClock
from stratkernel.kernel.errors import UsageError

if TYPE_CHECKING:
    from stratkernel.cli.database import Database
    from stratkernel.contracts.strategy import BaseStrategy
    from stratkernel.engine.run_setup import RunOptions
    from stratkernel.engine.trades import Costs
    from stratkernel.kernel.manager import Kernel

_SAMPLE_ROWS = 16_384
"""Candles that a look for look-ahead is given, of which it takes as many as it needs."""


def stream_run(
    kernel: "Kernel",
    arguments: argparse.Namespace,
    database: "Database",
    strategy: "BaseStrategy[Any]",
    options: "RunOptions",
    costs: "Costs",
) -> StreamedResult:
    """Run over candles that need not fit into memory; look-ahead is looked for in the first of them.

    Raises:
        LookaheadError: the strategy is not honest.
        UsageError: they cannot be read in chunks, or the strategy cannot be streamed.
        DataError, StorageError: they cannot be read, or are bad.
    """
    chunks = _chunks(kernel, arguments, database)
    warn_of_broken_plugins(kernel, verbose=arguments.verbose)
    of_venue = [name for name, source in options.extra_timeframes.items() if source == VENUE]
    if of_venue and arguments.data is not None:
        raise UsageError(
            f"the document takes candles of {', '.join(of_venue)} from the venue, and --data holds one "
            "timeframe; import both into the database, or let them be resampled"
        )
    higher = {
        name: database.storage.candles.read(Series(chunks.symbol, name, chunks.venue)) for name in of_venue
    }
    if not arguments.no_check and strategy.window is not None:
        sample = first_candles(chunks, _SAMPLE_ROWS, options.origin)
        if sample is not None:
            refuse_lookahead(kernel, strategy, sample, options, venue_candles=higher)
    result = stream_strategy(kernel, strategy, chunks, options, costs, venue_candles=higher)
    tell_report(chunks.report)
    return result


def _chunks(kernel: "Kernel", arguments: argparse.Namespace, database: "Database") -> CandleChunks:
    rows = CHUNK_ROWS if arguments.chunk_rows is None else arguments.chunk_rows
    if arguments.data is not None:
        return load_chunks(
            kernel,
            file_request(arguments, arguments.data),
            now=SystemClock().utc_now(),
            rows=rows,
            policy=policy_of(arguments.bad_candles),
            calendar=calendar_of(arguments),
        )
    require_stored(arguments)
    storage = database.storage
    series = choose_series(storage, arguments.symbol, arguments.timeframe, arguments.venue)
    tell(f"{storage.title}: {series}, {rows:,} candles at a time")
    return StoredChunks(storage.candles, series, calendar=calendar_of(arguments), rows=rows)
