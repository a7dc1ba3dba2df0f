"""Run many configurations over many candles, on several processors or machines; each result is kept."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from stratkernel.cli.candle_flags import add_database_argument, add_file_arguments, add_range_arguments
from stratkernel.cli.exit_arguments import add_exit_arguments
from stratkernel.cli.session import open_kernel, warn_of_broken_plugins

if TYPE_CHECKING:
    from pathlib import Path

    from stratkernel.cli.batch_jobs import BatchRequest
    from stratkernel.cli.database import Database
    from stratkernel.engine.batch.batch import BatchResult
    from stratkernel.engine.batch.preparation import PreparedBatch
    from stratkernel.kernel.manager import Kernel

SOME_FAILED = 4
INTERRUPTED = 130
_EPILOG = """examples:
  stratkernel batch ema_crossover rsi macd --symbol BTC/USDT --symbol ETH/USDT --timeframe 5m --timeframe 1h
  stratkernel batch rsi --data BTC.parquet --data ETH.parquet --param trend_timeframe=1h --executor local://4
  stratkernel batch --plan plan.json --executor dask://10.0.0.5:8786
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "configurations", metavar="STRATEGY", nargs="*", help="installed strategies and documents of yours"
    )
    parser.add_argument("--plan", metavar="FILE.json", help="what to run, in place of the flags below")
    parser.add_argument(
        "--param", metavar="NAME=VALUE", action="append", default=[], help="a parameter of all; repeatable"
    )
    data = parser.add_argument_group("candles, each may be repeated")
    data.add_argument("--data", metavar="FILE", action="append", default=[], help="a file of candles")
    data.add_argument("--symbol", action="append", default=[], help="a symbol of the database")
    data.add_argument("--timeframe", action="append", default=[], help="1m 5m 15m 1h 4h 1d 1w 1M ...")
    data.add_argument("--venue", help="the market (default: local)")
    files = parser.add_argument_group("files of candles")
    add_file_arguments(files)
    ranges = parser.add_argument_group("range")
    add_range_arguments(ranges, "open time that comes out")
    ranges.add_argument("--origin", metavar="TIME", help="where indicators begin (default: the first candle)")
    trading = parser.add_argument_group("trading")
    add_trading_arguments(trading)
    add_exit_arguments(trading)
    add_work_arguments(parser.add_argument_group("work"))
    output = parser.add_argument_group("output")
    output.add_argument("--metric", default="sharpe", help="what rows are ranked by (default: sharpe)")
    output.add_argument("--top", type=int, default=20, metavar="N", help="rows that are shown (default: 20)")
    output.add_argument("--json", action="store_true", help="print one JSON object with every row")
    output.add_argument("-o", "--output", metavar="FILE", help="write every row to a .csv or .parquet file")
    output.add_argument("--no-save", action="store_true", help="keep no run in the database")
    add_database_argument(output)


def add_trading_arguments(group: Any) -> None:
    """When signals are filled and what that costs."""
    group.add_argument("--fill", choices=("next_open", "close"), default="next_open", help="price of a trade")
    group.add_argument("--fee-bps", type=float, default=0.0, help="fee a side, hundredths of a percent")
    group.add_argument(
        "--slippage-bps", type=float, default=0.0, help="slippage a side, hundredths of a percent"
    )
    group.add_argument("--initial-capital", type=float, default=10_000.0, help="money at the start")


def add_work_arguments(group: Any) -> None:
    """Who does the work, and what of it."""
    group.add_argument(
        "--executor",
        metavar="URL",
        help="local, local://4, serial or dask://HOST:PORT (default: as settings)",
    )
    group.add_argument("--resume", metavar="ID", help="go on with what was stopped; its id alone will do")
    group.add_argument("--force", action="store_true", help="compute also what is stored already")
    group.add_argument("--no-check", action="store_true", help="do not look for look-ahead")
    group.add_argument(
        "--task-timeout",
        type=float,
        metavar="SECONDS",
        help="what is not done after so long is ended, and fails (default: it may take for ever)",
    )
    group.add_argument("--quiet", action="store_true", help="no progress")


def execute(arguments: argparse.Namespace) -> int:
    from stratkernel.cli.batch_output import check_metric, check_top
    from stratkernel.cli.database import database_of
    from stratkernel.cli.stopping import stopping
    from stratkernel.cli.table_files import table_path

    check_metric(arguments.metric)
    check_top(arguments.top)
    if arguments.output is not None:
        table_path("--output", arguments.output)
    kernel = open_kernel(arguments)
    warn_of_broken_plugins(kernel, verbose=arguments.verbose)
    with database_of(kernel, arguments, makes=not arguments.no_save) as database:
        with stopping(at_once=True):
            prepared = _prepare(kernel, arguments, database)
        result = _run(kernel, arguments, prepared, database)
    return _finish(arguments, prepared, result)


