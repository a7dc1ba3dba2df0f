"""Every metric of every combination is, to the last bit, that of a run with its parameters."""

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from pydantic import Field

from plugin_modules import plugin_module
from stratkernel import (
    BaseStrategy,
    Calendar,
    Candles,
    Columns,
    Costs,
    GapRule,
    IndicatorRequest,
    Kernel,
    Params,
    RunOptions,
    Signals,
    SignalType,
    StrategyData,
    StrategyFactory,
    WindowIndicator,
    candles_from_frame,
    crossing,
    evaluate,
    indicator,
    run_strategy,
)
from stratkernel.engine.exits import ExitRules, split_exits
from stratkernel.engine.grid import Grid
from stratkernel.engine.kernels.dispatch import Backend, use
from stratkernel.engine.metrics import METRICS
from stratkernel.engine.sweep import Sweep, SweepOptions
from stratkernel.engine.sweep_result import SweepRows
from stratkernel.testing.candles import candles_from_close, random_walk

BACKENDS: list[Any] = [
    "arrays",
    pytest.param(
        "numba",
        marks=pytest.mark.skipif(find_spec("numba") is None, reason="the extra 'fast' is not installed"),
    ),
]
DEAR = Costs(fill="next_open", fee_bps=7.5, slippage_bps=2.0)


def swept(
    kernel: Kernel,
    strategy: str,
    texts: list[str],
    candles: Candles,
    costs: Costs,
    run: RunOptions | None = None,
    **fixed: Any,
) -> SweepRows:
    item = StrategyFactory(kernel).item(strategy)
    grid = Grid.parse(texts, item.cls.Params, item.title, fixed)
    return Sweep(
        kernel, strategy, grid, candles, SweepOptions(costs, run or RunOptions(), METRICS)
    ).evaluate()


def assert_equal_to_runs(
    kernel: Kernel,
    strategy: str,
    rows: SweepRows,
    candles: Candles,
    costs: Costs,
    run: RunOptions | None = None,
    every: int = 1,
) -> None:
    for row in range(0, len(rows), every):
        own, exits = split_exits(rows.parameters(row))
        made = StrategyFactory(kernel).create(strategy, own)
        result = run_strategy(kernel, made, candles, run)
        expected = evaluate(result.candles, result.signals, costs, ExitRules.of(exits)).metrics
        assert rows.metrics_at(row) == expected, rows.parameters(row)


@pytest.fixture(scope="module")
def made() -> Candles:
    return candles_from_close(random_walk(4_000, seed=11, volatility=0.02), timeframe="15m")


@pytest.fixture(scope="module")
def real(shared_data: Path) -> Candles:
    frame = pq.read_table(shared_data / "binance_BTCUSDT_5m.parquet").to_pandas().iloc[31_000:34_000]
    frame = frame.set_index("timestamp").rename_axis("open_time")
    return candles_from_frame(frame, symbol="BTC/USDT", timeframe="5m")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("costs", [Costs(fill="close"), DEAR], ids=["close", "next_open"])
def test_sweep_of_hundreds_of_averages_equals_their_runs(
    kernel: Kernel, made: Candles, backend: Backend, costs: Costs
) -> None:
    with use(backend):
        rows = swept(
            kernel,
            "ema_crossover",
            ["fast_period=2..20", "slow_period=3:60:3", "allow_short=false,true"],
            made,
            costs,
        )
        assert (len(rows), rows.skipped, rows.failures) == (634, 126, ())
        assert_equal_to_runs(kernel, "ema_crossover", rows, made, costs, every=3)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("strategy", "texts"),
    [
        ("rsi", ["period=3..12", "oversold=20,30", "overbought=70,80", "allow_short=true,false"]),
        ("macd", ["fast_period=4..8", "slow_period=10,20", "signal_period=3..5", "allow_short=true"]),
        ("ema_crossover", ["fast_period=5..9", "slow_period=20,30", "allow_short=true,false"]),
    ],
)
def test_sweep_over_real_candles_equals_its_runs(
    kernel: Kernel, real: Candles, backend: Backend, strategy: str, texts: list[str]
) -> None:
    with use(backend):
        rows = swept(kernel, strategy, texts, real, DEAR)
        assert len(rows) > 15
        assert_equal_to_runs(kernel, strategy, rows, real, DEAR)


