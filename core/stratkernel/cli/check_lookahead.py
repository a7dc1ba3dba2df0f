"""Look whether a strategy, or an indicator that it reads, sees candles that it could not have known."""

import argparse
import json

from stratkernel.cli.candle_flags import add_database_argument, add_file_arguments, add_series_arguments
from stratkernel.cli.session import open_kernel, warn_of_broken_plugins

_EPILOG = """Compared are the signals of every prefix up to 2,000 candles and of some beyond, of futures
that are made up, of exactly the rows that the strategy declares to need, of candles that come in chunks
with saved state, and of histories that begin later. Exits with 1 when something is found.

examples:
  stratkernel check-lookahead my-strategy --data BTCUSDT-5m.csv
  stratkernel check-lookahead rsi --symbol AAPL --timeframe 1d --param period=10 --json
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
    candles = parser.add_argument_group("candles")
    candles.add_argument(
        "--data",
        metavar="FILE",
        help="csv, csv.gz, parquet, feather or json; without it --symbol is read from the database",
    )
    add_series_arguments(candles)
    add_file_arguments(candles)
    candles.add_argument(
        "--origin", metavar="TIME", help="where indicators begin (default: the first candle)"
    )
    output = parser.add_argument_group("output")
    output.add_argument("--json", action="store_true", help="print one JSON object")
    add_database_argument(output)


def execute(arguments: argparse.Namespace) -> int:
    # heavy modules are imported here, so that `--help` does without them
    from stratkernel.cli.candle_input import higher_candles, load_candles, parse_time, tell
    from stratkernel.cli.database import database_of
    from stratkernel.cli.parameters import parse_parameters
    from stratkernel.cli.strategy_argument import choose_strategy
    from stratkernel.engine.gaps import GapRule
    from stratkernel.engine.lookahead.checking import check_lookahead
    from stratkernel.engine.run_setup import RunOptions
    from stratkernel.engine.timeframes.plan import VENUE

    origin = parse_time("--origin", arguments.origin)
    kernel = open_kernel(arguments)
    chosen = choose_strategy(kernel, arguments.strategy, parse_parameters(arguments.param))
    if chosen.timeframe and not arguments.timeframe:
        arguments.timeframe = chosen.timeframe
        tell(f"timeframe {chosen.timeframe} is the document's; --timeframe beats it")
    options = RunOptions(
        origin=origin,
        gaps=GapRule(chosen.gaps, chosen.max_gap),
        extra_timeframes=chosen.extra_timeframes,
    )
    with database_of(kernel, arguments, makes=False) as database:
        candles = load_candles(kernel, arguments, database)
        warn_of_broken_plugins(kernel, verbose=arguments.verbose)
        own = [name for name, source in chosen.extra_timeframes.items() if source == VENUE]
        higher = higher_candles(database, arguments, candles, own) if own else {}
    report = check_lookahead(kernel, chosen.strategy, candles, options, venue_candles=higher)
    if arguments.json:
        print(json.dumps(report.to_dict(), indent=2, allow_nan=False))
    else:
        print("\n".join(report.lines()))
    return 0 if report.honest else 1
