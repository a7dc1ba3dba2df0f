"""Processes of this machine: spawned, in one thread each, gone with their parent."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import CancelledError
from concurrent.futures.process import BrokenProcessPool

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from stratkernel import UsageError
from stratkernel.executors.local import LocalExecutor, processors


def _about_worker() -> dict[str, object]:
    np.dot(np.ones((4, 4)), np.ones((4, 4)))
    return {
        "pid": os.getpid(),
        "threads": {pool["num_threads"] for pool in threadpool_info()},
        "numba": os.environ.get("NUMBA_NUM_THREADS"),
        "sigint": signal.getsignal(signal.SIGINT) == signal.SIG_IGN,
    }


def _die() -> None:
    os._exit(3)


def _sleep(seconds: float) -> int:
    time.sleep(seconds)  # noqa: TID251 - a stand-in for work
    return os.getpid()


def test_local_executor_worker_computes_in_one_thread_of_another_process() -> None:
    with LocalExecutor.from_url("local://1") as executor:
        told = executor.submit(_about_worker).result(timeout=60)
    assert told["pid"] != os.getpid()
    assert told["threads"] <= {1}
    assert told["numba"] == "1"
    assert told["sigint"]


def test_local_executor_without_number_has_a_worker_for_each_processor() -> None:
    executor = LocalExecutor.from_url("local")
    assert executor.workers == processors()
    executor.shutdown()


@pytest.mark.parametrize("url", ["local://0", "local://-1", "local://two", "local://1e3", "local://9999"])
def test_local_executor_number_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="expected local, or local://N"):
        LocalExecutor.from_url(url)


def test_local_executor_worker_that_dies_breaks_the_pool_instead_of_hanging() -> None:
    with LocalExecutor.from_url("local://1") as executor, pytest.raises(BrokenProcessPool):
        executor.submit(_die).result(timeout=60)


def test_local_executor_terminate_ends_a_running_task() -> None:
    executor = LocalExecutor.from_url("local://1")
    pid = executor.submit(_sleep, 0.0).result(timeout=60)
    running = executor.submit(_sleep, 600.0)
    executor.terminate()
    with pytest.raises((BrokenProcessPool, CancelledError)):
        running.result(timeout=60)
    _wait_until_gone(pid)


def test_local_executor_workers_end_when_their_parent_is_killed() -> None:
    program = (
        "import sys, time\n"
        "from stratkernel.executors.local import LocalExecutor\n"
        "from napping import napping_pid\n"
        "if __name__ == '__main__':\n"
        "    executor = LocalExecutor.from_url('local://1')\n"
        "    print(executor.submit(napping_pid, 0).result(), flush=True)\n"
        "    executor.submit(napping_pid, 600)\n"
        "    time.sleep(600)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=_with_support()
    )
    assert child.stdout is not None
    pid = int(child.stdout.readline())
    child.kill()
    child.wait(timeout=60)
    child.stdout.close()
    _wait_until_gone(pid)


def _with_support() -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path.endswith("support")),
    }


def _wait_until_gone(pid: int) -> None:
    for _ in range(600):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        if _is_zombie(pid):
            return
        time.sleep(0.05)  # noqa: TID251 - waits for another process
    pytest.fail(f"process {pid} is still there")


def _is_zombie(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:  # noqa: PTH123 - not a project file
            return stat.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False
