"""`stratkernel runs list | show`: stored runs."""

import argparse
from typing import TYPE_CHECKING, Any, Final

from stratkernel.cli.candle_flags import add_database_argument
from stratkernel.cli.config_support import add_json, print_json, print_table, values_line
from stratkernel.cli.session import open_kernel

if TYPE_CHECKING:
    from stratkernel.contracts.stored import RunQuery, RunRecord, StoredSignal

RUN_KINDS: Final = ("run", "batch", "sweep", "live")
RUN_STATES: Final = ("running", "done", "failed", "cancelled")
_SHOWN_RUNS: Final = 50
_LAST_SIGNALS: Final = 5


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("which runs")
    group.add_argument("--strategy", help="a strategy's name, its qualified id or your document's name")
    group.add_argument("--symbol")
    group.add_argument("--timeframe")
    group.add_argument("--venue")
    group.add_argument("--kind", choices=RUN_KINDS)
    group.add_argument("--status", choices=RUN_STATES)
    group.add_argument("--batch", help="the batch or sweep that they belong to")
    group.add_argument("--starred", action="store_true", default=None, help="only those with a star")
    group.add_argument("--since", metavar="TIME", help="started at or after")
    group.add_argument("--until", metavar="TIME", help="started before")
    group.add_argument(
        "--limit", type=int, metavar="N", help=f"(default: {_SHOWN_RUNS}, all with --json; 0 is all)"
    )
    add_json(parser, "a JSON list")
    add_database_argument(parser)


def list_runs(arguments: argparse.Namespace) -> int:
    """List stored runs, the newest first; a star marks those that are always kept."""
    from stratkernel.cli.database import database_of
    from stratkernel.cli.run_views import RUN_HEADINGS, run_dict, run_row

    query, limit = _query(arguments)
    with database_of(open_kernel(arguments), arguments, makes=False) as database:
        runs = database.storage.strategies.runs(query)
        title = database.storage.title
    shown = runs[:limit] if limit else runs
    if arguments.json:
        print_json([run_dict(record) for record in shown])
        return 0
    if not runs:
        print(f"no such runs in {title}; save one: stratkernel run STRATEGY --data FILE --save")
        return 0
    print_table(RUN_HEADINGS, map(run_row, shown))
    if len(runs) > len(shown):
        print("and more; --limit 0 shows all")
    return 0


def _query(arguments: argparse.Namespace) -> "tuple[RunQuery, int]":
    """What to ask for, and how many to show; one more is asked for, to know whether there are more."""
    from stratkernel.cli.candle_input import parse_moment
    from stratkernel.cli.database import check_texts
    from stratkernel.contracts.stored import RunKind, RunQuery, RunStatus
    from stratkernel.contracts.timeframes import Timeframe
    from stratkernel.kernel.errors import UsageError

    check_texts(arguments, "strategy", "symbol", "timeframe", "venue", "batch")
    if arguments.timeframe is not None:
        Timeframe(arguments.timeframe)
    limit = arguments.limit
    if limit is None:
        limit = 0 if arguments.json else _SHOWN_RUNS
    if not 0 <= limit < 2**31:
        raise UsageError(f"--limit {limit}: expected a number of runs, 0 for all")
    query = RunQuery(
        strategy=arguments.strategy,
        symbol=arguments.symbol,
        timeframe=arguments.timeframe,
        venue=arguments.venue,
        kind=RunKind(arguments.kind) if arguments.kind else None,
        status=RunStatus(arguments.status) if arguments.status else None,
        batch=arguments.batch,
        starred=arguments.starred,
        since=parse_moment("--since", arguments.since),
        until=parse_moment("--until", arguments.until),
        limit=limit + 1 if limit else None,
    )
    return query, limit


def _show_arguments(parser: argparse.ArgumentParser) -> None:
    from stratkernel.cli.run_argument import add_run_argument

    add_run_argument(parser)
    add_json(parser, "one JSON object, with all signals")


def show(arguments: argparse.Namespace) -> int:
    """Show a stored run: where it came from, its metrics, what to know of them, its last signals."""
    from stratkernel.cli.database import database_of
    from stratkernel.cli.run_argument import find_run
    from stratkernel.cli.run_views import run_dict, signal_dict
    from stratkernel.contracts.stored import SignalQuery

    with database_of(open_kernel(arguments), arguments, makes=False) as database:
        runs = database.storage.strategies
        record = find_run(runs, arguments.run)
        query = SignalQuery(run_ids=(record.run_id,), with_metadata=True)
        signals = list(runs.signals(query))
    if arguments.json:
        print_json({**run_dict(record), "signals": [signal_dict(signal) for signal in signals]})
        return 0
    _print_provenance(record)
    _print_numbers(record)
    _print_signals(signals)
    return 0


def _print_provenance(record: "RunRecord") -> None:
    from stratkernel.cli.run_views import moment
    from stratkernel.contracts.timeframes import iso
    from stratkernel.kernel.errors import one_line

    run = record.run
    lines = {
        "run": f"{record.run_id}{' (starred)' if record.starred else ''}",
        "kind": f"{record.kind}, {record.status}" + (f", of batch {record.batch}" if record.batch else ""),
        "strategy": f"{run.strategy_name} ({run.strategy})",
        "parameters": values_line(run.parameters),
        "candles": f"{run.symbol} {run.timeframe} of {run.venue}: {record.candles:,}, "
        f"{iso(record.span[0])} to {iso(record.span[1])}, from the origin {iso(run.origin)}",
        "gaps": values_line(run.gaps),
        "further timeframes": values_line(run.extra_timeframes),
        "exits": values_line(run.exits),
        "costs": values_line(record.costs),
        "plugins": " ".join(f"{name}={version}" for name, version in run.plugins.items()),
        "config hash": run.config_hash,
        "data hash": record.data_hash,
        "started": moment(record.started_at),
        "finished": "" if record.finished_at is None else moment(record.finished_at),
        "error": record.error or "",
    }
    for name, text in lines.items():
        if text:
            print(f"{name:<19}{one_line(text, 2_000)}")


def _print_numbers(record: "RunRecord") -> None:
    from stratkernel.cli.run_output import format_metric, quality_lines, quality_notes
    from stratkernel.kernel.errors import one_line

    if record.metrics:
        print()
    for name, value in record.metrics.items():
        print(f"{name.replace('_', ' '):<19}{format_metric(name, value):>14}")
    status = record.quality.get("status")
    if status:
        print(f"\n{'quality':<19}{one_line(str(status), 200)}")
    for name, text in quality_lines(record.quality):
        print(f"{name:<19}{one_line(text, 400)}")
    for note in quality_notes(record.quality, record.metrics):
        print(f"note: {note}")


def _print_signals(signals: "list[StoredSignal]") -> None:
    last: list[Any] = signals[-_LAST_SIGNALS:]
    print(f"\nlast {len(last)} of {len(signals):,} signals" if last else "\nno signals")
    for signal in last:
        print(
            f"{signal.timestamp}  {signal.type.name:<11}  price {signal.price:.10g}  "
            f"confidence {signal.confidence:.2f}"
        )


COMMANDS: Final = {"list": (_list_arguments, list_runs), "show": (_show_arguments, show)}
