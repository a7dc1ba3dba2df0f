"""What cannot be streamed, what is left out, and how much memory it takes."""

import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from typing_extensions import override

from stratkernel import (
    BaseStrategy,
    Calendar,
    Candles,
    DataError,
    Finding,
    GapRule,
    Kernel,
    PluginContractError,
    Signals,
    SignalType,
    SignalValidator,
    StrategyData,
    StrategyFactory,
    Timeframe,
    UsageError,
    hookimpl,
)
from stratkernel.contracts.columns import candle_columns
from stratkernel.contracts.source import DataSource, RawCandles, SourceRequest
from stratkernel.engine.run_setup import RunOptions
from stratkernel.engine.streaming.chunks import (
    CandleChunks,
    CutCandles,
    StoredChunks,
    check_rows,
    first_candles,
)
from stratkernel.engine.streaming.loading import load_chunks
from stratkernel.engine.streaming.run import stream_strategy
from stratkernel.engine.trades import Costs
from stratkernel.kernel.clock import SystemClock
from stratkernel.testing.candles import candles_from_close, random_walk
from stratkernel.testing.memory_storage import MemoryStorage
from streamed_equality import InMemory


@pytest.fixture(scope="module")
def candles() -> Candles:
    return candles_from_close(random_walk(400, seed=8, volatility=0.02))


def strategy_of(kernel: Kernel) -> BaseStrategy[Any]:
    return StrategyFactory(kernel).create("ema_crossover", {"fast_period": 3, "slow_period": 8})


def plugin(**hooks: Callable[[], Any]) -> ModuleType:
    module = ModuleType("made_plugin")
    for name, function in hooks.items():
        function.__name__ = name
        setattr(module, name, hookimpl(function))
    return module


class Whole(BaseStrategy[Any]):
    """Looks back on everything."""

    name = "whole_history"
    window = None

    @override
    def get_required_indicators(self) -> dict[str, Any]:
        return {}

    @override
    def calculate(self, data: StrategyData) -> Signals:
        return Signals([len(data) - 1], SignalType.HOLD)


def test_stream_strategy_without_window_says_that_it_cannot(kernel: Kernel, candles: Candles) -> None:
    with pytest.raises(
        UsageError, match=r"whole_history.*window = None.*cannot be streamed; run it in memory"
    ):
        stream_strategy(kernel, Whole("whole_history", {}), CutCandles(candles, 10))


@pytest.mark.parametrize("rows", [0, -1, True, 2.5])
def test_chunks_of_no_sensible_size_are_refused(candles: Candles, rows: Any) -> None:
    with pytest.raises(UsageError, match="expected a whole number of 1 or more"):
        check_rows(rows)
    with pytest.raises(UsageError):
        CutCandles(candles, rows)


@pytest.mark.parametrize(
    "options",
    [
        RunOptions(origin=4_000_000_000_000_000),
        RunOptions(start=4_000_000_000_000_000),
        RunOptions(end=1_000_000_000_000_000),
        RunOptions(start=1_700_000_000_000_000 + 80 * 3_600_000_000, end=1_700_000_000_000_000),
    ],
)
def test_stream_range_without_candles_gives_the_message_of_a_run(
    kernel: Kernel, candles: Candles, options: RunOptions
) -> None:
    with pytest.raises(DataError) as in_memory:
        InMemory(kernel, strategy_of(kernel), candles, options)
    with pytest.raises(DataError) as streamed:
        stream_strategy(kernel, strategy_of(kernel), CutCandles(candles, 64), options)
    assert str(streamed.value) == str(in_memory.value)


def test_stream_gaps_of_sessions_that_need_all_candles_are_not_filled(
    kernel: Kernel, candles: Candles
) -> None:
    import dataclasses

    chunks = CutCandles(dataclasses.replace(candles, calendar=Calendar.SESSIONS), 64)
    with pytest.raises(UsageError, match="stream it with a max_gap below 5, or run it in memory"):
        stream_strategy(kernel, strategy_of(kernel), chunks, RunOptions(gaps=GapRule("fill", 5)))


