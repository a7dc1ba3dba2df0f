"""What a batch prints: a table of its rows, or one JSON object."""

import json
from typing import Any, Final

from stratkernel.cli.run_output import format_metric
from stratkernel.engine.batch.batch import BatchResult
from stratkernel.engine.batch.rows import BatchRow, RowStatus
from stratkernel.engine.metrics import METRICS
from stratkernel.kernel.errors import UsageError, did_you_mean

_SHOWN: Final = ("total_return", "sharpe", "max_drawdown", "trades", "win_rate", "profit_factor")
_WIDTH: Final = 140
_FAILURES: Final = 20


def ranked(rows: tuple[BatchRow, ...], metric: str) -> list[BatchRow]:
    """The rows that have the metric, the best first, then those without; failed ones are left out."""
    found = [row for row in rows if row.status is not RowStatus.FAILED]
    with_value = [row for row in found if row.metrics.get(metric) is not None]
    best_first = sorted(with_value, key=lambda row: (-float(row.metrics[metric] or 0), row.number))
    return best_first + [row for row in found if row.metrics.get(metric) is None]


def check_metric(name: str) -> None:
    """Raise for a metric that there is not. Raises `UsageError`."""
    if name not in METRICS:
        raise UsageError(
            f"unknown --metric {name!r}.{did_you_mean(name, METRICS)} Expected one of: {', '.join(METRICS)}"
        )


def check_top(count: int) -> None:
    """Raise for a number of rows that there cannot be. Raises `UsageError`."""
    if count < 0:
        raise UsageError(f"--top {count}: expected a number of rows, 0 or more")


def print_json(result: BatchResult) -> None:
    """One object on stdout."""
    document = {
        "batch": result.id,
        "complete": result.complete,
        "runs": result.total,
        "reused": sum(row.status is RowStatus.REUSED for row in result.rows),
        "failed": len(result.failed),
        "hash": result.hash,
        "results": [row.to_dict() for row in result.rows],
    }
    print(json.dumps(document, indent=2, allow_nan=False))


def print_table(result: BatchResult, metric: str, top: int) -> None:
    """The best rows by a metric, the failures, and a line that sums up."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, width=_WIDTH)
    shown = (metric, *(name for name in _SHOWN if name != metric))
    table = Table("configuration", "symbol", "tf", *(name.replace("_", " ") for name in shown), "run")
    for column in table.columns[3:]:
        column.justify = "right"
    rows = ranked(result.rows, metric)
    for row in rows[:top]:
        cells: list[Any] = [format_metric(name, row.metrics.get(name)) for name in shown]
        table.add_row(row.configuration, row.symbol, row.timeframe, *cells, (row.run_id or "")[:8])
    if rows:
        console.print(table)
    if len(rows) > top:
        console.print(f"and {len(rows) - top:,} more; --top shows more of them")
    for row in result.failed[:_FAILURES]:
        console.print(
            f"failed: {row.configuration} on {row.symbol} {row.timeframe}: {row.error}", soft_wrap=True
        )
    if len(result.failed) > _FAILURES:
        console.print(f"and {len(result.failed) - _FAILURES:,} more failed; --json and -o tell of all")
    reused = sum(row.status is RowStatus.REUSED for row in result.rows)
    told = [f"{len(result.rows):,} of {result.total:,} runs"]
    told += [f"{reused:,} reused from the database (--force computes them anew)"] if reused else []
    told += [f"{len(result.failed):,} failed"] if result.failed else []
    console.print(f"{', '.join(told)}; hash {result.hash[:16]}", soft_wrap=True)