def _prepare(kernel: "Kernel", arguments: argparse.Namespace, database: "Database") -> "PreparedBatch":
    from contextlib import closing

    from stratkernel.cli.batch_jobs import BatchRequest, jobs_of
    from stratkernel.engine.batch.preparation import BatchOptions, prepare_batch
    from stratkernel.engine.batch.workshop import Workshop
    from stratkernel.kernel.errors import UsageError
    from stratkernel_config.home import project_home

    home = project_home()
    if arguments.resume is not None and not (arguments.configurations or arguments.plan):
        request = _kept_request(arguments, home)
    else:
        request = BatchRequest.of_arguments(arguments)
    jobs, also, problems = jobs_of(kernel, request, lambda: database.storage, database.url)
    options = BatchOptions(
        request.costs, check=not arguments.no_check, keep=not arguments.no_save, force=arguments.force
    )
    storage = None if arguments.no_save else database.storage
    with closing(Workshop(kernel)) as workshop:
        prepared = prepare_batch(
            workshop, jobs, options, home, storage, problems=problems, also=also, request=request.to_dict()
        )
    if arguments.resume is not None and arguments.resume != prepared.folder.id:
        raise UsageError(
            f"--resume {arguments.resume}: this is batch {prepared.folder.id}; strategies, parameters, "
            "candles or plugins are not those of the batch that you mean"
        )
    return prepared


def _kept_request(arguments: argparse.Namespace, home: "Path") -> "BatchRequest":
    """What the unfinished batch was asked; the flags that decide its rows are as they were."""
    from stratkernel.cli.batch_jobs import BatchRequest
    from stratkernel.engine.batch.work_folder import WorkFolder
    from stratkernel.kernel.errors import UsageError

    plan = WorkFolder(home, arguments.resume).plan()
    if plan.get("kind") != "batch":
        raise UsageError(f"{arguments.resume} is a {plan.get('kind')}, not a batch")
    arguments.no_check, arguments.no_save = not plan["check"], not plan["keep"]
    arguments.force = plan["force"]
    return BatchRequest.from_dict(plan["request"])


def _run(
    kernel: "Kernel", arguments: argparse.Namespace, prepared: "PreparedBatch", database: "Database"
) -> "BatchResult":
    from stratkernel.cli.executor_argument import executor_url, is_serial
    from stratkernel.cli.progress import progress
    from stratkernel.cli.stopping import stopping
    from stratkernel.engine.batch.batch import run_batch
    from stratkernel.engine.executors import executor_for, open_executor

    url = executor_url(arguments, tasks=len(prepared.tasks))
    executor_for(kernel, url)
    storage = None if arguments.no_save else database.storage
    told = f"what is finished is kept; the same command, or --resume {prepared.folder.id}, goes on from there"
    with (
        stopping(at_once=is_serial(url)) as stop,
        progress("runs", quiet=arguments.quiet) as report,
        telling_when_interrupted(told),
    ):
        return run_batch(
            prepared,
            partial(open_executor, kernel, url),
            storage,
            stop=stop,
            progress=report,
            task_timeout=arguments.task_timeout,
        )


@contextmanager
def telling_when_interrupted(told: str) -> Iterator[None]:
    """Say this on stderr when work is ended at once."""
    try:
        yield
    except KeyboardInterrupt:
        print(f"stratkernel: {told}", file=sys.stderr)
        raise


def _finish(arguments: argparse.Namespace, prepared: "PreparedBatch", result: "BatchResult") -> int:
    from pathlib import Path

    from stratkernel.cli.batch_output import print_json, print_table
    from stratkernel.cli.table_files import write_frame
    from stratkernel.engine.batch.rows import rows_to_table

    if result.complete:
        if arguments.output is not None:
            write_frame(rows_to_table(result.rows).to_pandas(), Path(arguments.output))
        prepared.folder.remove()  # not before its results are elsewhere
    if arguments.json:
        print_json(result)
    else:
        print_table(result, arguments.metric, arguments.top)
    if not result.complete:
        print(
            f"stratkernel: stopped after {len(result.rows):,} of {result.total:,} runs; the same command, "
            f"or --resume {result.id}, goes on from there",
            file=sys.stderr,
        )
        return INTERRUPTED
    return SOME_FAILED if result.failed else 0
