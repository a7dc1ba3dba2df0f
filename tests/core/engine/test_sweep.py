"""What a sweep does beside being right: splits, ranks, skips, isolates failures, shares what it computes."""

import signal
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from pydantic import Field

from plugin_modules import plugin_module
from stratkernel import (
    BaseStrategy,
    Candles,
    DataError,
    IndicatorRequest,
    Kernel,
    Params,
    PluginError,
    RunOptions,
    Signals,
    StrategyData,
    StrategyFactory,
    UnknownNameError,
    UsageError,
    crossing,
    indicator,
    run_strategy,
)
from stratkernel.engine.grid import Grid
from stratkernel.engine.indicator_cache import IndicatorCache
from stratkernel.engine.lookahead.report import LookaheadError
from stratkernel.engine.sweep import Sweep, SweepOptions, sweep
from stratkernel.engine.sweep_result import SweepRows
from stratkernel.testing.candles import candles_from_close, random_walk

GRID = ["fast_period=2..12", "slow_period=5..15"]


@pytest.fixture(scope="module")
def candles() -> Candles:
    return candles_from_close(random_walk(1_500, seed=5, volatility=0.02))


def grid_of(kernel: Kernel, strategy: str, *texts: str, **fixed: Any) -> Grid:
    item = StrategyFactory(kernel).item(strategy)
    return Grid.parse(texts, item.cls.Params, item.title, fixed)


@pytest.fixture(scope="module")
def averages(kernel: Kernel, candles: Candles) -> Sweep:
    return Sweep(kernel, "ema_crossover", grid_of(kernel, "ema_crossover", *GRID), candles)


@pytest.fixture(scope="module")
def rows(averages: Sweep) -> SweepRows:
    return averages.evaluate()


def test_sweep_counts_combinations_that_the_strategy_refuses_and_says_why(rows: SweepRows) -> None:
    assert len(rows) + rows.skipped == 121
    assert rows.skipped == 36
    assert rows.failures == ()
    assert rows.refusal is not None
    assert "fast_period must be smaller than slow_period, got 5 and 5" in rows.refusal
    assert all(
        rows.parameters(row)["fast_period"] < rows.parameters(row)["slow_period"] for row in range(len(rows))
    )


def test_sweep_measures_by_default_the_six_metrics(rows: SweepRows) -> None:
    assert set(rows.metrics) == {
        "total_return", "sharpe", "max_drawdown", "win_rate", "profit_factor", "trades",
    }  # fmt: skip
    (first, *_) = rows.to_dicts()
    assert first["parameters"] == {"fast_period": 2, "slow_period": 5}
    assert isinstance(first["metrics"]["trades"], int)


@pytest.mark.parametrize("bounds", [(0, 121), (0, 1, 60, 61, 121), (0, 40, 80, 500)])
def test_sweep_split_anywhere_gives_the_same_digest(
    averages: Sweep, rows: SweepRows, bounds: tuple[int, ...]
) -> None:
    parts = [averages.evaluate_range(*pair) for pair in pairwise(bounds)]
    joined = SweepRows.join(parts[::-1])
    assert joined.digest() == rows.digest()
    assert joined.indices.tolist() == rows.indices.tolist()


def test_sweep_digest_tells_other_numbers_apart(averages: Sweep, rows: SweepRows) -> None:
    others = {averages.evaluate_range(0, 100).digest(), averages.evaluate([5, 4]).digest(), rows.digest()}
    others.add(
        SweepRows(
            rows.grid, rows.indices, dict(rows.metrics) | {"trades": rows.metrics["trades"] + 1}
        ).digest()
    )
    assert len(others) == 4


def test_sweep_of_chosen_combinations_keeps_their_order(averages: Sweep, rows: SweepRows) -> None:
    some = averages.evaluate([20, 8, 9])
    assert some.indices.tolist() == [20, 8, 9]
    assert some.metrics_at(1) == rows.metrics_at(rows.indices.tolist().index(8))


def test_sweep_of_a_sample_measures_only_that(kernel: Kernel, candles: Candles) -> None:
    grid = grid_of(kernel, "ema_crossover", "fast_period=2..4000", "slow_period=5000..10000")
    found = sweep(kernel, "ema_crossover", grid, candles, sample=20)
    assert found.indices.tolist() == grid.sample(20)


