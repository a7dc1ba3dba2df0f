"""One task of a batch: some configurations over one series. This is what other processes are given."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from stratkernel.contracts.candles import Candles
from stratkernel.contracts.result import StrategyResult
from stratkernel.contracts.signals import SignalTable
from stratkernel.contracts.stored import RunKind, RunRecord, Series, StoredSignals
from stratkernel.contracts.strategy import BaseStrategy
from stratkernel.engine.batch.rows import BatchRow, RowStatus
from stratkernel.engine.batch.workshop import CandleReference, Workshop, workshop_of
from stratkernel.engine.factory import IndicatorFactory, StrategyFactory
from stratkernel.engine.lookahead.checking import refuse_lookahead
from stratkernel.engine.metrics import METRICS
from stratkernel.engine.performance import Costs, evaluate
from stratkernel.engine.run import require_enough_candles, run_strategy
from stratkernel.engine.run_record import RunCourse, evaluated_record
from stratkernel.engine.run_setup import RunOptions
from stratkernel.engine.stream import StrategyStream
from stratkernel.engine.timeframes.plan import VENUE
from stratkernel.kernel.errors import DataError, StratkernelError, describe, one_line
from stratkernel.kernel.selection import PluginSelection


@dataclass(frozen=True, slots=True)
class Configuration:
    """A strategy by its qualified id, with parameters and options, as any process can make it.

    `name` is what the user calls it.
    """

    name: str
    strategy: str
    parameters: Mapping[str, Any]
    options: RunOptions = field(default_factory=RunOptions)

    def create(self, workshop: Workshop) -> BaseStrategy[Any]:
        """The strategy; raises as `StrategyFactory.create` does."""
        return StrategyFactory(workshop.kernel).create(
            self.strategy, self.parameters, strategy_name=self.name
        )


@dataclass(frozen=True, slots=True)
class BatchTask:
    """Configurations with their places in the plan, the candles by reference and what they must be."""

    numbers: tuple[int, ...]
    configurations: tuple[Configuration, ...]
    candles: CandleReference
    data_hash: str
    costs: Costs
    batch: str
    check: bool
    keep: bool
    """Whether runs and signals come back, to be stored."""
    series: Series
    selection: PluginSelection

    def part(self, numbers: Collection[int]) -> "BatchTask":
        """The same for some of its numbers."""
        numbered = zip(self.numbers, self.configurations, strict=True)
        kept = [(number, each) for number, each in numbered if number in numbers]
        return replace(
            self,
            numbers=tuple(number for number, _ in kept),
            configurations=tuple(each for _, each in kept),
        )

    def failed_rows(self, error: str) -> "tuple[BatchRow, ...]":
        """A row for each configuration, where the task as a whole came to nothing."""
        numbered = zip(self.numbers, self.configurations, strict=True)
        return tuple(failed_row(number, each, self.series, error) for number, each in numbered)


@dataclass(frozen=True, slots=True)
class TaskOutcome:
    """A row for each configuration, and what is to be stored."""

    rows: tuple[BatchRow, ...]
    runs: tuple[tuple[RunRecord, SignalTable], ...] = ()


def do_task(task: BatchTask) -> TaskOutcome:
    """Do a task in this process; a configuration that fails, for whatever reason, is a failed row."""
    workshop = workshop_of(task.selection)
    try:
        candles = _candles(workshop, task)
    except StratkernelError as error:
        return TaskOutcome(task.failed_rows(str(error)))
    rows: list[BatchRow] = []
    runs: list[tuple[RunRecord, SignalTable]] = []
    for number, configuration in zip(task.numbers, task.configurations, strict=True):
        try:
            row, run = _run(workshop, task, candles, number, configuration)
        except StratkernelError as error:
            rows.append(failed_row(number, configuration, task.series, str(error)))
        except Exception as error:  # noqa: BLE001 - too little memory, or a fault of the engine: the others go on
            rows.append(failed_row(number, configuration, task.series, describe(error)))
        else:
            rows.append(row)
            runs.extend([run] if task.keep else [])
    return TaskOutcome(tuple(rows), tuple(runs))


def _candles(workshop: Workshop, task: BatchTask) -> Candles:
    candles = workshop.candles(task.candles)
    if candles.data_hash != task.data_hash:  # perhaps this process read them before an earlier change
        workshop.forget(task.candles)
        candles = workshop.candles(task.candles)
    if candles.data_hash != task.data_hash:
        raise DataError(f"{task.candles}: the candles have changed since the batch began; start it again")
    return candles


def failed_row(number: int, configuration: Configuration, series: Series, error: str) -> BatchRow:
    """The row of a configuration that gave no result."""
    return BatchRow(
        number=number,
        configuration=configuration.name,
        strategy=configuration.strategy,
        parameters=configuration.parameters,
        symbol=series.symbol,
        timeframe=series.timeframe,
        venue=series.venue,
        status=RowStatus.FAILED,
        exits=configuration.options.exits.to_dict(),
        error=one_line(error),
    )


def done_row(
    number: int, configuration: Configuration, record: RunRecord, signals_hash: str, status: RowStatus
) -> BatchRow:
    """The row of a run."""
    run = record.run
    return BatchRow(
        number=number,
        configuration=configuration.name,
        strategy=run.strategy,
        parameters=run.parameters,
        symbol=run.symbol,
        timeframe=run.timeframe,
        venue=run.venue,
        status=status,
        exits=run.exits,
        run_id=str(record.run_id),
        signals=record.signal_count,
        signals_hash=signals_hash,
        metrics={name: record.metrics[name] for name in METRICS},
    )


def hash_of_signals(signals: SignalTable | StoredSignals) -> str:
    """SHA-256 of times, types, prices, confidences and flags; the same of what was stored and read back."""
    digest = hashlib.sha256()
    for column in (signals.timestamp, signals.types, signals.price, signals.confidence, signals.flags):
        digest.update(column.tobytes())
    return digest.hexdigest()


def venue_timeframes(workshop: Workshop, strategy: BaseStrategy[Any], options: RunOptions) -> list[str]:
    """The higher timeframes of which a strategy is to read the venue's own candles."""
    wanted = [name for name, source in options.extra_timeframes.items() if source == VENUE]
    if not wanted:
        return []
    item = StrategyFactory(workshop.kernel).item(type(strategy))
    layers = StrategyStream(strategy, item, IndicatorFactory(workshop.kernel)).graph.layers
    return [name for name in wanted if name in layers]


def _run(
    workshop: Workshop, task: BatchTask, candles: Candles, number: int, configuration: Configuration
) -> tuple[BatchRow, tuple[RunRecord, SignalTable]]:
    started = workshop.clock.utc_now()
    strategy, options = configuration.create(workshop), configuration.options
    higher = workshop.higher_candles(task.candles, venue_timeframes(workshop, strategy, options))
    if task.check:
        refuse_lookahead(workshop.kernel, strategy, candles, options, venue_candles=higher)
    result: StrategyResult = run_strategy(
        workshop.kernel,
        strategy,
        candles,
        options,
        clock=workshop.clock,
        venue_candles=higher,
        cache=workshop.indicators,
    )
    require_enough_candles(result)
    performance = evaluate(result.candles, result.signals, task.costs, options.exits)
    course = RunCourse(started, workshop.clock.utc_now(), RunKind.BATCH, batch=task.batch)
    record = evaluated_record(result, performance, course)
    row = done_row(number, configuration, record, hash_of_signals(result.signals), RowStatus.DONE)
    return row, (record, result.signals)
