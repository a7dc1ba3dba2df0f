"""Run a strategy over candles of a file or of the database; tell its signals, trades and metrics."""

import argparse
import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stratkernel.cli.candle_flags import (
    add_database_argument,
    add_file_arguments,
    add_range_arguments,
    add_series_arguments,
)
from stratkernel.cli.exit_arguments import add_exit_arguments, exit_rules_of
from stratkernel.cli.session import open_kernel, warn_of_broken_plugins

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from stratkernel.cli.database import Database
    from stratkernel.engine.run_record import AnyPerformance, AnyResult

_EPILOG = """examples:
  stratkernel run ema_crossover --data BTCUSDT-1h.csv
  stratkernel run rsi --data prices.csv --symbol AAPL --param period=10 --param oversold=25 --json
  stratkernel run macd --symbol AAPL --timeframe 1d --from 2020-01-01 --save
  stratkernel run macd --data years-of-minutes.parquet --stream
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "strategy",
        metavar="STRATEGY",
        help="a name that `stratkernel strategies` or `stratkernel config list` lists, or a document's path",
    )
    parser.add_argument(
        "--param", metavar="NAME=VALUE", action="append", default=[], help="a parameter; repeatable"
    )
    _add_data_arguments(parser.add_argument_group("candles"))
    _add_range_arguments(parser.add_argument_group("range and gaps"))
    _add_trading_arguments(parser.add_argument_group("trading"))
    output = parser.add_argument_group("output")
    output.add_argument("--json", action="store_true", help="print one JSON object")
    output.add_argument("--signals-out", metavar="FILE", help="write the signals to a .csv or .parquet file")
    parser.add_argument("--no-check", action="store_true", help="do not look for look-ahead on a sample")
    output.add_argument("--save", action="store_true", help="keep the run and its signals in the database")
    add_database_argument(output)


def _add_data_arguments(group: Any) -> None:
    group.add_argument(
        "--data",
        metavar="FILE",
        help="csv, csv.gz, parquet, feather or json; without it --symbol is read from the database",
    )
    add_series_arguments(group)
    add_file_arguments(group)
    group.add_argument(
        "--stream",
        action="store_true",
        help="read in chunks what is larger than memory: a Parquet file, a folder of them, or the database",
    )
    group.add_argument("--chunk-rows", type=int, metavar="N", help="--stream with N candles at a time")


def _add_range_arguments(group: Any) -> None:
    add_range_arguments(group, "open time that comes out")
    group.add_argument("--origin", metavar="TIME", help="where indicators begin (default: the first candle)")
    group.add_argument(
        "--gaps", choices=("continue", "reset", "fill"), help="at missing candles (default: continue)"
    )
    group.add_argument("--max-gap", type=int, metavar="N", help="gaps of up to N candles are ignored")


def _add_trading_arguments(group: Any) -> None:
    group.add_argument("--fill", choices=("next_open", "close"), default="next_open", help="price of a trade")
    group.add_argument("--fee-bps", type=float, default=0.0, help="fee a side, hundredths of a percent")
    group.add_argument(
        "--slippage-bps", type=float, default=0.0, help="slippage a side, hundredths of a percent"
    )
    group.add_argument("--initial-capital", type=float, default=10_000.0, help="money at the start")
    add_exit_arguments(group)


def execute(arguments: argparse.Namespace) -> int:
    # heavy modules are imported here, so that `--help` does without them
    from stratkernel.cli.candle_input import higher_candles, load_candles, parse_time
    from stratkernel.cli.database import database_of
    from stratkernel.cli.parameters import parse_parameters
    from stratkernel.cli.strategy_argument import choose_strategy
    from stratkernel.cli.table_files import table_path
    from stratkernel.engine.gaps import GapRule
    from stratkernel.engine.lookahead.checking import refuse_lookahead
    from stratkernel.engine.performance import Costs, evaluate
    from stratkernel.engine.run import require_enough_candles, run_strategy
    from stratkernel.engine.run_setup import RunOptions
    from stratkernel.engine.timeframes.plan import VENUE
    from stratkernel.kernel.clock import SystemClock

    target = table_path("--signals-out", arguments.signals_out) if arguments.signals_out is not None else None
    costs = Costs(
        fill=arguments.fill,
        fee_bps=arguments.fee_bps,
        slippage_bps=arguments.slippage_bps,
        initial_capital=arguments.initial_capital,
    )
    start, end = parse_time("--from", arguments.start), parse_time("--to", arguments.end)
    origin = parse_time("--origin", arguments.origin)
    kernel = open_kernel(arguments)
    chosen = choose_strategy(kernel, arguments.strategy, parse_parameters(arguments.param))
    max_gap = chosen.max_gap if arguments.max_gap is None else arguments.max_gap
    gaps = GapRule(arguments.gaps or chosen.gaps, max_gap)
    if chosen.timeframe and not arguments.timeframe:
        arguments.timeframe = chosen.timeframe
        told = f"timeframe {chosen.timeframe} is the document's; --timeframe beats it"
        print(f"stratkernel: {told}", file=sys.stderr)
    exits = exit_rules_of(arguments, chosen.exits)
    options = RunOptions(start, end, origin, gaps, chosen.extra_timeframes, exits)
    of_venue = [name for name, source in chosen.extra_timeframes.items() if source == VENUE]
    with database_of(kernel, arguments, makes=arguments.save) as database:
        began = SystemClock().utc_now()
        if arguments.stream or arguments.chunk_rows is not None:
            from stratkernel.cli.run_streaming import stream_run

            streamed = stream_run(kernel, arguments, database, chosen.strategy, options, costs)
            require_enough_candles(streamed)
            return _finish(arguments, _Outcome(streamed, streamed.performance, began), target, database)
        candles = load_candles(kernel, arguments, database)
        warn_of_broken_plugins(kernel, verbose=arguments.verbose)
        higher = higher_candles(database, arguments, candles, of_venue)
        if not arguments.no_check:
            refuse_lookahead(kernel, chosen.strategy, candles, options, venue_candles=higher)
        result = run_strategy(kernel, chosen.strategy, candles, options, venue_candles=higher)
        require_enough_candles(result)
        performance = evaluate(result.candles, result.signals, costs, exits)
        return _finish(arguments, _Outcome(result, performance, began), target, database)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """A run that is done, and when it began."""

    result: "AnyResult"
    performance: "AnyPerformance"
    began: "datetime"


def _finish(
    arguments: argparse.Namespace, outcome: _Outcome, target: "Path | None", database: "Database"
) -> int:
    """Write, save and print. A run that cannot be saved is printed before the error is raised."""
    from stratkernel.cli.run_output import failures_of, print_report, run_document
    from stratkernel.cli.run_saving import save_run
    from stratkernel.cli.table_files import write_frame
    from stratkernel.engine.run_record import RunCourse, evaluated_record
    from stratkernel.kernel.clock import SystemClock
    from stratkernel.kernel.errors import StratkernelError

    result, performance = outcome.result, outcome.performance
    course = RunCourse(started_at=outcome.began, finished_at=SystemClock().utc_now())
    record = evaluated_record(result, performance, course)
    if target is not None:
        write_frame(result.signals.frame, target)
    told, failure = "", None
    if arguments.save:
        try:
            told = save_run(database.storage, record, result.signals)
        except StratkernelError as error:
            failure = error
    for text in failures_of(result):
        print(f"stratkernel: {text}", file=sys.stderr)
    if arguments.json:
        document = run_document(result, performance)
        document |= {"run_id": str(record.run_id), "saved": bool(told)}
        print(json.dumps(document, indent=2, allow_nan=False))
    else:
        print_report(result, performance)
    if failure is not None:
        raise failure
    if told:
        print(f"stratkernel: {told}" if arguments.json else told, file=sys.stderr if arguments.json else None)
    return 0
