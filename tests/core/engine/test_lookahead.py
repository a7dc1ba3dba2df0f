"""The checks of honesty: silent on the shipped strategies, loud on every planted one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from planted.look_ahead import LOOK_AHEAD, REACHES_BACK, SEEN_BY_PREFIXES
from stratkernel import BaseStrategy, IndicatorFactory, Kernel, StrategyFactory, candles_from_frame
from stratkernel.contracts.columns import Columns
from stratkernel.engine.lookahead import (
    chunk_difference,
    cut_points,
    poisoned_difference,
    prefix_difference,
    window_difference,
)
from stratkernel.engine.stream import StrategyStream
from stratkernel.testing.candles import candles_from_close, random_walk

STRATEGIES = ("ema_crossover", "macd", "rsi")
SHORT = {"ema_crossover": {"fast_period": 3, "slow_period": 8}, "macd": {}, "rsi": {"period": 5}}


def stream_maker(kernel: Kernel, strategy: BaseStrategy[Any]) -> Callable[[], StrategyStream]:
    item = StrategyFactory(kernel).item(type(strategy))
    return lambda: StrategyStream(strategy, item, IndicatorFactory(kernel))


@pytest.fixture(scope="module")
def walk() -> Columns:
    return candles_from_close(random_walk(400, seed=3)).columns


@pytest.fixture(scope="module")
def real(shared_data: Path) -> Columns:
    """2,000 real candles of five minutes, an outage among them."""
    frame = pq.read_table(shared_data / "binance_BTCUSDT_5m.parquet").to_pandas().iloc[31_500:33_500]
    frame = frame.set_index("timestamp").rename_axis("open_time")
    return candles_from_frame(frame, symbol="BTC/USDT", timeframe="5m").columns


@pytest.mark.parametrize("name", STRATEGIES)
def test_prefix_invariance_of_shipped_strategies_at_every_candle_holds(
    kernel: Kernel, real: Columns, name: str
) -> None:
    strategy = StrategyFactory(kernel).create(name, {"allow_short": True})
    assert len(list(cut_points(len(real)))) == len(real) - 1
    assert prefix_difference(stream_maker(kernel, strategy), real) is None


@pytest.mark.parametrize("name", STRATEGIES)
def test_future_poisoning_of_shipped_strategies_changes_no_past_signal(
    kernel: Kernel, real: Columns, name: str
) -> None:
    strategy = StrategyFactory(kernel).create(name, {"allow_short": True})
    assert poisoned_difference(stream_maker(kernel, strategy), real, range(1, len(real), 53)) is None


@pytest.mark.parametrize("name", STRATEGIES)
def test_chunks_and_saved_state_of_shipped_strategies_give_the_same_signals(
    kernel: Kernel, real: Columns, name: str
) -> None:
    strategy = StrategyFactory(kernel).create(name, {"allow_short": True, **SHORT[name]})
    assert chunk_difference(stream_maker(kernel, strategy), real, (1, 7, 64, 1000, len(real))) is None


@pytest.mark.parametrize("name", STRATEGIES)
def test_exact_windows_of_shipped_strategies_give_the_same_signals(
    kernel: Kernel, real: Columns, name: str
) -> None:
    strategy = StrategyFactory(kernel).create(name, SHORT[name])
    assert window_difference(stream_maker(kernel, strategy)(), real) is None


@pytest.mark.parametrize("planted", SEEN_BY_PREFIXES, ids=lambda cls: cls.name)
def test_prefix_invariance_of_a_planted_look_ahead_is_broken(
    kernel: Kernel, walk: Columns, planted: type[BaseStrategy[Any]]
) -> None:
    found = prefix_difference(stream_maker(kernel, planted()), walk)
    assert found is not None
    assert "it looks ahead" in found
    assert "closes at 20" in found


@pytest.mark.parametrize("planted", LOOK_AHEAD, ids=lambda cls: cls.name)
def test_future_poisoning_of_a_planted_look_ahead_shows_it(
    kernel: Kernel, walk: Columns, planted: type[BaseStrategy[Any]]
) -> None:
    found = poisoned_difference(stream_maker(kernel, planted()), walk, range(5, 400, 31))
    assert found is not None


@pytest.mark.parametrize("planted", REACHES_BACK, ids=lambda cls: cls.name)
def test_exact_windows_of_a_strategy_that_reaches_back_show_it(
    kernel: Kernel, walk: Columns, planted: type[BaseStrategy[Any]]
) -> None:
    found = window_difference(stream_maker(kernel, planted())(), walk)
    assert found is not None
    assert "window = 2" in found


@pytest.mark.parametrize("planted", REACHES_BACK, ids=lambda cls: cls.name)
def test_chunks_of_a_strategy_that_reaches_back_show_it(
    kernel: Kernel, walk: Columns, planted: type[BaseStrategy[Any]]
) -> None:
    assert chunk_difference(stream_maker(kernel, planted()), walk, (7, 64)) is not None


class WholeHistory(BaseStrategy):
    """Looks ahead within its sample, and declares that it needs all of it: then it is cut at every candle."""

    name = "whole_history"
    window = None
    calculate = next(cls for cls in LOOK_AHEAD if cls.name == "full_sample_score").calculate


def test_window_none_is_recalculated_at_every_candle_and_so_cannot_look_ahead(
    kernel: Kernel, walk: Columns
) -> None:
    make = stream_maker(kernel, WholeHistory())
    columns = walk.slice(0, 150)
    assert len(make().advance(columns)) > 0
    assert prefix_difference(make, columns) is None
    assert chunk_difference(make, columns, (1, 7, 64)) is None
