"""A batch that is interrupted, terminated or killed: what is finished is kept, and the result is the same."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from batch_candles import candle_files
from faulty_plugin import faulty_plugin
from stratkernel import Kernel
from stratkernel.engine.storage import open_storage
from stratkernel.kernel.clock import SystemClock
from stratkernel_config.documents import dump_json, parse_json

ROWS = 10
BATCH = ("batch", "--plan", "plan.json", "--no-check", "--quiet")
Popen = subprocess.Popen[str]


@pytest.fixture
def folder(
    tmp_path: Path, home: Path, packages: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Candles, a plan of a row for each series and a slow plugin, in the working directory."""
    monkeypatch.chdir(tmp_path)
    faulty_plugin(packages)
    monkeypatch.setenv("FAULTY_PAUSE", "0")
    monkeypatch.setenv("PYTHONPATH", str(packages))
    files = candle_files(tmp_path, ROWS, rows=60)
    plan = {"configurations": ["slow"], "series": [{"data": file.name} for file in files]}
    (tmp_path / "plan.json").write_bytes(dump_json(plan))
    return tmp_path


@contextmanager
def started(*arguments: str, pause: float) -> Iterator[Popen]:
    """The batch as a process of its own, in which a row takes so many seconds."""
    with subprocess.Popen(
        [sys.executable, "-m", "stratkernel", *BATCH, *arguments],
        env={**os.environ, "FAULTY_PAUSE": str(pause)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        yield process


def results(outcome: Any) -> dict[str, Any]:
    assert outcome.code == 0, outcome.err
    found: dict[str, Any] = parse_json(outcome.out.encode(), "stdout")
    return found


def parts(folder: Path) -> int:
    return len(list(folder.glob("home/batches/*/part-*.parquet")))


def stored_runs(database: str) -> list[str]:
    with open_storage(Kernel(), database) as storage:
        return sorted(str(run.run_id) for run in storage.strategies.runs())


def wait_for(what: Callable[[], bool], process: Popen) -> None:
    for _ in range(2_400):
        if what():
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)  # noqa: TID251 - waits for another process
    pytest.fail("it never happened")


def interrupt(process: Popen) -> None:
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: everybody gets it


def terminate(process: Popen) -> None:
    process.terminate()


@pytest.mark.parametrize("stop", [interrupt, terminate])
def test_batch_that_is_asked_to_stop_ends_with_130_and_the_same_command_gives_the_identical_result(
    stratkernel: Any, folder: Path, database: str, stop: Callable[[Popen], None]
) -> None:
    """K3 and K4."""
    wanted = results(stratkernel(*BATCH, "--executor", "serial", "--no-save", "--json"))
    clock = SystemClock()
    with started("--executor", "local://2", "--json", pause=0.5) as process:
        wait_for(lambda: parts(folder) >= 2, process)
        began = clock.monotonic()
        stop(process)
        out, err = process.communicate(timeout=60)
        took = clock.monotonic() - began
    assert process.returncode == 130, err
    assert took < 30  # within 5 seconds where nobody else is at work
    found = parse_json(out.encode(), "stdout")
    assert not found["complete"]
    assert 2 <= len(found["results"]) < ROWS
    assert len(stored_runs(database)) == len(found["results"])
    assert f"--resume {found['batch']}, goes on from there" in err
    assert "Traceback" not in err
    resumed = results(stratkernel(*BATCH, "--executor", "serial", "--json"))
    assert resumed["batch"] == found["batch"]
    assert resumed["hash"] == wanted["hash"]
    assert {row["status"] for row in resumed["results"]} == {"done"}
    assert stored_runs(database) == sorted(row["run_id"] for row in resumed["results"])


@pytest.mark.parametrize("executor", ["serial", "local://2"])
def test_batch_killed_in_the_middle_the_same_command_gives_the_identical_file_and_no_run_twice(
    stratkernel: Any, folder: Path, database: str, executor: str
) -> None:
    """K1: SIGKILL."""
    assert stratkernel(*BATCH, "--executor", "serial", "--no-save", "-o", "wanted.parquet").code == 0
    with started("--executor", executor, pause=0.3) as process:
        wait_for(lambda: parts(folder) >= 3, process)
        process.kill()
        process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert 3 <= parts(folder) < ROWS
    assert stratkernel(*BATCH, "--executor", "serial", "-o", "resumed.parquet").code == 0
    wanted, resumed = Path("wanted.parquet"), Path("resumed.parquet")
    assert wanted.read_bytes() == resumed.read_bytes()
    assert stored_runs(database) == sorted(pd.read_parquet(resumed)["run_id"])
    assert parts(folder) == 0


def test_batch_in_its_own_process_interrupted_ends_at_once_and_says_how_to_go_on(
    stratkernel: Any, folder: Path
) -> None:
    with started("--executor", "serial", pause=0.5) as process:
        wait_for(lambda: parts(folder) >= 2, process)
        interrupt(process)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "--resume" in err
    assert "Traceback" not in err
    assert results(stratkernel(*BATCH, "--executor", "serial", "--json"))["complete"]


def test_batch_with_a_plugin_that_hangs_ends_when_it_is_asked_to_and_leaves_nobody_behind(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P3 and K3."""
    marks = folder / "marks"
    marks.mkdir()
    monkeypatch.setenv("FAULTY_MARKS", str(marks))
    with started("--executor", "local://2", pause=600) as process:
        wait_for(lambda: any(marks.iterdir()), process)
        interrupt(process)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    for mark in marks.iterdir():
        wait_until_gone(int(mark.name.partition("-")[2]))


def wait_until_gone(pid: int) -> None:
    for _ in range(600):
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        except OSError:
            return
        if stat.rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.05)  # noqa: TID251 - waits for another process
    pytest.fail(f"process {pid} is still there")
