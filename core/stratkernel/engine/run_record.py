"""What is kept of a run: a result, what it earned and where it came from."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from stratkernel._version import __version__
from stratkernel.contracts.result import StrategyResult
from stratkernel.contracts.stored import RunKind, RunRecord, RunStatus
from stratkernel.engine.performance import Costs, Performance

if TYPE_CHECKING:
    from stratkernel.engine.streaming.performance_fold import StreamedPerformance
    from stratkernel.engine.streaming.run import StreamedResult

AnyResult: TypeAlias = "StrategyResult | StreamedResult"
AnyPerformance: TypeAlias = "Performance | StreamedPerformance"
"""Of a run in memory or of a streamed one, which tell the same."""


@dataclass(frozen=True, slots=True)
class RunCourse:
    """When a run took place, aware, how it ended, and the batch or sweep that it belongs to."""

    started_at: datetime
    finished_at: datetime | None = None
    kind: RunKind = RunKind.RUN
    status: RunStatus = RunStatus.DONE
    error: str | None = None
    batch: str | None = None


def run_record(
    result: AnyResult,
    costs: Costs,
    course: RunCourse,
    *,
    metrics: Mapping[str, float | int | None] | None = None,
    quality: Mapping[str, Any] | None = None,
) -> RunRecord:
    """The record of a result.

    Its id is decided by kind, configuration, plugins, venue, symbol, timeframe, origin, range, candles and
    costs alone, so that running the same again gives the same id. `quality` is the result's own unless given.
    """
    run, span, data_hash = result.run, span_of(result), result.data_hash
    return RunRecord(
        run_id=run.run_id(course.kind.value, data_hash=data_hash, span=span, costs=costs.to_dict()),
        kind=course.kind,
        run=run,
        data_hash=data_hash,
        span=span,
        candles=len(result.candles),
        costs=costs.to_dict(),
        engine_version=__version__,
        started_at=course.started_at,
        finished_at=course.finished_at,
        status=course.status,
        metrics=dict(metrics or {}),
        quality=dict(result.quality if quality is None else quality),
        timings=dict(result.timings),
        error=course.error,
        batch=course.batch,
        signal_count=len(result.signals),
    )


def evaluated_record(result: AnyResult, performance: AnyPerformance, course: RunCourse) -> RunRecord:
    """The record of a result that was evaluated, with all that a report of it needs."""
    return run_record(
        result,
        performance.costs,
        course,
        metrics=performance.metrics,
        quality=quality_of(result, performance),
    )


def quality_of(result: AnyResult, performance: AnyPerformance) -> dict[str, Any]:
    """What to know of a result and of its metrics, ready for JSON."""
    return {
        **result.quality,
        "accuracy": performance.accuracy.to_dict(),
        "metrics": performance.flags,
        "days_per_year": performance.days_per_year,
        **performance.significance,
    }


def span_of(result: AnyResult) -> tuple[int, int]:
    """Open time of the first candle that came out and close time of the last, microseconds UTC."""
    return int(result.candles.open_time[0]), int(result.candles.close_time[-1])
