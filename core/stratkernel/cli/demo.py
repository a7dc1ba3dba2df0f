"""Run every installed strategy over bundled real daily candles and compare them."""

import argparse
import shutil
import sys
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Final

from stratkernel.cli.session import open_kernel, warn_of_broken_plugins

if TYPE_CHECKING:
    from stratkernel.contracts.candles import Candles
    from stratkernel.engine.performance import Performance
    from stratkernel.kernel.manager import Kernel

SYMBOLS: Final = ("AAPL", "IBM", "MSFT")
_COLUMNS: Final = ("total_return", "cagr", "sharpe", "max_drawdown", "exposure", "trades", "win_rate")

_NEXT: Final = """\
What to type next:
  {program} strategies                          the strategies and their parameters
  {program} run ema_crossover --data FILE       a candle file: Binance, Kraken, Yahoo, ...
  {program} run rsi --data FILE --param period=10 --fee-bps 10 --json
  {program} plugins                             what is installed, and why something is missing
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--fee-bps", type=float, default=5.0, help="fee a side (default: 5, which is 0.05 %%)"
    )


def execute(arguments: argparse.Namespace) -> int:
    from stratkernel.engine.factory import StrategyFactory
    from stratkernel.engine.performance import Costs, evaluate
    from stratkernel.engine.run import run_strategy
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
    rows: list[tuple[str, str, Performance]] = []
    for candles in series:
        for item in items:
            strategy = StrategyFactory(kernel).create(item.qualified, strategy_name=item.name)
            result = run_strategy(kernel, strategy, candles)
            rows.append((candles.symbol, item.name, evaluate(result.candles, result.signals, costs)))
    _print(rows, series, clock.monotonic() - began, arguments.fee_bps)
    return 0


def load_demo_candles(kernel: "Kernel") -> "list[Candles]":
    """The bundled daily candles, all prices scaled by Adj Close / Close so that splits are no crashes."""
    from stratkernel.contracts.admission import admit
    from stratkernel.contracts.source import SourceRequest
    from stratkernel.engine.candle_source import source_for

    series = []
    with as_file(files("stratkernel") / "demo_data" / "daily.csv.gz") as path:
        source = source_for(kernel, str(path)).cls()
        for symbol in SYMBOLS:
            request = SourceRequest(str(path), symbol=symbol, timeframe="1d", options={"adjusted": True})
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
    # in an environment that is not activated the program is not on the path
    program = "stratkernel" if shutil.which("stratkernel") else sys.argv[0]
    console.print(_NEXT.format(program=program), soft_wrap=True)
