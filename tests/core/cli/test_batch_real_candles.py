"""Real candles: three strategies with a trend filter over six series of 5m and 1m, by every executor."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from dask_cluster import dask_cluster
from stratkernel_config.documents import parse_json

SERIES = [
    f"{venue}_{base}USDT_{tf}"
    for venue, tf in (("binance", "5m"), ("binancef", "1m"))
    for base in ("BTC", "ETH", "SOL")
]
BATCH = ("batch", "ema_crossover", "rsi", "macd", "--param", "trend_timeframe=1h", "--quiet")


def results(outcome: Any) -> dict[str, Any]:
    assert outcome.code == 0, outcome.err
    found: dict[str, Any] = parse_json(outcome.out.encode(), "stdout")
    return found


def test_batch_of_real_candles_has_one_hash_serial_local_on_a_cluster_and_after_sigkill(
    stratkernel: Any, shared_data: Path, home: Path
) -> None:
    data = [argument for name in SERIES for argument in ("--data", str(shared_data / f"{name}.parquet"))]
    command = (*BATCH, *data, "--no-save", "--json")
    serial = results(stratkernel(*command, "--executor", "serial"))
    assert serial["runs"] == len(SERIES) * 3
    assert serial["failed"] == 0
    assert {row["timeframe"] for row in serial["results"]} == {"5m", "1m"}
    assert all(row["parameters"]["trend_timeframe"] == "1h" for row in serial["results"])
    assert all(row["signals"] > 0 for row in serial["results"])
    with dask_cluster(workers=2) as url:
        there = results(stratkernel(*command, "--executor", url))
    killed_half_way(command, home)
    resumed = results(stratkernel(*command, "--executor", "local://2"))
    assert there["hash"] == serial["hash"]
    assert resumed["hash"] == serial["hash"]
    assert resumed["results"] == serial["results"]


def killed_half_way(command: tuple[str, ...], home: Path) -> None:
    """Run it on two processes, and end it with SIGKILL when half of the series are done."""
    with subprocess.Popen(
        [sys.executable, "-m", "stratkernel", *command, "--executor", "local://2"], stdout=subprocess.DEVNULL
    ) as process:
        for _ in range(3_000):
            if len(list(home.glob("batches/*/part-*"))) >= len(SERIES) // 2:
                break
            assert process.poll() is None
            time.sleep(0.02)  # noqa: TID251 - waits for another process
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert len(SERIES) // 2 <= len(list(home.glob("batches/*/part-*"))) < len(SERIES)
