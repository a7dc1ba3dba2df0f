"""A batch on a real Dask scheduler with two workers on loopback; workers that die or hang."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from batch_candles import FAST, RSI, candle_files, connecting, prepare
from dask_cluster import dask_cluster
from faulty_plugin import faulty_plugin
from plugin_modules import on_path
from stratkernel.engine.batch.batch import run_batch
from stratkernel.engine.batch.tasks import Configuration


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The URL of the cluster, and a folder of plugins that its workers find too."""
    folder = tmp_path_factory.mktemp("packages")
    faulty_plugin(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        for _ in on_path(folder, patch):
            with dask_cluster(workers=2) as url:
                yield url, folder


def test_batch_on_a_cluster_gives_the_same_rows_and_hash(cluster: tuple[str, Path], tmp_path: Path) -> None:
    """B5: order and hash depend neither on the workers nor on the executor."""
    files = candle_files(tmp_path, 4)
    here = run_batch(prepare(tmp_path / "here", files), connecting())
    there = run_batch(prepare(tmp_path / "there", files), connecting(cluster[0]))
    assert there.complete
    assert there.rows == here.rows
    assert there.hash == here.hash


def test_batch_on_a_cluster_a_killed_worker_costs_no_row(
    cluster: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B6: Dask gives its tasks to others."""
    files = candle_files(tmp_path, 4)
    here = run_batch(prepare(tmp_path / "here", files), connecting())
    killed: list[int] = []

    def kill_a_worker(finished: int, _total: int, _failed: int) -> None:
        if finished and not killed:
            killed.append(pid_of_a_worker(cluster[0]))
            os.kill(killed[0], signal.SIGKILL)

    there = run_batch(prepare(tmp_path / "there", files), connecting(cluster[0]), progress=kill_a_worker)
    assert killed
    assert there.rows == here.rows


def pid_of_a_worker(url: str) -> int:
    from distributed import Client

    client: Any
    with Client(url.replace("dask", "tcp"), timeout=60, set_as_default=False) as client:
        return int(next(iter(client.run(os.getpid).values())))


def test_batch_on_a_cluster_a_plugin_that_hangs_is_ended_with_its_worker(
    cluster: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P3."""
    monkeypatch.setattr("stratkernel.engine.batch.scheduling._START", 4.0)
    files = candle_files(tmp_path, 1)
    wanted = [FAST, Configuration("hangs", "acme-faulty:hangs", {}), RSI]
    result = run_batch(prepare(tmp_path, files, wanted), connecting(cluster[0]), task_timeout=2.0)
    assert [row.status.value for row in result.rows] == ["done", "failed", "done"]
    assert "not done after 2 seconds" in str(result.rows[1].error)
