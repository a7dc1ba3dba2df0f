"""Run a strategy with every combination of some parameters over the same candles; rank what comes of it."""

import argparse
import sys
from functools import partial
from typing import TYPE_CHECKING

from stratkernel.cli.batch import INTERRUPTED, SOME_FAILED, add_trading_arguments, add_work_arguments
from stratkernel.cli.candle_flags import (
    add_database_argument,
    add_file_arguments,
    add_range_arguments,
    add_series_arguments,
)
from stratkernel.cli.exit_arguments import add_exit_arguments
from stratkernel.cli.session import open_kernel, warn_of_broken_plugins

if TYPE_CHECKING:
    from stratkernel.cli.database import Database
    from stratkernel.engine.batch.sweep_plan import PreparedSweep
    from stratkernel.engine.batch.sweep_run import SweepResult
    from stratkernel.engine.batch.workshop import Workshop
    from stratkernel.kernel.manager import Kernel

SHOWN = 20
"""Rows that are shown and stored when nobody says how many."""
_EPILOG = """examples:
  stratkernel sweep ema_crossover --grid fast_period=5..50 --grid slow_period=20:200:5 --data BTC-1h.csv
  stratkernel sweep rsi --grid period=5..30 --grid exit.stop_loss=0.01:0.05:0.01 --symbol BTC/USDT
  stratkernel sweep macd --grid fast_period=5..20 --data BTC-1h.csv --walk-forward train=180d,test=30d
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "strategy", metavar="STRATEGY", nargs="?", help="an installed strategy, or a document of yours"
    )
    grid = parser.add_argument_group("combinations")
    grid.add_argument(
        "--grid",
        metavar="NAME=VALUES",
        action="append",
        default=[],
        help="5..50, first:last:step or values with commas; repeatable",
    )
    grid.add_argument(
        "--param", metavar="NAME=VALUE", action="append", default=[], help="a parameter of all; repeatable"
    )
    grid.add_argument("--sample", type=int, metavar="N", help="so many combinations by chance, not all")
    grid.add_argument("--seed", type=int, default=0, metavar="N", help="which sample (default: 0)")
    grid.add_argument(
        "--walk-forward",
        metavar="train=180d,test=30d",
        help="also choose on each training window and try the choice on what comes after it",
    )
    data = parser.add_argument_group("candles")
    data.add_argument("--data", metavar="FILE", help="a file; without it --symbol is read from the database")
    add_series_arguments(data)
    add_file_arguments(data)
    ranges = parser.add_argument_group("range")
    add_range_arguments(ranges, "open time that comes out")
    ranges.add_argument("--origin", metavar="TIME", help="where indicators begin (default: the first candle)")
    trading = parser.add_argument_group("trading")
    add_trading_arguments(trading)
    add_exit_arguments(trading)
    add_work_arguments(parser.add_argument_group("work"))
    _add_output_arguments(parser)


def _add_output_arguments(parser: argparse.ArgumentParser) -> None:
    output = parser.add_argument_group("output")
    output.add_argument("--metric", default="sharpe", help="what rows are ranked by (default: sharpe)")
    output.add_argument(
        "--top",
        type=int,
        metavar="N",
        help=f"best rows that are shown and stored (default: {SHOWN}; --json shows all)",
    )
    output.add_argument("--json", action="store_true", help="print one JSON object")
    output.add_argument("-o", "--output", metavar="FILE", help="write every row to a .csv or .parquet file")
    output.add_argument("--no-save", action="store_true", help="keep no run in the database")
    add_database_argument(output)


def execute(arguments: argparse.Namespace) -> int:
    from stratkernel.cli.batch_output import check_metric
    from stratkernel.cli.database import database_of
    from stratkernel.cli.stopping import stopping
    from stratkernel.cli.sweep_setup import check_numbers, recall, request_of
    from stratkernel.cli.table_files import table_path
    from stratkernel.engine.batch.sweep_plan import prepare_sweep
    from stratkernel.engine.batch.workshop import close_workshops, workshop_of
    from stratkernel_config.home import project_home

    if arguments.output is not None:
        table_path("--output", arguments.output)
    recall(arguments, project_home())
    check_metric(arguments.metric)
    check_numbers(arguments)
    kernel = open_kernel(arguments)
    warn_of_broken_plugins(kernel, verbose=arguments.verbose)
    with database_of(kernel, arguments, makes=not arguments.no_save) as database:
        request = request_of(kernel, arguments, database)
        workshop = workshop_of(kernel.selection)
        try:
            with stopping(at_once=True):
                prepared = prepare_sweep(workshop, request, project_home())
            _check_resumed(arguments, prepared)
            return _run(kernel, arguments, workshop, prepared, database)
        finally:
            close_workshops()


def _check_resumed(arguments: argparse.Namespace, prepared: "PreparedSweep") -> None:
    from stratkernel.kernel.errors import UsageError

    if arguments.resume is not None and arguments.resume != prepared.id:
        raise UsageError(
            f"--resume {arguments.resume}: this is sweep {prepared.id}; strategy, grid, candles, costs or "
            "plugins are not those of the sweep that you mean"
        )


def _run(
    kernel: "Kernel",
    arguments: argparse.Namespace,
    workshop: "Workshop",
    prepared: "PreparedSweep",
    database: "Database",
) -> int:
    from stratkernel.cli.stopping import stopping

    try:
        result = _compute(kernel, arguments, prepared)
        with stopping(at_once=True):
            return _finish(arguments, workshop, prepared, result, database)
    except KeyboardInterrupt:
        print(
            f"stratkernel: stopped; the same command goes on from there, as does "
            f"`stratkernel sweep --resume {prepared.id}`",
            file=sys.stderr,
        )
        return INTERRUPTED


def _compute(kernel: "Kernel", arguments: argparse.Namespace, prepared: "PreparedSweep") -> "SweepResult":
    from stratkernel.cli.executor_argument import executor_url, is_serial
    from stratkernel.cli.progress import progress
    from stratkernel.cli.stopping import stopping
    from stratkernel.cli.sweep_setup import told_of
    from stratkernel.engine.batch.sweep_run import run_sweep
    from stratkernel.engine.executors import executor_for, open_executor

    url = executor_url(arguments, tasks=len(prepared.tasks))
    executor_for(kernel, url)
    with stopping(at_once=is_serial(url)) as stop, progress("combinations", quiet=arguments.quiet) as report:
        return run_sweep(
            prepared,
            partial(open_executor, kernel, url),
            stop=stop,
            progress=report,
            force=arguments.force,
            told=told_of(arguments),
            task_timeout=arguments.task_timeout,
        )


def _finish(
    arguments: argparse.Namespace,
    workshop: "Workshop",
    prepared: "PreparedSweep",
    result: "SweepResult",
    database: "Database",
) -> int:
    """Look closer at the best, store, write and print. What cannot be stored is printed all the same."""
    from pathlib import Path

    from stratkernel.cli.sweep_output import SweepReport, all_rows, print_json, print_tables
    from stratkernel.cli.table_files import write_frame
    from stratkernel.engine.batch.sweep_findings import SweepFindings
    from stratkernel.kernel.errors import StratkernelError

    report = SweepReport(prepared, result)
    failure = None
    if result.complete:
        findings = SweepFindings(workshop, prepared, result)
        report.best_of, report.walk_forward = findings.best_of(), findings.walk_forward()
        if arguments.output is not None:
            write_frame(all_rows(result.rows, arguments.metric), Path(arguments.output))
        if not arguments.no_save:
            try:
                report.saved = findings.save(database.storage, arguments.top or SHOWN)
            except StratkernelError as error:
                failure = error
    if arguments.json:
        print_json(report, arguments.top)
    else:
        print_tables(report, arguments.top or SHOWN)
    if failure is not None:
        raise failure
    if not result.complete:
        raise KeyboardInterrupt
    return SOME_FAILED if result.failed else 0
