"""Tasks on executors that work, break, hang and are told to stop."""

import os
import signal
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from threading import Event
from typing import Any, ClassVar, Self

import pytest

from napping import napping_pid
from stratkernel.contracts.executor import Executor
from stratkernel.engine.batch.scheduling import Finished, TaskRunner
from stratkernel.executors.local import LocalExecutor


class Inline(Executor):
    """Does everything at once, in this process; tasks named `fatal` break it."""

    name: ClassVar[str] = "inline"
    schemes: ClassVar[tuple[str, ...]] = ("inline",)
    workers = 3

    @classmethod
    def from_url(cls, url: str) -> Self:
        return cls()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - as an executor does
            future.set_exception(error)
        return future


def double(number: int) -> int:
    if number < 0:
        raise ValueError(f"no negative numbers, got {number}")
    return 2 * number


def by_index(found: list[Finished[Any]]) -> list[Finished[Any]]:
    return sorted(found, key=lambda each: each.index)


def test_task_runner_every_task_is_finished_once() -> None:
    found = by_index(list(TaskRunner(Inline, double).run(list(range(50)))))
    assert [each.result for each in found] == [2 * number for number in range(50)]
    assert [each.index for each in found] == list(range(50))


def test_task_runner_failing_task_is_one_failure_with_its_cause() -> None:
    found = by_index(list(TaskRunner(Inline, double).run([1, -2, 3])))
    assert [each.result for each in found] == [2, None, 6]
    assert found[1].error == "ValueError: no negative numbers, got -2"


def test_task_runner_order_is_what_is_run() -> None:
    found = by_index(list(TaskRunner(Inline, double).run(range(1_000_000_000), [7, 999_999_999])))
    assert [(each.index, each.result) for each in found] == [(7, 14), (999_999_999, 1_999_999_998)]


def test_task_runner_stop_gives_what_was_done_and_no_more() -> None:
    stop = Event()
    found = []
    for each in TaskRunner(Inline, double, stop).run(range(1_000_000)):
        found.append(each)
        if len(found) == 10:
            stop.set()
    assert 10 <= len(found) < 100


def test_task_runner_stop_does_not_wait_for_a_task_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stratkernel.engine.batch.scheduling._GRACE", 0.2)
    stop = Event()
    found = []
    for each in TaskRunner(lambda: LocalExecutor(2), napping_pid, stop).run([0.0, 600.0, 600.0, 600.0]):
        found.append(each)
        stop.set()
    assert [each.index for each in found] == [0]


def die_once(marker: str) -> int:
    """Dies the first time."""
    path = Path(marker)
    if path.exists():
        return 1
    path.touch()
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def die_or_double(number: int) -> int:
    if number == 13:
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * number


def test_task_runner_killed_worker_its_task_is_run_again(tmp_path: Path) -> None:
    runner = TaskRunner(lambda: LocalExecutor(2), die_once)
    found = by_index(list(runner.run([str(tmp_path / str(number)) for number in range(4)])))
    assert [each.result for each in found] == [1, 1, 1, 1]
    assert runner.restarts >= 1


def test_task_runner_task_that_always_kills_its_worker_fails_alone() -> None:
    found = by_index(list(TaskRunner(lambda: LocalExecutor(2), die_or_double).run(range(10, 18))))
    assert [each.result for each in found] == [20, 22, 24, None, 28, 30, 32, 34]
    assert found[3].error is not None
    assert "died" in found[3].error


class BreaksAtSubmit(Inline):
    """Breaks between two tasks, once."""

    left = 5

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        BreaksAtSubmit.left -= 1
        if BreaksAtSubmit.left == 0:
            raise BrokenProcessPool("gone")
        return super().submit(fn, *args, **kwargs)


def test_task_runner_executor_that_breaks_between_tasks_costs_none() -> None:
    found = by_index(list(TaskRunner(BreaksAtSubmit, double).run(range(12))))
    assert [each.result for each in found] == [2 * number for number in range(12)]


class Threads(Inline):
    """Really works at several tasks at a time."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(3)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return self._pool.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._pool.shutdown(wait=wait, cancel_futures=cancel_futures)


def test_task_runner_with_threads_gives_every_result() -> None:
    found = by_index(list(TaskRunner(Threads, double).run(range(200))))
    assert [each.result for each in found] == [2 * number for number in range(200)]


def test_task_runner_task_over_its_time_fails_and_those_beside_it_are_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """P3."""
    monkeypatch.setattr("stratkernel.engine.batch.scheduling._START", 3.0)
    runner = TaskRunner(lambda: LocalExecutor(2), napping_pid, timeout=1.0)
    found = by_index(list(runner.run([0.0, 600.0, 0.0, 600.0, 0.0])))
    assert [each.error is None for each in found] == [True, False, True, False, True]
    assert [each.lost for each in found] == [False, True, False, True, False]
    assert "not done after 1 seconds" in str(found[1].error)
    assert runner.restarts >= 1


def test_task_runner_without_a_time_limit_waits() -> None:
    assert [each.error for each in TaskRunner(lambda: LocalExecutor(1), napping_pid).run([0.3])] == [None]
