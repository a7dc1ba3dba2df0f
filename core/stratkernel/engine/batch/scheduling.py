"""Tasks on an executor: some in flight at a time, dead and stuck workers replaced, stopped when asked to."""

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, wait
from dataclasses import dataclass
from threading import Event
from typing import Any, Final, Generic, TypeVar

from stratkernel.contracts.executor import Executor
from stratkernel.kernel.clock import Clock, SystemClock
from stratkernel.kernel.errors import describe

ATTEMPTS: Final = 2
"""How often a task may be the only one at work when its worker dies."""
_AHEAD: Final = 2  # tasks in flight a worker: one at work, one waiting at its door
_TICK: Final = 0.1
_GRACE: Final = 2.5
_START: Final = 5.0  # seconds that workers have to begin, before the time of their first tasks counts

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Finished(Generic[R]):
    """What became of task number `index`: its result, or why there is none.

    `lost` is a task that took its worker with it, so that no part of it is known.
    """

    index: int
    result: R | None = None
    error: str | None = None
    lost: bool = False


@dataclass(frozen=True, slots=True)
class _Flight:
    """A task that was handed over, and when it is overdue."""

    index: int
    until: float


class TaskRunner(Generic[T, R]):
    """Runs `function` on tasks by executors that `connect` opens; gives what is finished, in any order.

    An executor that breaks, as a pool does when a worker is killed, is opened anew. Who was at work then is
    run again alone: a task that brings its worker down by itself fails, and takes nobody with it. A task
    that is not done `timeout` seconds after it was begun fails, and the executor is ended and opened anew.
    When `stop` is set, tasks at work have a few seconds to end.
    """

    def __init__(
        self,
        connect: Callable[[], Executor],
        function: Callable[[T], R],
        stop: Event | None = None,
        clock: Clock | None = None,
        timeout: float | None = None,
    ) -> None:
        self._connect = connect
        self._function = function
        self._stop = stop or Event()
        self._clock = clock or SystemClock()
        self._timeout = timeout
        # a task that waits at the door would lose time that is not its own
        self._ahead = _AHEAD if timeout is None else 1
        self._executor: Executor | None = None
        self._is_warm = False
        self._flying: dict[Future[R], _Flight] = {}
        self._suspects: deque[int] = deque()
        self._bystanders: deque[int] = deque()
        self._deaths: dict[int, int] = {}
        self.restarts = 0
        """How often an executor had to be opened anew."""

    def run(self, tasks: Sequence[T], order: Sequence[int] | None = None) -> Iterator[Finished[R]]:
        """Finished tasks; `order` are the numbers to run, by default all."""
        waiting = iter(range(len(tasks)) if order is None else order)
        try:
            while not self._stop.is_set():
                self._fill(tasks, waiting)
                if not (self._flying or self._suspects or self._bystanders):
                    return
                done, _ = wait(self._flying, timeout=_TICK, return_when=FIRST_COMPLETED)
                yield from self._collect(done)
                yield from self._overdue()
            yield from self._last_results()
        finally:
            self._close()

    def _fill(self, tasks: Sequence[T], waiting: Iterator[int]) -> None:
        if self._suspects:
            if not self._flying:
                self._submit(tasks, self._suspects.popleft())
            return
        room = self._ahead * self._open().workers
        while len(self._flying) < room and not self._suspects:
            index = self._bystanders.popleft() if self._bystanders else next(waiting, None)
            if index is None:
                return
            self._submit(tasks, index)

    def _open(self) -> Executor:
        if self._executor is None:
            self._executor = self._connect()
            self._is_warm = False
        return self._executor

    def _submit(self, tasks: Sequence[T], index: int) -> None:
        try:
            future = self._open().submit(self._function, tasks[index])
        except BrokenExecutor:  # between two tasks: nobody is to blame
            self._suspects.append(index)
            self._broken()
            return
        until = math.inf
        if self._timeout is not None:
            until = self._clock.monotonic() + self._timeout + (0.0 if self._is_warm else _START)
        self._flying[future] = _Flight(index, until)

    def _collect(self, done: set[Future[R]]) -> Iterator[Finished[R]]:
        in_order = [future for future in self._flying if future in done]
        broken = [self._flying[future].index for future in in_order if _is_broken(future)]
        for future in in_order:
            index = self._flying.pop(future).index
            if index not in broken:
                self._is_warm = True
                yield _finished(index, future)
        if broken:
            alone = len(broken) + len(self._flying) == 1
            self._broken(broken)
            if alone:
                yield from self._blame(broken[0])

    def _broken(self, indices: Sequence[int] = ()) -> None:
        """The executor is of no use any more: all that it had is to be done again."""
        self._suspects.extend(sorted([*indices, *(flight.index for flight in self._flying.values())]))
        self._end_executor()

    def _overdue(self) -> Iterator[Finished[R]]:
        """Nothing stops a task but the end of its process; whoever shares its executor is done again."""
        now = self._clock.monotonic()
        late = [flight.index for flight in self._flying.values() if now > flight.until]
        if not late:
            return
        self._bystanders.extend(
            sorted(flight.index for flight in self._flying.values() if now <= flight.until)
        )
        self._end_executor()
        for index in late:
            error = f"not done after {self._timeout:g} seconds, and ended together with its worker process"
            yield Finished(index, error=error, lost=True)

    def _end_executor(self) -> None:
        self._flying.clear()
        self.restarts += 1
        if self._executor is not None:
            self._executor.terminate()
            self._executor = None

    def _blame(self, index: int) -> Iterator[Finished[R]]:
        self._deaths[index] = self._deaths.get(index, 0) + 1
        if self._deaths[index] >= ATTEMPTS:
            self._suspects.remove(index)
            error = f"its worker process died, {ATTEMPTS} times (killed, or out of memory)"
            yield Finished(index, error=error, lost=True)

    def _last_results(self) -> Iterator[Finished[R]]:
        """What ends within a moment of grace still counts."""
        until = self._clock.monotonic() + _GRACE
        for future in list(self._flying):
            if future.cancel():
                del self._flying[future]
        while self._flying and self._clock.monotonic() < until:
            done, _ = wait(self._flying, timeout=_TICK, return_when=FIRST_COMPLETED)
            for future in done:
                index = self._flying.pop(future).index
                if not _is_broken(future):
                    yield _finished(index, future)

    def _close(self) -> None:
        if self._executor is None:
            return
        if self._flying:
            self._executor.terminate()
        else:
            self._executor.shutdown()
        self._executor = None


def _is_broken(future: Future[Any]) -> bool:
    return future.cancelled() or isinstance(future.exception(), BrokenExecutor | CancelledError)


def _finished(index: int, future: Future[R]) -> Finished[R]:
    error = future.exception()
    return Finished(index, error=describe(error)) if error else Finished(index, future.result())
