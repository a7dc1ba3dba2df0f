"""Run every installed strategy over bundled real daily candles, compare them and save the runs."""

import argparse
import shutil
import sys
from contextlib import nullcontext
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Final

from stratkernel.cli.candle_flags import add_database_argument
from stratkernel.cli.session import open_kernel, warn_of_broken_plugins

if TYPE_CHECKING:
    from stratkernel.cli.database import Database
    from stratkernel.contracts.candles import Candles
    from stratkernel.contracts.stored import RunRecord
    from stratkernel.engine.performance import Performance
    from stratkernel.kernel.manager import Kernel

SYMBOLS: Final = ("AAPL", "IBM", "MSFT")
VENUE: Final = "demo"
"""Of its own, so that the bundled candles meet none that you bring."""
_COLUMNS: Final = ("total_return", "cagr", "sharpe", "max_drawdown", "exposure", "trades", "win_rate")

_NEXT: Final = """\
What to type next:
  {program} strategies                          the strategies and their parameters
  {program} run ema_crossover --data FILE       a candle file: Binance, Kraken, Yahoo, ...
"""
_NEXT_SAVED: Final = """\
  {program} run rsi --symbol AAPL --param period=10 --fee-bps 10 --save
  {program} runs list                           the runs that are saved; `runs compare last~1 last`
"""
_NEXT_PLUGINS: Final = """\
  {program} plugins                             what is installed, and why something is missing
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--fee-bps", type=float, default=5.0, help="fee a side (default: 5, which is 0.05 %%)"
    )
    parser.add_argument("--no-save", action="store_true", help="keep nothing in the database")
    add_database_argument(parser)


def execute(arguments: argparse.Namespace) -> int:
    from stratkernel.cli.database import database_of
    from stratkernel.engine.factory import StrategyFactory
    from stratkernel.engine.performance import Costs, evaluate
    from stratkernel.engine.run import run_strategy
    from stratkernel.engine.run_record import RunCourse, evaluated_record
    from stratkernel.kernel.clock import SystemClock
    from stratkernel.kernel.errors import UsageError
    from stratkernel.kernel.kinds import STRATEGY

    clock = SystemClock()
    began = clock.monotonic()
    kernel = open_kernel(arguments)
    items = kernel.items(STRATEGY)
    warn_of_broken_plugins(kernel, verbose=arguments.verbose)
    if not items:
        raise UsageError('no strategy is installed; try: pip install "stratkernel[strategies]"')
    series = load_demo_candles(kernel)
    costs = Costs(fee_bps=arguments.fee_bps)
    with nullcontext() if arguments.no_save else database_of(kernel, arguments) as database:
        rows: list[tuple[str, str, Performance]] = []
        records: list[RunRecord] = []
        for candles in series:
            for item in items:
                started = clock.utc_now()
                strategy = StrategyFactory(kernel).create(item.qualified, strategy_name=item.name)
                result = run_strategy(kernel, strategy, candles)
                performance = evaluate(result.candles, result.signals, costs)
                rows.append((candles.symbol, item.name, performance))
                records.append(evaluated_record(result, performance, RunCourse(started, clock.utc_now())))
        _print(rows, series, clock.monotonic() - began, arguments.fee_bps)
        told = "" if database is None else _save(database, series, records, rows)
    if told:
        print(f"{told}\n")
    # in an environment that is not activated the program is not on the path
    program = "stratkernel" if shutil.which("stratkernel") else sys.argv[0]
    for lines in (_NEXT, _NEXT_SAVED if told else "", _NEXT_PLUGINS):
        print(lines.format(program=program), end="")
    return 0


def _save(
    database: "Database",
    series: "list[Candles]",
    records: "list[RunRecord]",
    rows: "list[tuple[str, str, Performance]]",
) -> str:
    """Store candles and runs, all or nothing; gives what to say of it."""
    storage = database.storage
    with storage.unit_of_work():
        for candles in series:
            storage.candles.write(candles, overwrite=True)
        writes = [
            storage.strategies.save_run(record, performance.signals)
            for record, (_, _, performance) in zip(records, rows, strict=True)
        ]
    new = sum(write.new_run for write in writes)
    signals = sum(write.inserted for write in writes)
    if not new and not signals:
        return f"all {len(writes)} runs are stored already in {storage.title}"
    return f"stored {new} runs and {signals:,} signals in {storage.title}"


def load_demo_candles(kernel: "Kernel") -> "list[Candles]":
    """The bundled daily candles, all prices scaled by Adj Close / Close so that splits are no crashes."""
    from stratkernel.contracts.admission import admit
    from stratkernel.contracts.source import SourceRequest
    from stratkernel.engine.candle_source import source_for

    series = []
    with as_file(files("stratkernel") / "demo_data" / "daily.csv.gz") as path:
        source = source_for(kernel, str(path)).cls()
        for symbol in SYMBOLS:
            request = SourceRequest(
                str(path), symbol=symbol, timeframe="1d", options={"adjusted": True, "venue": VENUE}
            )
            series.append(admit(source.load(request)))
    return series


def _print(
    rows: "list[tuple[str, str, Performance]]", series: "list[Candles]", seconds: float, fee_bps: float
) -> None:
    from rich.console import Console
    from rich.table import Table

    from stratkernel.cli.run_output import format_metric
    from stratkernel.contracts.timeframes import iso

    total = sum(len(candles) for candles in series)
    table = Table("symbol", "strategy", "buy and hold", *(name.replace("_", " ") for name in _COLUMNS))
    for column in table.columns[2:]:
        column.justify = "right"
    held = {candles.symbol: candles.columns.close[-1] / candles.columns.close[0] - 1 for candles in series}
    for number, (symbol, name, performance) in enumerate(rows):
        cells = [format_metric(metric, performance.metrics[metric]) for metric in _COLUMNS]
        last_of_symbol = number + 1 == len(rows) or rows[number + 1][0] != symbol
        table.add_row(symbol, name, f"{held[symbol]:.2%}", *cells, end_section=last_of_symbol)
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=120)
    first, last = iso(int(series[0].open_time[0])), iso(int(series[0].open_time[-1]))
    console.print(
        f"Daily candles of {', '.join(SYMBOLS)}, {first[:10]} to {last[:10]}, fees {fee_bps:g} bps a side"
    )
    console.print(table)
    console.print(
        f"{len(rows)} runs over {total:,} candles in {seconds:.2f} s: signals, trades and metrics.\n"
    )
