"""Runs a prepared batch: rows are kept as they come, in files and in the database."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING, TypeAlias

from stratkernel.contracts.executor import Executor
from stratkernel.engine.batch.preparation import PreparedBatch
from stratkernel.engine.batch.rows import BatchRow, RowStatus, results_hash, rows_from_table, rows_to_table
from stratkernel.engine.batch.scheduling import TaskRunner
from stratkernel.engine.batch.tasks import BatchTask, TaskOutcome, do_task
from stratkernel.engine.batch.workshop import close_workshops

if TYPE_CHECKING:
    from stratkernel.contracts.storage import Storage

Progress: TypeAlias = Callable[[int, int, int], None]
"""Told how many rows are finished, how many there are, and how many failed."""


@dataclass(frozen=True, slots=True)
class BatchResult:
    """The rows of a batch in the order of the plan; not `complete` when it was asked to stop."""

    id: str
    rows: tuple[BatchRow, ...]
    total: int

    @property
    def complete(self) -> bool:
        return len(self.rows) == self.total

    @property
    def failed(self) -> tuple[BatchRow, ...]:
        return tuple(row for row in self.rows if row.status is RowStatus.FAILED)

    @property
    def hash(self) -> str:
        """SHA-256 of what was found: no worker, order or reuse changes it."""
        return results_hash(self.rows)


def run_batch(
    prepared: PreparedBatch,
    connect: Callable[[], Executor],
    storage: "Storage | None" = None,
    *,
    stop: Event | None = None,
    progress: Progress | None = None,
    task_timeout: float | None = None,
) -> BatchResult:
    """Do what is left of a batch; `connect` opens the executor. When `stop` is set it ends within seconds.

    What is finished stays in the folder of the batch, and is not done again; whoever has put a complete
    result elsewhere removes it (`prepared.folder.remove()`). With `task_timeout` a row that is not done
    after so many seconds fails; the executor must be one that can end its workers.

    Raises:
        UsageError: another process works on this batch.
        DataError, StorageError: results cannot be kept; what was kept stays.
        StratkernelError: the executor cannot be opened.
    """
    stop = stop or Event()
    with prepared.folder.held(prepared.plan):
        work = _Work(prepared, storage, progress)
        work.take_back()

        def do(tasks: Sequence[BatchTask]) -> list[BatchTask]:
            return work.do(tasks, TaskRunner(connect, do_task, stop, timeout=task_timeout))

        try:
            tasks = work.left()
            lost = do(tasks if task_timeout is None else _one_by_one(tasks))
            if lost and not stop.is_set():  # which of its configurations was it?
                do(_one_by_one(lost))
        finally:
            close_workshops()
    rows = work.rows
    return BatchResult(prepared.folder.id, tuple(rows[number] for number in sorted(rows)), prepared.total)


class _Work:
    """The rows of a batch so far, and what becomes of those that come."""

    def __init__(self, prepared: PreparedBatch, storage: "Storage | None", progress: Progress | None) -> None:
        self._prepared = prepared
        self._storage = storage
        self._progress = progress
        self.rows: dict[int, BatchRow] = {}
        self._failed: set[int] = set()
        self._home = {number: task for task in prepared.tasks for number in task.numbers}
        self._take(prepared.known)

    def take_back(self) -> None:
        """Take the rows that were finished before the batch was stopped; failed ones are tried again."""
        folder = self._prepared.folder
        for part in folder.finished():
            kept = rows_from_table(folder.read_part(part))
            self._take(
                [row for row in kept if row.number in self._home and row.status is not RowStatus.FAILED]
            )
        self._tell()

    def left(self) -> list[BatchTask]:
        """Tasks of the rows that are not there."""
        left = []
        for task in self._prepared.tasks:
            numbers = {number for number in task.numbers if number not in self.rows}
            left += [task.part(numbers)] if numbers else []
        return left

    def do(self, tasks: Sequence[BatchTask], runner: TaskRunner[BatchTask, TaskOutcome]) -> list[BatchTask]:
        """Do tasks; gives those of several rows of which nothing is known, since their worker is gone."""
        lost = []
        for done in runner.run(tasks):
            task = tasks[done.index]
            if done.result is not None:
                self._keep(task, done.result)
            elif done.lost and len(task.numbers) > 1:
                lost.append(task)
            else:
                self._keep(task, TaskOutcome(task.failed_rows(done.error or "it gave no result")))
        return lost

    def _keep(self, task: BatchTask, outcome: TaskOutcome) -> None:
        if self._storage is not None and outcome.runs:
            with self._storage.unit_of_work():
                for record, signals in outcome.runs:
                    self._storage.strategies.save_run(record, signals)
        self._take(outcome.rows)
        whole = self._home[task.numbers[0]]
        rows = [self.rows[number] for number in whole.numbers if number in self.rows]
        # after the database, so that what has a part is stored: saved twice it is saved once
        self._prepared.folder.write_part(whole.numbers[0], rows_to_table(rows))
        self._tell()

    def _take(self, rows: Sequence[BatchRow]) -> None:
        self.rows |= {row.number: row for row in rows}
        self._failed |= {row.number for row in rows if row.status is RowStatus.FAILED}

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(len(self.rows), self._prepared.total, len(self._failed))


def _one_by_one(tasks: Sequence[BatchTask]) -> list[BatchTask]:
    return [task.part({number}) for task in tasks for number in task.numbers]
