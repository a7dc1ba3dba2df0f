"""A streamed run gives the bits of a run in memory, wherever chunks end."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratkernel import Calendar, Candles, ExitRules, GapRule, Kernel, StrategyFactory
from stratkernel.contracts.columns import CANDLE_COLUMNS, candle_columns
from stratkernel.contracts.source import SourceRequest
from stratkernel.contracts.timeframes import DAY
from stratkernel.engine.candle_loading import load_source
from stratkernel.engine.kernels.dispatch import numba_available, use
from stratkernel.engine.run_setup import RunOptions
from stratkernel.engine.streaming.loading import load_chunks
from stratkernel.engine.streaming.run import stream_strategy
from stratkernel.engine.trades import Costs
from stratkernel.engine.validators import plugin
from stratkernel.kernel.clock import SystemClock
from stratkernel.testing.candles import candles_from_close, random_walk
from streamed_equality import InMemory, UnevenChunks, gapped, only

SHORT = {"fast_period": 3, "slow_period": 8, "allow_short": True}
EXITS = ExitRules(stop_loss=0.03, take_profit=0.05, trailing_stop=0.04, max_bars=20)
COSTS = {"fee_bps": 5.0, "slippage_bps": 2.0}
SIZES = (1, 7, 64, 1_000)


def in_memory(
    kernel: Kernel, candles: Candles, name: str = "ema_crossover", params: Any = SHORT, **more: Any
) -> InMemory:
    costs = Costs(**COSTS, fill=more.pop("fill", "next_open"))
    return InMemory(kernel, StrategyFactory(kernel).create(name, params), candles, RunOptions(**more), costs)


@pytest.fixture(scope="module")
def candles() -> Candles:
    return gapped(candles_from_close(random_walk(1_100, seed=3, volatility=0.02)), seed=1)


@pytest.mark.parametrize("exits", [ExitRules(), EXITS], ids=["signals", "exit rules"])
@pytest.mark.parametrize("fill", ["next_open", "close"])
@pytest.mark.parametrize("gaps", ["continue", "reset", "fill"])
def test_stream_chunks_of_any_size_are_identical_bitwise_b1(
    kernel: Kernel, candles: Candles, gaps: Any, fill: str, exits: ExitRules
) -> None:
    whole = in_memory(kernel, candles, gaps=GapRule(gaps), fill=fill, exits=exits)
    assert len(whole.performance.trades) > 20
    for size in (*SIZES[1:], len(candles)):
        whole.check_streamed(size)


@pytest.mark.parametrize("exits", [ExitRules(), EXITS], ids=["signals", "exit rules"])
def test_stream_candle_by_candle_is_identical_bitwise_b1(
    kernel: Kernel, candles: Candles, exits: ExitRules
) -> None:
    some = candles.slice(0, 200)
    for fill, gaps in (("next_open", "reset"), ("close", "continue"), ("next_open", "fill")):
        in_memory(kernel, some, gaps=GapRule(gaps), fill=fill, exits=exits).check_streamed(1)  # type: ignore[arg-type]


@pytest.mark.skipif(not numba_available(), reason="the extra [fast] is not installed")
@pytest.mark.parametrize("exits", [ExitRules(), EXITS], ids=["signals", "exit rules"])
def test_stream_compiled_kernels_are_identical_bitwise(
    kernel: Kernel, candles: Candles, exits: ExitRules
) -> None:
    with use("numba"):
        whole = in_memory(kernel, candles, exits=exits)
        for size in (7, 64, len(candles)):
            whole.check_streamed(size)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("rsi", {"period": 5, "allow_short": True}),
        ("macd", {}),
        ("ema_crossover", {**SHORT, "trend_timeframe": "4h", "trend_period": 5}),
    ],
)
def test_stream_other_strategies_and_timeframes_are_identical_bitwise(
    kernel: Kernel, candles: Candles, name: str, params: Any
) -> None:
    for gaps in ("continue", "reset", "fill"):
        whole = in_memory(kernel, candles, name, params, gaps=GapRule(gaps))  # type: ignore[arg-type]
        for size in (7, 64):
            whole.check_streamed(size)


@settings(max_examples=50)
@given(
    seed=st.integers(0, 10_000),
    ticks=st.booleans(),
    cuts=st.lists(st.integers(1, 399), max_size=12),
    policy=st.sampled_from(["continue", "reset", "fill"]),
    max_gap=st.integers(0, 6),
    span=st.tuples(st.integers(0, 150), st.integers(200, 420), st.integers(0, 120)),
    fill=st.sampled_from(["next_open", "close"]),
    ruled=st.booleans(),
)
def test_stream_any_cuts_ranges_and_gaps_are_identical_bitwise(
    kernel: Kernel,
    seed: int,
    ticks: bool,
    cuts: list[int],
    policy: Any,
    max_gap: int,
    span: tuple[int, int, int],
    fill: str,
    ruled: bool,
) -> None:
    close = random_walk(400, seed=seed, volatility=0.03)
    candles = gapped(candles_from_close(np.maximum(close.round(0), 1.0) if ticks else close), seed)
    first = int(candles.open_time[0])
    start, end, origin = (first + rows * 3_600_000_000 for rows in span)
    whole = in_memory(
        kernel,
        candles,
        start=start,
        end=end,
        origin=origin,
        gaps=GapRule(policy, max_gap),
        fill=fill,
        exits=EXITS if ruled else ExitRules(),
    )
    whole.check_streamed(UnevenChunks(candles, cuts))


@pytest.mark.parametrize("exits", [ExitRules(), ExitRules(max_bars=10_000)], ids=["signals", "exit rules"])
@pytest.mark.parametrize("fill", ["next_open", "close"])
def test_stream_short_that_uses_up_all_equity_chunks_after_its_entry_ends_alike(
    kernel: Kernel, exits: ExitRules, fill: str
) -> None:
    # a fall that is sold short, then a rise too steep for the averages to cross back in time
    close = np.concatenate((np.linspace(100, 101, 30), np.linspace(100, 90, 30), [60.0] * 40, [400.0, 300.0]))
    calm = np.concatenate((close, np.full(60, 250.0) + np.sin(np.arange(60))))
    candles = candles_from_close(calm)
    whole = in_memory(kernel, candles, fill=fill, exits=exits)
    assert whole.performance.trades.arrays.after[-1] <= 0.0
    assert whole.performance.trades.ends_liquidated == (fill == "next_open")
    for size in SIZES:
        whole.check_streamed(size)


def test_stream_open_position_at_the_end_is_marked_alike(kernel: Kernel) -> None:
    close = np.concatenate((np.linspace(100, 90, 40), np.linspace(90, 130, 40)))
    for exits in (ExitRules(), ExitRules(stop_loss=0.5)):
        whole = in_memory(kernel, candles_from_close(close), exits=exits)
        assert whole.performance.trades.ends_open
        for size in SIZES:
            whole.check_streamed(size)


def test_stream_without_a_signal_tells_the_same_reason(kernel: Kernel) -> None:
    for close in (np.full(100, 10.0), np.linspace(10, 20, 100), np.linspace(10, 20, 3)):
        whole = in_memory(kernel, candles_from_close(close))
        assert not len(whole.result.signals)
        for size in SIZES:
            whole.check_streamed(size)


@pytest.mark.parametrize("max_gap", [0, 4, 9, 40, 500])
@pytest.mark.parametrize("policy", ["continue", "reset"])
def test_stream_long_closures_of_sessions_count_by_the_average_of_all_days(
    kernel: Kernel, policy: Any, max_gap: int
) -> None:
    whole = candles_from_close(random_walk(24 * 120, seed=4, volatility=0.02), calendar=Calendar.SESSIONS)
    hour, day = whole.open_time // 3_600_000_000 % 24, whole.open_time // DAY
    number = day - day[0]
    open_hours = (hour >= 14) & (hour < 20) & ((day + 3) % 7 < 5)
    closed = (
        ((number > 30) & (number < 45)) | ((number > 70) & (number < 80)) | ((number == 10) & (hour > 17))
    )
    candles = only(whole, np.flatnonzero(open_hours & ~closed))
    run = in_memory(kernel, candles, gaps=GapRule(policy, max_gap))
    assert run.result.quality["candles"]["missing"] > 60
    for size in (1, 7, 64, 1_000):
        run.check_streamed(size)


def test_stream_daily_candles_of_working_days_are_identical_bitwise(kernel: Kernel) -> None:
    whole = candles_from_close(
        random_walk(700, seed=6, volatility=0.02), timeframe="1d", calendar=Calendar.WEEKDAYS
    )
    candles = only(whole, np.flatnonzero((whole.open_time // DAY + 3) % 7 < 5))
    for policy in ("continue", "reset", "fill"):
        run = in_memory(kernel, gapped(candles, 3), gaps=GapRule(policy))  # type: ignore[arg-type]
        for size in (1, 13, 1_000):
            run.check_streamed(size)


def test_stream_source_that_omits_empty_candles_has_no_gaps(kernel: Kernel, candles: Candles) -> None:
    whole = in_memory(kernel, dataclasses.replace(candles, omits_empty=True), gaps=GapRule("reset"))
    assert whole.result.quality["candles"]["gaps"] == 0
    for size in (7, 64):
        whole.check_streamed(size)


@pytest.mark.parametrize(
    "file",
    [
        "binancef_BTCUSDT_5m.parquet",
        "kraken_BTCUSDC_1m.parquet",
        "binanceus_BTCUSDC_1m_202303.parquet",
        "freqtrade_UNITTEST_BTC_1m.parquet",
        "bokehpd_AAPL_1d.parquet",
        "octobot_ETHBTC_1w.parquet",
    ],
)
def test_stream_real_files_are_identical_bitwise_to_the_report(
    kernel: Kernel, shared_data: Path, file: str
) -> None:
    request, now = SourceRequest(str(shared_data / file)), SystemClock().utc_now()
    candles, _ = load_source(kernel, request, now=now)
    strategy = StrategyFactory(kernel).create("macd", {"allow_short": True})
    whole = InMemory(kernel, strategy, candles)
    for rows in (997, 100_000):
        whole.check(stream_strategy(kernel, strategy, load_chunks(kernel, request, now=now, rows=rows)))


def test_stream_validators_find_what_they_find_in_memory(candles: Candles) -> None:
    own = Kernel()
    if "validators" not in {record.name for record in own.records}:
        own.register(plugin, "validators")
    close = candles.columns.close.round(0)
    flat = np.where(np.arange(len(close)) // 40 % 3 == 1, 77.0, close)
    still = only(candles_from_close(flat), np.arange(len(flat)), marked=np.arange(len(flat)) % 3 == 0)
    columns = {**{name: still.columns[name] for name in CANDLE_COLUMNS}, "high": flat, "low": flat}
    still = dataclasses.replace(still, columns=candle_columns(columns, still.close_time))
    whole = in_memory(own, still, "macd", {})
    assert {"stale", "repaired_candles"} <= set(whole.result.quality["rules"])
    for size in (1, 3, 8, 64):
        whole.check_streamed(size)
    later = in_memory(own, still, "macd", {}, start=int(still.open_time[203]), end=int(still.open_time[480]))
    for size in (1, 3, 8, 64):
        later.check_streamed(size)
