"""What a sweep prints and writes: ranked tables, one JSON object, a file of all rows."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import numpy as np
from pydantic_core import to_jsonable_python

from stratkernel.cli.run_output import format_metric
from stratkernel.contracts.timeframes import DAY, iso
from stratkernel.engine.batch.sweep_findings import WalkForwardOutcome, WindowOutcome
from stratkernel.engine.batch.sweep_plan import PreparedSweep
from stratkernel.engine.batch.sweep_run import SweepResult
from stratkernel.engine.deflated_sharpe import DeflatedSharpe
from stratkernel.engine.grid import Grid
from stratkernel.engine.sweep_result import SweepRows

if TYPE_CHECKING:
    import pandas as pd

_WIDTH: Final = 200
_MOST_FAILURES: Final = 1_000
_FAILURES_SHOWN: Final = 10


@dataclass
class SweepReport:
    """A sweep and what was found when its best rows were looked at."""

    prepared: PreparedSweep
    result: SweepResult
    best_of: DeflatedSharpe | None = None
    walk_forward: WalkForwardOutcome | None = None
    saved: list[UUID] = field(default_factory=list)

    @property
    def metric(self) -> str:
        return self.prepared.request.metric


def all_rows(rows: SweepRows, metric: str) -> "pd.DataFrame":
    """Every row from the best on, failed ones with their cause at the end."""
    import pandas as pd

    order = rows.ranked(metric)
    frame = rows.frame.iloc[order].reset_index()
    frame.insert(0, "rank", np.arange(1, len(frame) + 1))
    frame["error"] = pd.Series([None] * len(frame), dtype="str")
    if not rows.failures:
        return frame
    failed = pd.DataFrame(
        {
            "combination": [each.index for each in rows.failures],
            **{name: [each.parameters[name] for each in rows.failures] for name in rows.grid.names},
            "error": pd.Series([each.cause for each in rows.failures], dtype="str"),
        }
    )
    return pd.concat([frame, failed], ignore_index=True) if len(frame) else failed


def print_json(report: SweepReport, top: int | None) -> None:
    """One object on stdout: every row from the best on, or the `top` ones."""
    result, request = report.result, report.prepared.request
    rows = result.rows
    shown = rows.top(len(rows) if top is None else top, report.metric)
    document = {
        "batch": result.id,
        "strategy": request.strategy,
        "complete": result.complete,
        "reused": result.reused,
        "combinations": result.combinations,
        "skipped": rows.skipped,
        "failed": result.failed,
        "hash": result.hash,
        "metric": report.metric,
        "sample": request.sample,
        "seed": request.seed,
        "results": shown.to_dicts(),
        "failures": [each.to_dict() for each in rows.failures[:_MOST_FAILURES]],
        "refusal": rows.refusal,
        "best_of": None if report.best_of is None else report.best_of.to_dict(),
        "walk_forward": _walk_forward_dict(report),
        "runs": [str(run_id) for run_id in report.saved],
    }
    print(json.dumps(to_jsonable_python(document), indent=2, allow_nan=False))


def print_tables(report: SweepReport, top: int) -> None:
    """The best rows by the metric, the windows of a walk-forward, failures, and what to know of it all."""
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, width=_WIDTH)
    rows = report.result.rows
    if len(rows):
        console.print(_ranked_table(rows, report.metric, top))
    if len(rows) > top:
        console.print(f"and {len(rows) - top:,} more; --top shows more of them, -o FILE.parquet writes all")
    if report.walk_forward is not None:
        console.print(_walk_forward_table(report.walk_forward, rows.grid, report.metric))
    for line in _notes(report):
        console.print(line, soft_wrap=True)


def _ranked_table(rows: SweepRows, metric: str, top: int) -> Any:
    from rich.table import Table

    shown = (metric, *(name for name in rows.metrics if name != metric))
    table = Table("#", *rows.grid.names, *map(_title, shown))
    for column in table.columns:
        column.justify = "right"
    best = rows.top(top, metric)
    for row in range(len(best)):
        values = rows.grid.values_at(int(best.indices[row]))
        metrics = best.metrics_at(row)
        cells = [format_metric(name, metrics[name]) for name in shown]
        table.add_row(f"{row + 1}", *map(_value, values), *cells)
    return table


def _walk_forward_table(outcome: WalkForwardOutcome, grid: Grid, metric: str) -> Any:
    from rich.table import Table

    shown = tuple(dict.fromkeys((metric, "total_return", "max_drawdown", "trades")))
    table = Table(
        *("trained from", "tested from", "to", *grid.names, f"in sample\n{_title(metric)}"),
        *(f"out of sample\n{_title(name)}" for name in shown),
    )
    for number, column in enumerate(table.columns):
        column.justify, column.no_wrap = "right" if number > 2 else "left", True
    for each in outcome.windows:
        spans = [_moment(time) for time in (each.window.train[0], *each.window.test)]
        table.add_row(*spans, *_window_cells(each, grid, metric, shown))
    whole = outcome.stitched.metrics
    mean = _mean_in_sample(outcome, metric)
    cells = [format_metric(name, whole.get(name)) for name in shown]
    table.add_section()
    table.add_row("all", "", "", *[""] * len(grid.names), f"mean {format_metric(metric, mean)}", *cells)
    return table


def _window_cells(each: WindowOutcome, grid: Grid, metric: str, shown: tuple[str, ...]) -> list[str]:
    inside: Mapping[str, float | int | None] = each.in_sample or {}
    outside: Mapping[str, float | int | None] = each.out_of_sample or {}
    chosen = [""] * len(grid.names)
    if each.combination is not None:
        chosen = [_value(value) for value in grid.values_at(each.combination)]
    return [
        *chosen,
        format_metric(metric, inside.get(metric)),
        *(format_metric(name, outside.get(name)) for name in shown),
    ]


def _mean_in_sample(outcome: WalkForwardOutcome, metric: str) -> float | None:
    found = [each.in_sample[metric] for each in outcome.windows if each.in_sample is not None]
    numbers = [float(value) for value in found if value is not None]
    return sum(numbers) / len(numbers) if numbers else None


def _walk_forward_dict(report: SweepReport) -> dict[str, Any] | None:
    outcome = report.walk_forward
    if outcome is None:
        return None
    grid = report.prepared.request.grid
    return {
        "windows": [
            {
                "train": [iso(time) for time in each.window.train],
                "test": [iso(time) for time in each.window.test],
                "parameters": None if each.combination is None else grid[each.combination],
                "in_sample": each.in_sample,
                "out_of_sample": each.out_of_sample,
            }
            for each in outcome.windows
        ],
        "in_sample_mean": _mean_in_sample(outcome, report.metric),
        "out_of_sample": outcome.stitched.to_dict(),
    }


def _notes(report: SweepReport) -> list[str]:
    result = report.result
    rows = result.rows
    told = [f"{result.combinations:,} combinations: {len(rows):,} measured"]
    told += [f"{rows.skipped:,} skipped"] if rows.skipped else []
    told += [f"{result.failed:,} failed"] if result.failed else []
    told += ["reused: computed before (--force computes it anew)"] if result.reused else []
    notes = [f"{', '.join(told)}; sweep {result.id}, hash {result.hash[:16]}"]
    if rows.refusal is not None:
        notes.append(f"skipped, for example: {rows.refusal}")
    failures = [each for part in (rows, *result.windows) for each in part.failures]
    notes += [f"failed: {_named(rows.grid, each.index)}: {each.cause}" for each in failures[:_FAILURES_SHOWN]]
    if len(failures) > _FAILURES_SHOWN:
        notes.append(f"and {len(failures) - _FAILURES_SHOWN:,} more failures; -o FILE writes them all")
    if report.best_of is not None:
        notes.append(f"{'warning' if report.best_of.by_chance else 'note'}: {report.best_of}")
    if report.saved:
        notes.append(f"the best {len(report.saved):,} are stored as runs of batch {result.id}")
    return notes


def _title(metric: str) -> str:
    return metric.replace("_", " ")


def _moment(time: int) -> str:
    """A date, and the time of day where it is not midnight."""
    return iso(time)[: 10 if time % DAY == 0 else 16]


def _named(grid: Grid, index: int) -> str:
    values = zip(grid.names, grid.values_at(index), strict=True)
    return ", ".join(f"{name}={_value(value)}" for name, value in values)


def _value(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(to_jsonable_python(value))