def test_stream_validator_that_may_read_all_candles_is_left_out_and_named(
    kernel: Kernel, candles: Candles
) -> None:
    class Strangers(SignalValidator):
        name = "strangers"

        def validate(self, candles: Candles, signals: Any) -> Iterable[Finding]:
            raise AssertionError("was called without all candles")

    made = Kernel()
    made.register(plugin(stratkernel_signal_validators=lambda: [Strangers]), name="made")
    result = stream_strategy(made, strategy_of(kernel), CutCandles(candles, 64))
    left_out = result.quality["left_out"]
    assert left_out[0] == "significance"
    assert "'strangers'" in left_out[1]
    assert "validator_failures" not in result.quality


def test_stream_without_identity_has_no_hash(kernel: Kernel, candles: Candles) -> None:
    chunks = CutCandles(candles, 64)
    assert stream_strategy(kernel, strategy_of(kernel), chunks, identify=False).data_hash == ""
    assert stream_strategy(kernel, strategy_of(kernel), chunks).data_hash == candles.data_hash


def test_first_candles_are_those_from_the_origin_on(candles: Candles) -> None:
    origin = int(candles.open_time[30])
    for size in (1, 7, 400):
        first = first_candles(CutCandles(candles, size), 50, origin)
        assert first is not None
        assert len(first) >= 50
        assert first.data_hash == candles.slice(30, 30 + len(first)).data_hash
    assert first_candles(CutCandles(candles, 7), 50, int(candles.open_time[-1]) + 1) is None


def test_stream_stored_series_is_that_of_memory(kernel: Kernel, candles: Candles) -> None:
    storage = MemoryStorage()
    storage.candles.write(candles)
    series = storage.candles.series()[0].series
    whole = InMemory(kernel, strategy_of(kernel), storage.candles.read(series))
    for rows in (7, 1_000):
        chunks = StoredChunks(storage.candles, series, rows=rows)
        assert chunks.rows == len(candles)
        whole.check(stream_strategy(kernel, strategy_of(kernel), chunks))
    weekdays = StoredChunks(storage.candles, series, calendar=Calendar.WEEKDAYS)
    assert stream_strategy(kernel, strategy_of(kernel), weekdays).candles.calendar is Calendar.WEEKDAYS


def test_load_chunks_source_that_gives_something_else_is_named() -> None:
    class Odd(DataSource):
        name = "odd"
        schemes = ("odd",)

        @override
        def load(self, request: SourceRequest) -> RawCandles:
            raise AssertionError

        @override
        def chunks(self, request: SourceRequest, rows: int) -> Any:
            return [1, 2]

    made = Kernel()
    made.register(plugin(stratkernel_data_sources=lambda: [Odd]), name="made")
    with pytest.raises(PluginContractError, match=r"'odd'.* gave list, expected RawChunks"):
        load_chunks(made, SourceRequest("odd://here"), now=SystemClock().utc_now())


class MadeChunks(CandleChunks):
    """A long wave, made chunk by chunk, so that nothing but the run takes memory."""

    timeframe, calendar, symbol = Timeframe("1m"), Calendar.ALWAYS, "WAVE"
    chunk = 4_000

    def __init__(self, candles: int) -> None:
        self.rows = candles

    @override
    def __iter__(self) -> Iterator[Candles]:
        for start in range(0, self.rows or 0, self.chunk):
            open_time = 1_700_000_040_000_000 + np.arange(start, start + self.chunk) * 60_000_000
            close = 100.0 + 10.0 * np.sin(np.arange(start, start + self.chunk) / 4_000)
            arrays = {"open": close, "high": close + 1, "low": close - 1, "close": close, "volume": close}
            columns = candle_columns(arrays, self.timeframe.close_of(open_time))
            yield Candles(self.symbol, self.timeframe, open_time, columns, self.calendar)


def peak_of(kernel: Kernel, candles: int) -> int:
    tracemalloc.start()
    try:
        result = stream_strategy(kernel, strategy_of(kernel), MadeChunks(candles), costs=Costs(fee_bps=1.0))
        assert len(result.candles) == candles
        assert len(result.signals) > candles / 25_000
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_stream_memory_does_not_grow_with_the_candles_b4(kernel: Kernel) -> None:
    peak_of(kernel, 40_000)  # what is imported and cached only once
    short, long = peak_of(kernel, 100_000), peak_of(kernel, 600_000)
    assert long <= 1.2 * short
    in_memory = 600_000 * 7 * 8
    assert long < in_memory / 5
