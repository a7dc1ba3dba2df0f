"""Before a batch runs: every entry is looked at, each series is loaded once, what is stored is found."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from stratkernel.contracts.candles import Candles
from stratkernel.contracts.result import canonical_json
from stratkernel.contracts.stored import RunKind, RunQuery, RunRecord, RunStatus, Series, SignalQuery
from stratkernel.engine.batch.rows import BatchRow, RowStatus
from stratkernel.engine.batch.tasks import (
    BatchTask,
    Configuration,
    done_row,
    failed_row,
    hash_of_signals,
    venue_timeframes,
)
from stratkernel.engine.batch.work_folder import WorkFolder
from stratkernel.engine.batch.workshop import CandleReference, Workshop
from stratkernel.engine.metrics import METRICS
from stratkernel.engine.performance import Costs
from stratkernel.engine.run_setup import RunIdentity, set_up_run
from stratkernel.kernel.errors import DataError, PluginError, UsageError

if TYPE_CHECKING:
    from stratkernel.contracts.storage import Storage

AT_ONCE: Final = 16
"""Most configurations in one task: fewer messages and files, and one that dies takes few with it."""

Job: TypeAlias = tuple[Configuration, CandleReference]
"""One row of a batch that is to come: a configuration over a series."""


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """What holds for all rows. `keep` stores runs and signals, `force` computes anew what is stored."""

    costs: Costs
    check: bool = True
    keep: bool = True
    force: bool = False


@dataclass(frozen=True, slots=True)
class PreparedBatch:
    """A batch whose every entry can be begun.

    `known` are rows that need no computing: they are stored already, or their candles cannot be used.
    """

    total: int
    known: tuple[BatchRow, ...]
    tasks: tuple[BatchTask, ...]
    folder: WorkFolder
    plan: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Entry:
    """A job that was looked at. `key` tells it from every other computation."""

    number: int
    configuration: Configuration
    reference: CandleReference
    data_hash: str
    identity: RunIdentity
    costs: Mapping[str, Any]

    @property
    def key(self) -> str:
        run, options = self.identity.run, self.configuration.options
        return canonical_json(
            [
                run.strategy_name, run.config_hash, dict(run.plugins), run.venue, run.symbol, run.timeframe,
                run.origin, options.start, options.end, self.identity.data_hash, dict(self.costs),
            ]
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Unusable:
    """A job whose candles cannot be read, or whose strategy cannot be set up over them."""

    row: BatchRow

    @property
    def number(self) -> int:
        return self.row.number

    @property
    def key(self) -> str:
        return canonical_json(self.row.to_dict())


def prepare_batch(
    workshop: Workshop,
    jobs: Sequence[Job],
    options: BatchOptions,
    home: Path,
    storage: "Storage | None",
    *,
    problems: Sequence[str] = (),
    also: Sequence[CandleReference] = (),
    request: Mapping[str, Any] | None = None,
) -> PreparedBatch:
    """Look at every job; nothing is computed yet.

    What was asked for wrongly, the `problems` that the caller knows of included, refuses the batch; candles
    or plugins that fail make failed rows. `also` are candles that no job reads, since its configuration is
    one of the problems. `request` is kept with the batch, for whoever resumes it.

    Raises:
        UsageError: all that is wrong with any of the jobs, at once.
        StorageError: the database cannot be read.
    """
    entries, unusable = _examine(workshop, jobs, options, _Problems(list(problems), also))
    identity = {
        "kind": "batch",
        "check": options.check,
        "keep": options.keep,
        "force": options.force,
        "rows": _digest([*entries, *unusable]),
        "total": len(jobs),
    }
    folder = WorkFolder.of_plan(home, identity)
    stored = [] if options.force or storage is None else _stored_rows(entries, storage, folder)
    known = {row.number for row in stored}
    left = [entry for entry in entries if entry.number not in known]
    return PreparedBatch(
        total=len(jobs),
        known=(*stored, *(each.row for each in unusable)),
        tasks=tuple(_tasks(workshop, left, options, folder.id)),
        folder=folder,
        plan={**identity, "request": dict(request or {})},
    )


@dataclass(frozen=True, slots=True)
class _Problems:
    """What is wrong so far, and candles that are looked at for no other reason than to know of it."""

    told: list[str]
    also: Sequence[CandleReference]


def _examine(
    workshop: Workshop, jobs: Sequence[Job], options: BatchOptions, known: _Problems
) -> tuple[list[_Entry], list[_Unusable]]:
    problems = known.told
    by_series: dict[str, tuple[CandleReference, list[int]]] = {}
    for number, (_, reference) in enumerate(jobs):
        by_series.setdefault(repr(reference), (reference, []))[1].append(number)
    for reference in known.also:
        by_series.setdefault(repr(reference), (reference, []))
    entries: list[_Entry] = []
    unusable: list[_Unusable] = []
    costs = options.costs.to_dict()
    for reference, numbers in by_series.values():
        try:
            candles = workshop.candles(reference)
        except UsageError as error:
            problems.append(str(error))
            continue
        except (DataError, PluginError) as error:
            failed = (failed_row(number, jobs[number][0], reference.series, str(error)) for number in numbers)
            unusable.extend(map(_Unusable, failed))
            continue
        series = Series(candles.symbol, candles.timeframe.name, candles.venue)
        for number in numbers:
            configuration = jobs[number][0]
            try:
                identity = _identify(workshop, configuration, reference, candles)
            except UsageError as error:
                problems.append(f"{configuration.name} on {reference}: {error}")
            except (DataError, PluginError) as error:
                unusable.append(_Unusable(failed_row(number, configuration, series, str(error))))
            else:
                data_hash = candles.data_hash
                entries.append(_Entry(number, configuration, reference, data_hash, identity, costs))
    if problems:
        raise UsageError(_listed(list(dict.fromkeys(problems))))
    return sorted(entries, key=lambda entry: entry.number), unusable


def _identify(
    workshop: Workshop, configuration: Configuration, reference: CandleReference, candles: Candles
) -> RunIdentity:
    strategy, options = configuration.create(workshop), configuration.options
    higher = workshop.higher_candles(reference, venue_timeframes(workshop, strategy, options))
    return set_up_run(workshop.kernel, strategy, candles, options, higher).identity


def _listed(problems: list[str]) -> str:
    if len(problems) == 1:
        return problems[0]
    return "\n".join([f"{len(problems):,} entries of the batch cannot be run; nothing was:", *problems])


def _digest(entries: Sequence[_Entry | _Unusable]) -> str:
    digest = hashlib.sha256()
    for entry in sorted(entries, key=lambda each: each.number):
        digest.update(f"{entry.key}\n".encode())
    return digest.hexdigest()


def _stored_rows(entries: Sequence[_Entry], storage: "Storage", folder: WorkFolder) -> list[BatchRow]:
    """Rows of runs that are stored; those of this very batch, before it was stopped, are its own work."""
    own = folder.id if folder.exists else None
    found = []
    for entry in entries:
        record = _stored_run(entry, storage)
        if record is None:
            continue
        signals = storage.strategies.signals(SignalQuery(run_ids=(record.run_id,)))
        if len(signals) != record.signal_count:
            continue  # some were deleted
        status = RowStatus.DONE if own is not None and record.batch == own else RowStatus.REUSED
        found.append(done_row(entry.number, entry.configuration, record, hash_of_signals(signals), status))
    return found


def _stored_run(entry: _Entry, storage: "Storage") -> RunRecord | None:
    """A finished run that computed the same, whatever it was part of; one of a batch goes first."""
    identity = entry.identity
    query = RunQuery(
        config_hash=identity.run.config_hash, data_hash=identity.data_hash, status=RunStatus.DONE
    )
    records = storage.strategies.runs(query)
    for record in sorted(records, key=lambda each: (each.kind is not RunKind.BATCH, each.run_id.bytes)):
        same = (
            # under which name it was saved does not matter
            replace(record.run, strategy_name=identity.run.strategy_name) == identity.run
            and dict(record.costs) == dict(entry.costs)
            and record.span == identity.span
        )
        if same and set(METRICS) <= record.metrics.keys():
            return record
    return None


def _tasks(
    workshop: Workshop, entries: Sequence[_Entry], options: BatchOptions, batch: str
) -> list[BatchTask]:
    """Configurations of the same series together, a few at a time."""
    by_series: dict[str, list[_Entry]] = {}
    for entry in entries:
        by_series.setdefault(repr(entry.reference), []).append(entry)
    tasks = []
    for of_series in by_series.values():
        for start in range(0, len(of_series), AT_ONCE):
            part = of_series[start : start + AT_ONCE]
            run = part[0].identity.run
            tasks.append(
                BatchTask(
                    numbers=tuple(entry.number for entry in part),
                    configurations=tuple(entry.configuration for entry in part),
                    candles=part[0].reference,
                    data_hash=part[0].data_hash,
                    costs=options.costs,
                    batch=batch,
                    check=options.check,
                    keep=options.keep,
                    series=Series(run.symbol, run.timeframe, run.venue),
                    selection=workshop.kernel.selection,
                )
            )
    return tasks
