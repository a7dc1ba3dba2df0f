"""Four writers of the same rows at once: none is refused, none waits for ever, nothing is lost or doubled."""

import logging
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import joint_writers
from joint_writers import CANDLES, RUNS, SIGNALS, WRITERS, write_parts
from storage_steps import open_url
from stratkernel import Series, SignalQuery, Storage
from stratkernel_config.documents import parse_json


def assert_whole(storage: Storage) -> None:
    assert storage.candles.read(Series("TEST", "1h")).data_hash == CANDLES.data_hash
    for run, signals in zip(RUNS, SIGNALS, strict=True):
        stored = storage.strategies.signals(SignalQuery(run_ids=(run.run_id,), current=False))
        assert stored.ids == signals.ids()
        assert storage.strategies.run(run.run_id).signal_count == len(signals)


def test_threads_that_write_the_same_never_fail(tables_url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "stratkernel.database")
    with open_url(tables_url) as storage:
        with ThreadPoolExecutor(WRITERS) as pool:
            failed = list(pool.map(lambda worker: write_parts(storage, worker), range(WRITERS)))
        assert failed == [0] * WRITERS
        assert_whole(storage)
    assert caplog.messages == []  # nor did any have to try again


def test_processes_that_write_the_same_never_fail(tables_url: str) -> None:
    program = Path(joint_writers.__file__)
    environment = {**os.environ, "PYTHONPATH": str(program.parent)}
    done = subprocess.run(
        [sys.executable, str(program), tables_url],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert parse_json(done.stdout.encode(), "the writers") == [0] * WRITERS
    with open_url(tables_url) as storage:
        assert_whole(storage)
