"""What a finished sweep comes to: its best rows as runs, what they are worth, how they do out of sample."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np

from stratkernel.contracts.result import StrategyResult
from stratkernel.contracts.stored import RunKind, RunQuery
from stratkernel.engine.batch.sweep_plan import PreparedSweep
from stratkernel.engine.batch.sweep_run import SweepResult
from stratkernel.engine.batch.workshop import Workshop
from stratkernel.engine.deflated_sharpe import DeflatedSharpe, deflated_sharpe
from stratkernel.engine.exits import ExitRules, split_exits
from stratkernel.engine.factory import StrategyFactory
from stratkernel.engine.performance import Performance, evaluate
from stratkernel.engine.run import run_strategy
from stratkernel.engine.run_record import RunCourse, evaluated_record
from stratkernel.engine.sweep_result import SweepRows
from stratkernel.engine.walk_forward import Stitched, Window, daily_returns_of, stitch

if TYPE_CHECKING:
    from stratkernel.contracts.storage import Storage


@dataclass(frozen=True, slots=True)
class WindowOutcome:
    """What was chosen on a training window, and what it did in and out of sample; None where none was."""

    window: Window
    combination: int | None
    in_sample: dict[str, float | int | None] | None = None
    out_of_sample: dict[str, float | int | None] | None = None


@dataclass(frozen=True, slots=True)
class WalkForwardOutcome:
    """The windows of a walk-forward, and all of their tests as one."""

    windows: tuple[WindowOutcome, ...]
    stitched: Stitched


class SweepFindings:
    """Looks closer at some combinations of a sweep, as single runs."""

    def __init__(self, workshop: Workshop, prepared: PreparedSweep, result: SweepResult) -> None:
        self._workshop = workshop
        self._prepared = prepared
        self._result = result
        self._candles = prepared.subject.load(workshop)
        self._higher = prepared.subject.venue_candles(workshop)

    def best_of(self) -> DeflatedSharpe | None:
        """The row that is ranked first, held against chance; None where that cannot be said."""
        rows = self._result.rows
        best = best_row(rows, self._prepared.request.metric)
        if best is None:
            return None
        _, performance = self._run(int(rows.indices[best]))
        return deflated_sharpe(
            rows.metrics["sharpe"], daily_returns_of(performance), performance.days_per_year
        )

    def walk_forward(self) -> WalkForwardOutcome | None:
        """Each window's choice tried on what came after; None where no walk-forward was asked for.

        Indicators are warm when a test begins: they have seen all candles before it.
        """
        if not self._prepared.windows:
            return None
        outcomes, tests = [], []
        metric, names = self._prepared.request.metric, self._prepared.request.metrics
        for window, rows in zip(self._prepared.windows, self._result.windows, strict=True):
            best = best_row(rows, metric)
            if best is None:
                outcomes.append(WindowOutcome(window, None))
                continue
            index = int(rows.indices[best])
            _, test = self._run(index, window.test)
            tests.append(test)
            found = {name: test.metrics[name] for name in names}
            outcomes.append(WindowOutcome(window, index, rows.metrics_at(best), found))
        return WalkForwardOutcome(tuple(outcomes), stitch(tests))

    def save(self, storage: "Storage", count: int) -> list[UUID]:
        """Store the best rows as runs with their signals; gives their ids, the best first.

        Rows whose metric is undefined, or that never could have had a signal, are left out. What is stored
        already is left as it is.

        Raises:
            StorageError: they cannot be written; each is there whole or not at all.
        """
        stored = {
            record.run_id: record
            for record in storage.strategies.runs(RunQuery(kind=RunKind.SWEEP, batch=self._result.id))
        }
        ids = []
        for index in self._best_indices(count):
            started = self._workshop.clock.utc_now()
            result, performance = self._run(index)
            if not result.quality["evaluated"]:
                continue
            course = RunCourse(started, self._workshop.clock.utc_now(), RunKind.SWEEP, batch=self._result.id)
            record = evaluated_record(result, performance, course)
            ids.append(record.run_id)
            if record.run_id not in stored:
                storage.strategies.save_run(record, result.signals)
        return ids

    def _best_indices(self, count: int) -> Iterator[int]:
        rows, metric = self._result.rows, self._prepared.request.metric
        for row in rows.ranked(metric)[:count].tolist():
            if np.isfinite(rows.metrics[metric][row]):
                yield int(rows.indices[row])

    def _run(self, index: int, span: tuple[int, int] | None = None) -> tuple[StrategyResult, Performance]:
        subject, kernel = self._prepared.subject, self._workshop.kernel
        own, rules = split_exits(subject.grid[index])
        exits = ExitRules.of({**subject.options.exits.to_dict(), **rules})
        options = replace(subject.options, exits=exits)
        if span is not None:
            options = replace(options, start=span[0], end=span[1])
        strategy = StrategyFactory(kernel).create(subject.strategy, own, strategy_name=subject.name)
        result = run_strategy(
            kernel,
            strategy,
            self._candles,
            options,
            clock=self._workshop.clock,
            venue_candles=self._higher,
            cache=self._workshop.indicators,
        )
        return result, evaluate(result.candles, result.signals, subject.costs, exits)


def best_row(rows: SweepRows, metric: str) -> int | None:
    """The row that a metric ranks first; None where no row has it."""
    if not len(rows):
        return None
    best = int(rows.ranked(metric)[0])
    return best if np.isfinite(rows.metrics[metric][best]) else None
