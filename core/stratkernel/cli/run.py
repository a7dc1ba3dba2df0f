"""Run a strategy over a file of candles and tell its signals, trades and metrics."""

import argparse
import json
import sys
from typing import Any

from stratkernel.cli.session import open_kernel, warn_of_broken_plugins

_EPILOG = """examples:
  stratkernel run ema_crossover --data BTCUSDT-1h.csv
  stratkernel run rsi --data prices.csv --symbol AAPL --param period=10 --param oversold=25 --json
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


def _add_data_arguments(group: Any) -> None:
    group.add_argument("--data", metavar="FILE", required=True, help="csv, csv.gz, parquet, feather or json")
    group.add_argument("--symbol", help="which symbol, where the file has several; else its name")
    group.add_argument("--timeframe", help="1m 5m 15m 1h 4h 1d 1w 1M ...; inferred from the candles")
    group.add_argument("--venue", help="the market; part of what makes a signal's id")
    group.add_argument(
        "--tz", metavar="ZONE", help="time zone of date-times that name none, as Europe/Berlin"
    )
    group.add_argument("--time-unit", choices=("s", "ms", "us", "ns"), help="unit of numeric times")
    group.add_argument("--layout", help="the file's layout, where it is not recognised")
    group.add_argument("--order", choices=("oldest-first", "newest-first"), help="order of the rows")
    group.add_argument(
        "--adjusted", action="store_true", default=None, help="scale all prices by Adj Close / Close"
    )
    group.add_argument(
        "--calendar", choices=("24x7", "weekdays", "sessions"), help="when candles are expected"
    )
    group.add_argument(
        "--omits-empty",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="the file leaves out candles without trades, so missing ones are no gaps",
    )
    group.add_argument(
        "--bad-candles",
        choices=("reject", "repair", "flag"),
        default="reject",
        help="what to do with impossible rows (default: reject the file)",
    )


def _add_range_arguments(group: Any) -> None:
    group.add_argument(
        "--from", dest="start", metavar="TIME", help="first open time that comes out (inclusive)"
    )
    group.add_argument("--to", dest="end", metavar="TIME", help="end of what comes out (exclusive)")
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


def execute(arguments: argparse.Namespace) -> int:
    # heavy modules are imported here, so that `--help` does without them
    from stratkernel.cli.candle_input import load_candles, parse_time
    from stratkernel.cli.parameters import parse_parameters
    from stratkernel.cli.run_output import (
        failures_of,
        print_report,
        run_document,
        signals_path,
        write_signals,
    )
    from stratkernel.cli.strategy_argument import choose_strategy
    from stratkernel.engine.gaps import GapRule
    from stratkernel.engine.performance import Costs, evaluate
    from stratkernel.engine.run import RunOptions, require_enough_candles, run_strategy

    target = signals_path(arguments.signals_out)
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
    candles = load_candles(kernel, arguments)
    warn_of_broken_plugins(kernel, verbose=arguments.verbose)
    options = RunOptions(start=start, end=end, origin=origin, gaps=gaps)
    result = run_strategy(kernel, chosen.strategy, candles, options)
    require_enough_candles(result)
    performance = evaluate(result.candles, result.signals, costs)
    text = json.dumps(run_document(result, performance), indent=2, allow_nan=False) if arguments.json else ""
    if target is not None:
        write_signals(result.signals, target)
    for failure in failures_of(result):
        print(f"stratkernel: {failure}", file=sys.stderr)
    if arguments.json:
        print(text)
    else:
        print_report(result, performance)
    return 0