def test_rows_ranked_put_ties_in_the_order_of_the_grid_and_undefined_last(rows: SweepRows) -> None:
    values = np.array([1.0, np.nan, 3.0, 1.0, 3.0])
    made = SweepRows(rows.grid, np.array([9, 3, 7, 2, 5]), {"sharpe": values, "volatility": values})
    assert made.ranked("sharpe").tolist() == [4, 2, 3, 0, 1]
    assert made.ranked("volatility").tolist() == [3, 0, 4, 2, 1]
    assert made.top(2, "sharpe").indices.tolist() == [5, 7]
    assert made.metrics_at(1) == {"sharpe": None, "volatility": None}


def test_rows_columns_and_frame_hold_parameters_and_metrics(rows: SweepRows) -> None:
    frame = rows.frame
    assert list(frame.columns[:2]) == ["fast_period", "slow_period"]
    assert frame.index.tolist() == rows.indices.tolist()
    assert frame["sharpe"].to_numpy().tobytes() == rows.metrics["sharpe"].tobytes()
    assert frame.loc[0, "slow_period"] == 5


def test_rows_without_any_combination_are_empty_columns(kernel: Kernel, candles: Candles) -> None:
    grid = grid_of(kernel, "ema_crossover", "fast_period=9..11", slow_period=5)
    found = sweep(kernel, "ema_crossover", grid, candles)
    assert (len(found), found.skipped, found.to_dicts()) == (0, 3, [])
    assert found.frame.empty
    assert len(found.top(10, "sharpe")) == 0


def test_rows_ranked_by_what_was_not_measured_is_refused(rows: SweepRows) -> None:
    with pytest.raises(
        UsageError, match="cannot rank by 'cagr', which was not measured; there are: total_return"
    ):
        rows.ranked("cagr")


def test_rows_of_different_sweeps_are_not_joined(averages: Sweep, rows: SweepRows) -> None:
    other = SweepRows(rows.grid, rows.indices, {"trades": rows.metrics["trades"]})
    with pytest.raises(UsageError, match="different sweeps"):
        SweepRows.join([rows, other])
    with pytest.raises(UsageError, match="no part"):
        SweepRows.join([])


def test_sweep_asked_for_an_unknown_metric_names_those_that_there_are(
    kernel: Kernel, candles: Candles
) -> None:
    with pytest.raises(
        UsageError, match=r"unknown metric 'sharp'. Did you mean 'sharpe'\? There are: total_return"
    ):
        Sweep(kernel, "ema_crossover", Grid(()), candles, SweepOptions(metrics=("sharp",)))


def test_sweep_of_an_unknown_strategy_or_empty_range_is_refused(kernel: Kernel, candles: Candles) -> None:
    with pytest.raises(UnknownNameError, match="ema_crosover"):
        Sweep(kernel, "ema_crosover", Grid(()), candles)
    with pytest.raises(DataError, match="no candle of TEST lies in the range"):
        Sweep(kernel, "ema_crossover", Grid(()), candles, SweepOptions(run=RunOptions(start=2**60)))
    with pytest.raises(DataError, match="no candles of TEST from the origin"):
        Sweep(kernel, "ema_crossover", Grid(()), candles, SweepOptions(run=RunOptions(origin=2**60)))


def test_sweep_computes_each_indicator_once_and_a_second_sweep_none(kernel: Kernel, candles: Candles) -> None:
    cache = IndicatorCache()
    grid = grid_of(kernel, "ema_crossover", *GRID)
    first = sweep(kernel, "ema_crossover", grid, candles, cache=cache)
    assert cache.counts.misses == cache.counts.entries == 14
    second = sweep(kernel, "ema_crossover", grid, candles, cache=cache)
    assert cache.counts.misses == 14
    assert cache.counts.hits >= 14
    assert second.digest() == first.digest()


def test_sweep_shares_its_cache_with_single_runs(kernel: Kernel, candles: Candles) -> None:
    cache = IndicatorCache()
    run_strategy(kernel, StrategyFactory(kernel).create("ema_crossover"), candles, cache=cache)
    before = cache.counts.misses
    sweep(kernel, "ema_crossover", Grid((), {"fast_period": 12, "slow_period": 26}), candles, cache=cache)
    assert cache.counts.misses == before


@pytest.mark.parametrize("room", [0, 20_000, 200_000])
def test_sweep_with_a_small_cache_gives_the_same(
    kernel: Kernel, candles: Candles, rows: SweepRows, room: int
) -> None:
    cache = IndicatorCache(room)
    found = sweep(kernel, "ema_crossover", grid_of(kernel, "ema_crossover", *GRID), candles, cache=cache)
    assert found.digest() == rows.digest()
    assert cache.counts.held_bytes <= room


