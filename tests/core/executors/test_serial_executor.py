"""This process, one task after another."""

import os

import pytest

from stratkernel import UsageError
from stratkernel.executors.serial import SerialExecutor


def test_serial_executor_task_runs_at_once_in_this_process() -> None:
    with SerialExecutor.from_url("serial") as executor:
        future = executor.submit(os.getpid)
        assert future.done()
        assert future.result() == os.getpid()


def test_serial_executor_error_waits_for_whoever_asks() -> None:
    future = SerialExecutor.from_url("serial://").submit(divmod, 1, 0)
    with pytest.raises(ZeroDivisionError):
        future.result()


def interrupt() -> None:
    raise KeyboardInterrupt


def test_serial_executor_interrupt_ends_the_task() -> None:
    with pytest.raises(KeyboardInterrupt):
        SerialExecutor().submit(interrupt)


def test_serial_executor_with_something_after_its_scheme_is_refused() -> None:
    with pytest.raises(UsageError, match="expected serial"):
        SerialExecutor.from_url("serial://4")
