"""A real scheduler with two workers on loopback."""

import os
import socket
from collections.abc import Iterator

import pytest

from dask_cluster import dask_cluster
from stratkernel import StratkernelError, UsageError
from stratkernel.executors.dask import DaskExecutor


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    with dask_cluster(workers=2) as url:
        yield url


def test_dask_executor_tasks_run_on_the_workers(cluster: str) -> None:
    with DaskExecutor.from_url(cluster) as executor:
        assert executor.workers == 2
        pids = {future.result(timeout=60) for future in [executor.submit(os.getpid) for _ in range(20)]}
    assert os.getpid() not in pids
    assert 1 <= len(pids) <= 2


def test_dask_executor_equal_tasks_are_each_done(cluster: str) -> None:
    with DaskExecutor.from_url(cluster) as executor:
        numbers = {
            future.result(timeout=60) for future in [executor.submit(os.urandom, 8) for _ in range(20)]
        }
    assert len(numbers) == 20


def test_dask_executor_error_of_a_task_reaches_its_future(cluster: str) -> None:
    with DaskExecutor.from_url(cluster) as executor, pytest.raises(ZeroDivisionError):
        executor.submit(divmod, 1, 0).result(timeout=60)


def test_dask_executor_nobody_answers_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stratkernel.executors.dask._PATIENCE", 0.5)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(StratkernelError, match="no Dask scheduler answers"):
        DaskExecutor.from_url(f"dask://127.0.0.1:{port}")


@pytest.mark.parametrize(
    "url", ["dask://", "dask://host", "dask://:8786", "dask://host:port", "dask://host:99999"]
)
def test_dask_executor_url_without_host_and_port_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="expected dask://HOST:PORT"):
        DaskExecutor.from_url(url)
