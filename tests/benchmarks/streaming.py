"""T7: a run over a Parquet file that is read in chunks, against the same run in memory and bare reading.

Each figure is that of a process of its own: CPU seconds of the work (imports and compiled kernels are
loaded before), and the most memory that it ever held. `reading` is pyarrow alone, in the same batches;
`admitting` reads candles in chunks through the gate and does nothing with them.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tests.benchmarks.harness import markdown

SMALL, LARGE = 10_000_000, 50_000_000
GROUP = 262_144
PARAMETERS = {"fast_period": 50, "slow_period": 200}
MODES = ("reading", "admitting", "streaming without identity", "streaming", "in memory")
ROUNDS = 3


def write_candles(path: Path, rows: int) -> None:
    """Made candles of one minute, prices in cents, zstd, group by group."""
    random = np.random.default_rng(1)
    last, first = np.log(30_000.0), 60_000_000 * 1_000_000
    writer = None
    for start in range(0, rows, GROUP):
        count = min(GROUP, rows - start)
        close = np.exp(last + np.cumsum(random.normal(0.0, 3e-4, count))).round(2)
        opens = np.concatenate(([round(float(np.exp(last)), 2)], close[:-1]))
        spread = (random.random(count) * 5).round(2)
        times = first + np.arange(start, start + count, dtype=np.int64) * 60_000_000
        table = pa.table(
            {
                "open_time": pa.array(times, pa.timestamp("us", tz="UTC")),
                "open": opens,
                "high": (np.maximum(opens, close) + spread).round(2),
                "low": (np.minimum(opens, close) - spread).round(2),
                "close": close,
                "volume": (random.random(count) * 50).round(3),
            }
        )
        last = float(np.log(close[-1]))
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table)
    assert writer is not None
    writer.close()


def measured(mode: str, path: Path) -> dict[str, Any]:
    """One turn in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.streaming", mode, str(path)],
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, Any] = json.JSONDecoder().decode(done.stdout)
    return found


def one_turn(mode: str, path: str) -> dict[str, Any]:
    import resource
    import time
    from datetime import UTC, datetime

    from stratkernel import Kernel, StrategyFactory, evaluate, run_strategy
    from stratkernel.contracts.source import SourceRequest
    from stratkernel.engine.candle_loading import load_source
    from stratkernel.engine.streaming.chunks import CHUNK_ROWS, CutCandles
    from stratkernel.engine.streaming.loading import load_chunks
    from stratkernel.engine.streaming.run import stream_strategy
    from stratkernel.testing.candles import candles_from_close, random_walk

    kernel = Kernel()
    strategy = StrategyFactory(kernel).create("ema_crossover", PARAMETERS)
    if mode not in {"reading", "admitting"}:
        import numba  # noqa: F401 - so that both ways of running use compiled kernels

        warm = candles_from_close(random_walk(1_000))
        stream_strategy(kernel, strategy, CutCandles(warm, 300))
        evaluate(warm, run_strategy(kernel, strategy, warm).signals)
    request, later = SourceRequest(path), datetime(2250, 1, 1, tzinfo=UTC)
    began, told = time.process_time(), ""
    if mode == "reading":
        with pq.ParquetFile(path, pre_buffer=False) as file:
            for _ in file.iter_batches(batch_size=CHUNK_ROWS, use_threads=False):
                pass
    elif mode == "in memory":
        candles, _ = load_source(kernel, request, now=later)
        result = run_strategy(kernel, strategy, candles)
        told = f"{result.data_hash} {evaluate(result.candles, result.signals).metrics}"
    else:
        chunks = load_chunks(kernel, request, now=later)
        if mode == "admitting":
            for _ in chunks:
                pass
        else:
            identify = mode == "streaming"
            streamed = stream_strategy(kernel, strategy, chunks, identify=identify)
            told = f"{streamed.data_hash} {streamed.performance.metrics}"
    return {
        "seconds": time.process_time() - began,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "told": told,
    }


def table(sizes: Sequence[int] = (SMALL, LARGE), rounds: int = ROUNDS) -> str:
    """CPU as multiples of bare reading, paired by round, and peak memory."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            path = Path(folder) / f"{size}.parquet"
            write_candles(path, size)
            turns = [{mode: measured(mode, path) for mode in MODES} for _ in range(rounds)]
            assert turns[0]["streaming"]["told"] == turns[0]["in memory"]["told"]
            for mode in MODES:
                ratios = [turn[mode]["seconds"] / turn["reading"]["seconds"] for turn in turns]
                to_gate = [turn[mode]["seconds"] / turn["admitting"]["seconds"] for turn in turns]
                peak = max(turn[mode]["peak"] for turn in turns)
                rows.append((f"{size:,}", mode, median(ratios), median(to_gate), round(peak)))
            path.unlink()
    return markdown(("candles", "", "CPU x reading", "CPU x admitting", "peak MB"), rows)


if __name__ == "__main__":
    print(json.JSONEncoder().encode(one_turn(sys.argv[1], sys.argv[2])))