@pytest.mark.parametrize("backend", BACKENDS)
def test_sweep_of_a_stranger_s_plugin_equals_its_runs(
    repository: Path, made: Candles, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(repository / "examples" / "stratkernel-donchian")
    kernel = Kernel(discover=False)
    kernel.register(import_module("stratkernel_donchian"), "donchian")
    with use(backend):
        rows = swept(kernel, "donchian", ["period=2..60"], made, DEAR)
        assert len(rows) == 59
        assert_equal_to_runs(kernel, "donchian", rows, made, DEAR)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("policy", ["continue", "reset", "fill"])
def test_sweep_over_gaps_and_a_range_equals_its_runs(
    kernel: Kernel, made: Candles, backend: Backend, policy: Any
) -> None:
    keep = np.r_[0:700, 720:1500, 1501:3000, 3400:4000]
    arrays = {name: made.columns[name][keep] for name in made.columns.names}
    candles = Candles(
        symbol="GAPS",
        timeframe=made.timeframe,
        open_time=made.open_time[keep],
        columns=Columns({n: np.ascontiguousarray(a) for n, a in arrays.items()}, made.close_time[keep]),
        calendar=Calendar.ALWAYS,
    )
    run = RunOptions(
        start=int(candles.open_time[100]),
        end=int(candles.open_time[3_200]),
        origin=int(candles.open_time[40]),
        gaps=GapRule(policy, 2),
    )
    texts = ["fast_period=3..8", "slow_period=9,30,600", "allow_short=true,false"]
    with use(backend):
        rows = swept(kernel, "ema_crossover", texts, candles, DEAR, run)
        assert len(rows) == 36
        assert_equal_to_runs(kernel, "ema_crossover", rows, candles, DEAR, run)


def test_sweep_with_a_higher_timeframe_equals_its_runs(kernel: Kernel, made: Candles) -> None:
    texts = ["fast_period=5..8", "slow_period=20", "trend_timeframe=null,1h,4h", "allow_short=true,false"]
    rows = swept(kernel, "ema_crossover", texts, made, DEAR)
    assert (len(rows), rows.failures) == (24, ())
    assert_equal_to_runs(kernel, "ema_crossover", rows, made, DEAR)


def test_sweep_over_exit_rules_equals_its_runs(kernel: Kernel, made: Candles) -> None:
    texts = ["fast_period=5..8", "exit.stop_loss=null,0.01,0.05", "exit.max_bars=null,20"]
    rows = swept(kernel, "ema_crossover", texts, made, DEAR, slow_period=30)
    assert (len(rows), rows.failures) == (24, ())
    assert len(set(rows.metrics["total_return"].tolist())) == 24
    assert_equal_to_runs(kernel, "ema_crossover", rows, made, DEAR)


def test_sweep_with_exit_rules_of_the_run_lets_axes_replace_them(kernel: Kernel, made: Candles) -> None:
    run = RunOptions(exits=ExitRules(stop_loss=0.02, max_bars=30))
    rows = swept(kernel, "ema_crossover", ["fast_period=5..7", "exit.max_bars=null,10"], made, DEAR, run)
    assert len(rows) == 6
    for row in range(6):
        own, exits = split_exits(rows.parameters(row))
        result = run_strategy(kernel, StrategyFactory(kernel).create("ema_crossover", own), made, run)
        rules = ExitRules(stop_loss=0.02, max_bars=exits["max_bars"])
        assert rows.metrics_at(row) == evaluate(result.candles, result.signals, DEAR, rules).metrics


class PeriodParams(Params):
    period: int = Field(5, ge=1)


class Hollow(WindowIndicator[PeriodParams]):
    """Undefined on some candles after its warm-up."""

    name = "hollow"
    nullable = frozenset({"hollow"})

    def lookback(self) -> int:
        return 3

    def calculate(self, columns: Columns) -> np.ndarray[Any, Any]:
        rounded = np.round(columns.close * 100)
        return np.where(rounded % self.params.period == 0, np.nan, columns.close)


class OverHollow(BaseStrategy[PeriodParams]):
    name = "over_hollow"
    window = 3

    def get_required_indicators(self) -> Mapping[str, IndicatorRequest]:
        average = indicator("ema", period=self.params.period)
        return {"hollow": indicator(Hollow, period=self.params.period), "cross": crossing(average, "close")}

    def calculate(self, data: StrategyData) -> Signals:
        return Signals.join(
            [
                Signals.at(data["hollow"] > data["open"], SignalType.ENTRY_LONG, confidence=0.5),
                Signals.at(data["cross"] != 0, SignalType.EXIT_LONG, confidence=0.5),
            ]
        )


class Remembering(BaseStrategy[PeriodParams]):
    """A fold of its own: every so many candles it changes its mind."""

    name = "remembering"

    def initial_state(self) -> dict[str, Any]:
        return {"seen": 0}

    def advance(self, data: StrategyData, state: Any) -> Any:
        numbers = np.arange(state["seen"], state["seen"] + len(data))
        rows = np.flatnonzero(numbers % self.params.period == 0)
        up = numbers[rows] // self.params.period % 2 == 0
        return Signals.directional(rows, up, allow_short=True), {"seen": state["seen"] + len(data)}


class Thorough(BaseStrategy[PeriodParams]):
    """Wants all of the history."""

    name = "thorough"
    window = None

    def calculate(self, data: StrategyData) -> Signals:
        close = data["close"]
        up = close[-1:] > close[: 1 - self.params.period][-1:]
        return Signals.directional(np.full(len(up), len(close) - 1), up)


class Sharing(BaseStrategy[PeriodParams]):
    """Gives the same arrays to every combination, and writes to them every time."""

    name = "sharing"
    window = 1
    rows = np.zeros(50, dtype=np.int64)
    types = np.zeros(50, dtype=np.int64)

    def calculate(self, data: StrategyData) -> Signals:
        self.rows[:] = np.arange(50) * self.params.period
        self.types[:] = np.where(np.arange(50) % 2 == 0, 3, 1)
        return Signals(self.rows, self.types)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("strategy", ["over_hollow", "remembering", "thorough", "sharing"])
def test_sweep_of_unusual_strategies_equals_their_runs(backend: Backend, strategy: str) -> None:
    kernel = Kernel()
    unusual = [OverHollow, Remembering, Thorough, Sharing]
    kernel.register(plugin_module(stratkernel_strategies=lambda: unusual), "unusual")
    candles = candles_from_close(random_walk(300, seed=2, volatility=0.03))
    with use(backend):
        rows = swept(kernel, strategy, ["period=2..6"], candles, DEAR)
        assert (len(rows), rows.failures) == (5, ())
        assert any(rows.metrics["trades"] > 0)
        assert_equal_to_runs(kernel, strategy, rows, candles, DEAR)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("rows", [1, 2, 15, 40])
def test_sweep_over_few_candles_equals_its_runs(kernel: Kernel, backend: Backend, rows: int) -> None:
    candles = candles_from_close(random_walk(rows, seed=4, volatility=0.05), timeframe="1d")
    with use(backend):
        found = swept(kernel, "ema_crossover", ["fast_period=1..4", "slow_period=5..7"], candles, DEAR)
        assert len(found) == 12
        assert_equal_to_runs(kernel, "ema_crossover", found, candles, DEAR)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("calendar", list(Calendar))
@pytest.mark.parametrize("timeframe", ["1d", "1w"])
def test_sweep_on_any_calendar_equals_its_runs(
    kernel: Kernel, backend: Backend, calendar: Calendar, timeframe: str
) -> None:
    close = random_walk(400, seed=8, volatility=0.04)
    candles = candles_from_close(close, timeframe=timeframe, calendar=calendar)
    with use(backend):
        rows = swept(
            kernel,
            "ema_crossover",
            ["fast_period=2..5", "allow_short=true,false"],
            candles,
            DEAR,
            slow_period=9,
        )
        assert_equal_to_runs(kernel, "ema_crossover", rows, candles, DEAR)


@pytest.mark.parametrize("backend", BACKENDS)
def test_sweep_over_prices_that_ruin_shorts_and_overflow_equals_its_runs(
    kernel: Kernel, backend: Backend
) -> None:
    close = random_walk(600, seed=3, volatility=0.5)
    close[300:] *= 1e250
    candles = candles_from_close(np.clip(close, 1e-300, 1e300))
    with use(backend):
        rows = swept(
            kernel,
            "ema_crossover",
            ["fast_period=2..9", "slow_period=10,20", "allow_short=true,false"],
            candles,
            DEAR,
        )
        assert len(rows) == 32
        assert_equal_to_runs(kernel, "ema_crossover", rows, candles, DEAR)
