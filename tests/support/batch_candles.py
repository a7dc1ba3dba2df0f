"""Small files of candles and prepared batches over them."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from stratkernel import Kernel
from stratkernel.contracts.source import SourceRequest
from stratkernel.engine.batch.preparation import BatchOptions, PreparedBatch, prepare_batch
from stratkernel.engine.batch.tasks import Configuration
from stratkernel.engine.batch.workshop import CandleReference, Workshop
from stratkernel.engine.executors import open_executor
from stratkernel.engine.performance import Costs
from stratkernel.testing.candles import candles_from_close, random_walk

FAST = Configuration("fast", "stratkernel-ema:ema_crossover", {"fast_period": 3, "slow_period": 8})
SLOW = Configuration("slow", "stratkernel-ema:ema_crossover", {"fast_period": 10, "slow_period": 30})
RSI = Configuration("rsi", "stratkernel-rsi:rsi", {"period": 5})


def candle_file(folder: Path, name: str, *, rows: int = 200, seed: int = 1, timeframe: str = "1h") -> Path:
    """A file of made candles; its name is the symbol."""
    path = folder / f"{name}.parquet"
    candles_from_close(random_walk(rows, seed), timeframe=timeframe).frame.to_parquet(path)
    return path


def candle_files(folder: Path, count: int, **more: Any) -> list[Path]:
    return [candle_file(folder, f"S{number:03}", seed=number, **more) for number in range(count)]


def reference(path: Path, **more: Any) -> CandleReference:
    return CandleReference(SourceRequest(str(path), **more))


def prepare(
    home: Path,
    files: Iterable[Path],
    configurations: Sequence[Configuration] = (FAST, RSI),
    *,
    storage: Any = None,
    kernel: Kernel | None = None,
    **options: Any,
) -> PreparedBatch:
    """A batch of every configuration over every file; look-ahead is not looked for unless asked for."""
    workshop = Workshop(kernel or Kernel())
    jobs = [(each, reference(file)) for file in files for each in configurations]
    wanted = BatchOptions(Costs(), **{"check": False, "keep": storage is not None, **options})
    return prepare_batch(workshop, jobs, wanted, home, storage)


def connecting(url: str = "serial") -> Any:
    """What opens the executor of a URL."""
    return lambda: open_executor(Kernel(), url)
