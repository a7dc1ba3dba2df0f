"""Sweeps for tests: prepared over a small file of candles, run by any executor."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from batch_candles import candle_file, connecting, reference
from stratkernel import Kernel, StrategyFactory
from stratkernel.contracts.executor import Executor
from stratkernel.engine.batch.sweep_plan import PreparedSweep, SweepRequest, prepare_sweep
from stratkernel.engine.batch.sweep_run import SweepResult, run_sweep
from stratkernel.engine.batch.workshop import Workshop
from stratkernel.engine.grid import Grid
from stratkernel.engine.performance import Costs
from stratkernel.engine.run_setup import RunOptions

OVER_2000 = ("fast_period=2..46", "slow_period=10..60")
"""Axes of `macd`: 2,295 combinations."""
ROWS = 500


def prepared_sweep(
    home: Path,
    axes: Sequence[str],
    *,
    strategy: str = "stratkernel-macd:macd",
    kernel: Kernel | None = None,
    file: Path | None = None,
    at_once: int = 200,
    **more: Any,
) -> PreparedSweep:
    """A sweep over made candles, `at_once` combinations a task; look-ahead is looked for when asked for."""
    workshop = Workshop(kernel or Kernel())
    item = StrategyFactory(workshop.kernel).item(strategy)
    if file is None:
        home.mkdir(parents=True, exist_ok=True)
        file = candle_file(home, "candles", rows=ROWS, seed=3)
    options = {"candles": reference(file), "options": RunOptions(), "costs": Costs(), "check": False}
    request = SweepRequest(
        name=item.name,
        strategy=item.qualified,
        grid=Grid.parse(axes, item.cls.Params, item.title),
        **{**options, **more},
    )
    rows = len(workshop.candles(request.candles))
    return prepare_sweep(workshop, request, home, task_rows=rows * at_once)


def swept(prepared: PreparedSweep, url: str | Callable[[], Executor] = "serial", **more: Any) -> SweepResult:
    """Run it by the executor of a URL, or by one that a function opens."""
    return run_sweep(prepared, connecting(url) if isinstance(url, str) else url, **more)