class MadeParams(Params):
    period: int = Field(5, ge=1)


Behaviour = Callable[[BaseStrategy[Any], StrategyData], Any]


def kernel_with(behaviour: Behaviour, at: int = 1) -> Kernel:
    """A kernel with a strategy `made` that crosses an average, but for `behaviour` from period 7 on."""

    class Made(BaseStrategy[MadeParams]):
        name = "made"
        window = at

        def get_required_indicators(self) -> Mapping[str, IndicatorRequest]:
            return {"cross": crossing("close", indicator("ema", period=self.params.period))}

        def calculate(self, data: StrategyData) -> Signals:
            if self.params.period >= 7:
                given: Signals = behaviour(self, data)
                return given
            cross = data.events("cross")
            return Signals.directional(cross.rows, cross.values > 0)

    kernel = Kernel()
    kernel.register(plugin_module(stratkernel_strategies=lambda: [Made]), "made")
    return kernel


def fail(*_: object) -> Any:
    raise ValueError("no good")


def leave(*_: object) -> Any:
    raise SystemExit(3)


def at_row(row: float, **more: Any) -> Behaviour:
    return lambda _, __: Signals([row], more.pop("types", 3), **more)


def tampering(strategy: BaseStrategy[Any], data: StrategyData) -> Any:
    data["close"][0] = 1.0
    return Signals.none()


@pytest.mark.parametrize(
    "behaviour",
    [
        fail,
        leave,
        tampering,
        lambda *_: None,
        lambda *_: "signals",
        at_row(10**6),
        at_row(-1),
        at_row(1.5),
        lambda *_: Signals([3], [7]),
        lambda *_: Signals([3], [3], confidence=[1.5]),
        lambda *_: Signals([3], [3], confidence=[np.nan]),
        lambda *_: Signals([3, 3], [3, 3]),
        lambda *_: Signals([3], [3], metadata={"note": [object()]}),
        lambda *_: Signals([3], [259]),
    ],
)  # fmt: skip
def test_sweep_of_a_strategy_that_fails_for_some_names_these_and_measures_the_rest(
    candles: Candles, behaviour: Behaviour
) -> None:
    kernel = kernel_with(behaviour)
    found = sweep(kernel, "made", grid_of(kernel, "made", "period=5..8"), candles)
    assert [found.parameters(row) for row in range(len(found))] == [{"period": 5}, {"period": 6}]
    assert [failed.index for failed in found.failures] == [2, 3]
    with pytest.raises(PluginError) as alone:
        run_strategy(kernel, StrategyFactory(kernel).create("made", {"period": 7}), candles)
    assert found.failures[0].to_dict() == {"parameters": {"period": 7}, "cause": str(alone.value)}


def test_sweep_interrupted_from_the_keyboard_stops(candles: Candles) -> None:
    def interrupt(*_: object) -> Any:
        raise KeyboardInterrupt

    kernel = kernel_with(interrupt)
    # whoever runs the tests may have them ignore the keyboard
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            sweep(kernel, "made", grid_of(kernel, "made", "period=5..8"), candles)
    finally:
        signal.signal(signal.SIGINT, before)


def test_sweep_check_finds_a_strategy_that_looks_ahead(candles: Candles) -> None:
    def peek(_: BaseStrategy[Any], data: StrategyData) -> Signals:
        ahead = np.append(data["close"][1:] > data["close"][:-1], False)
        return Signals.directional(np.arange(len(data)), ahead)

    kernel = kernel_with(peek)
    honest, dishonest = grid_of(kernel, "made", "period=2..3"), grid_of(kernel, "made", "period=0,7")
    assert len(sweep(kernel, "made", honest, candles, check=True)) == 2
    with pytest.raises(LookaheadError, match="made is not honest"):
        sweep(kernel, "made", dishonest, candles, check=True)
    assert len(sweep(kernel, "made", dishonest, candles)) == 1


def test_sweep_rows_before_the_window_count_for_nothing(candles: Candles) -> None:
    early = kernel_with(lambda _, data: Signals(np.arange(len(data)), 3), at=6)
    found = sweep(early, "made", Grid((), {"period": 9}), candles)
    expected = run_strategy(early, StrategyFactory(early).create("made", {"period": 9}), candles)
    assert expected.signals.rows[0] == 13
    assert found.metrics_at(0)["trades"] == 0
    assert not found.failures
