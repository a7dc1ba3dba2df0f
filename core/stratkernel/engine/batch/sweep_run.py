"""Runs a prepared sweep: parts are kept as they come, and the whole when it is complete."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any, Final, TypeAlias

import numpy as np

from stratkernel.contracts.executor import Executor
from stratkernel.engine.batch.scheduling import TaskRunner
from stratkernel.engine.batch.sweep_parts import KeptSweeps, rows_from_table, rows_to_table
from stratkernel.engine.batch.sweep_plan import PreparedSweep
from stratkernel.engine.batch.sweep_tasks import SweepTask, do_sweep_task
from stratkernel.engine.sweep_result import SweepRows

Progress: TypeAlias = Callable[[int, int, int], None]
"""Told how many combinations are finished, how many there are, and how many failed."""
_NOTHING: Final = "it gave no result"


@dataclass(frozen=True, slots=True)
class SweepResult:
    """The rows of a sweep over all that comes out, and over each training window of a walk-forward.

    Rows are in the grid's order; not `complete` when it was asked to stop. `reused`: nothing was computed.
    """

    id: str
    combinations: int
    rows: SweepRows
    windows: tuple[SweepRows, ...] = ()
    complete: bool = True
    reused: bool = False

    @property
    def failed(self) -> int:
        """How many rows failed, those of windows too."""
        return sum(len(rows.failures) for rows in (self.rows, *self.windows))

    @property
    def hash(self) -> str:
        """SHA-256 of all rows to the last bit: no worker, executor, order or stop changes it."""
        if not self.windows:
            return self.rows.digest()
        digests = [rows.digest() for rows in (self.rows, *self.windows)]
        return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def run_sweep(
    prepared: PreparedSweep,
    connect: Callable[[], Executor],
    *,
    stop: Event | None = None,
    progress: Progress | None = None,
    force: bool = False,
    told: Mapping[str, Any] | None = None,
    task_timeout: float | None = None,
) -> SweepResult:
    """Do what is left of a sweep; `connect` opens the executor. When `stop` is set it ends within seconds.

    A sweep that was finished before is given again, unless `force` has all of it computed anew. `told` goes
    into the folder beside the plan: how whoever resumes finds strategy and candles again. A task that is
    not done after `task_timeout` seconds is ended and halved, until a single combination fails.

    Raises:
        LookaheadError: the strategy is not honest; nothing is kept.
        UsageError: another process works on this sweep.
        DataError: results cannot be kept; what was kept stays.
    """
    kept = KeptSweeps(prepared.home)
    known = None if force else kept.rows(prepared.id, prepared.request.grid)
    if known is not None and len(known) == 1 + len(prepared.windows):
        return SweepResult(prepared.id, prepared.combinations, known[0], tuple(known[1:]), reused=True)
    if prepared.request.check:
        prepared.made.check()
    about = {**prepared.plan, "told": dict(told or {})}
    with prepared.folder.held(about):
        collected = _Collected(prepared, progress)
        if not force:
            collected.take_back()
        left = collected.left()
        for number, rows in _Work(connect, stop, task_timeout).run(prepared.tasks, left) if left else ():
            if not rows.failures:
                prepared.folder.write_part(number, rows_to_table(rows))
            collected.add(number, rows)
        result = collected.result()
        if result.complete and not result.failed:
            kept.keep(prepared.id, about, (result.rows, *result.windows))
            prepared.folder.remove()
    return result


class _Work:
    """Does tasks; those that take their worker with them are halved until only what is at fault fails."""

    def __init__(
        self, connect: Callable[[], Executor], stop: Event | None, task_timeout: float | None
    ) -> None:
        self._connect = connect
        self._stop = stop or Event()
        self._timeout = task_timeout

    def run(self, tasks: Sequence[SweepTask], left: Sequence[int]) -> Iterator[tuple[int, SweepRows]]:
        """The number of each finished task, and its rows."""
        lost: list[int] = []
        for done in self._runner().run(tasks, left):
            if done.lost:
                lost.append(done.index)
            elif done.result is None:
                yield done.index, tasks[done.index].failed_rows(done.error or _NOTHING)
            else:
                yield done.index, done.result
        for index in lost:
            rows = self._isolated(tasks[index])
            if rows is not None:
                yield index, rows

    def _isolated(self, task: SweepTask) -> SweepRows | None:
        """The rows of a task that was lost; None when it was told to stop."""
        parts: list[SweepRows] = []
        pending = [task]
        while pending:
            halves = [half for each in pending for half in each.halves()]
            pending = []
            finished = 0
            for done in self._runner().run(halves):
                finished += 1
                half = halves[done.index]
                if done.lost and len(half.indices) > 1:
                    pending.append(half)
                else:
                    parts.append(done.result or half.failed_rows(done.error or _NOTHING))
            if finished < len(halves):
                return None
        return SweepRows.join(parts)

    def _runner(self) -> TaskRunner[SweepTask, SweepRows]:
        return TaskRunner(self._connect, do_sweep_task, self._stop, timeout=self._timeout)


class _Collected:
    """The rows of the tasks that are finished. Tasks with failures leave no part: they are tried again."""

    def __init__(self, prepared: PreparedSweep, progress: Progress | None) -> None:
        self._prepared = prepared
        self._progress = progress
        self._parts: dict[int, SweepRows] = {}
        self._finished = self._failed = 0

    def take_back(self) -> None:
        """Take what was finished before the sweep was stopped."""
        folder, grid = self._prepared.folder, self._prepared.request.grid
        for number in folder.finished():
            self.add(number, rows_from_table(folder.read_part(number), grid))

    def left(self) -> Sequence[int]:
        """The numbers of the tasks that are not finished."""
        every = range(len(self._prepared.tasks))
        return [number for number in every if number not in self._parts] if self._parts else every

    def add(self, number: int, rows: SweepRows) -> None:
        self._parts[number] = rows
        self._finished += len(rows) + rows.skipped + len(rows.failures)
        self._failed += len(rows.failures)
        if self._progress is not None:
            self._progress(self._finished, self._prepared.total, self._failed)

    def result(self) -> SweepResult:
        prepared = self._prepared
        windows = 1 + len(prepared.windows)
        each = len(prepared.tasks) // windows
        joined = [self._joined(range(window * each, (window + 1) * each)) for window in range(windows)]
        complete = len(self._parts) == len(prepared.tasks)
        return SweepResult(prepared.id, prepared.combinations, joined[0], tuple(joined[1:]), complete)

    def _joined(self, numbers: range) -> SweepRows:
        names = self._prepared.request.metrics
        nothing = SweepRows(
            self._prepared.request.grid, np.empty(0, dtype=np.int64), {name: np.empty(0) for name in names}
        )
        return SweepRows.join(
            [nothing, *[self._parts[each] for each in sorted(self._parts) if each in numbers]]
        )
