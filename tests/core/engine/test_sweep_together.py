"""Strategies that a sweep asks together: what comes out is what each of them says alone."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from pydantic import Field

from plugin_modules import plugin_module
from stratkernel import (
    BaseStrategy,
    Candles,
    Costs,
    IndicatorRequest,
    Kernel,
    Params,
    Signals,
    StrategyData,
    StrategyFactory,
    crossing,
    evaluate,
    indicator,
    run_strategy,
)
from stratkernel.engine.grid import Grid
from stratkernel.engine.metrics import METRICS
from stratkernel.engine.sweep import Sweep, SweepOptions
from stratkernel.engine.sweep_result import SweepRows
from stratkernel.kernel.errors import StratkernelError
from stratkernel.testing.candles import candles_from_close, random_walk

COSTS = Costs(fill="next_open", fee_bps=5.0)
TEXTS = ["period=5..40", "other=50,60,70,80", "kind=a"]

Behaviour = Callable[[BaseStrategy[Any], StrategyData], Signals]


class PairParams(Params):
    period: int = Field(5, ge=1)
    other: int = Field(50, ge=1)
    kind: str = "a"


class Asked:
    """A strategy `made` in a kernel of its own, and how often it was asked."""

    def __init__(self, behaviour: Behaviour, rows: int = 1) -> None:
        self.times = 0
        asked = self

        class Made(BaseStrategy[PairParams]):
            name = "made"
            window = rows

            def get_required_indicators(self) -> Mapping[str, IndicatorRequest]:
                one = indicator("ema", period=self.params.period)
                return {"one": one, "cross": crossing(one, indicator("ema", period=self.params.other))}

            def calculate(self, data: StrategyData) -> Signals:
                asked.times += 1
                return behaviour(self, data)

        self.kernel = Kernel()
        self.kernel.register(plugin_module(stratkernel_strategies=lambda: [Made]), "made")
        self.grid = Grid.parse(TEXTS, PairParams, "made")

    def sweep(self, candles: Candles) -> SweepRows:
        self.times = 0
        options = SweepOptions(COSTS, metrics=METRICS)
        return Sweep(self.kernel, "made", self.grid, candles, options).evaluate()

    def expected(self, candles: Candles, index: int) -> dict[str, Any] | None:
        """The metrics of a run; None where it fails."""
        made = StrategyFactory(self.kernel).create("made", self.grid[index])
        try:
            result = run_strategy(self.kernel, made, candles)
        except StratkernelError:
            return None
        return dict(evaluate(result.candles, result.signals, COSTS).metrics)


@pytest.fixture(scope="module")
def candles() -> Candles:
    return candles_from_close(random_walk(1_500, seed=5, volatility=0.02))


def assert_equal_to_runs(asked: Asked, candles: Candles, every: int = 5) -> None:
    rows = asked.sweep(candles)
    times = asked.times
    places = {index: row for row, index in enumerate(rows.indices.tolist())}
    for index in range(0, asked.grid.size, every):
        expected = asked.expected(candles, index)
        found = rows.metrics_at(places[index]) if index in places else None
        assert found == expected, asked.grid[index]
    asked.times = times


def plain(_: BaseStrategy[Any], data: StrategyData) -> Signals:
    cross = data.events("cross")
    return Signals.directional(cross.rows, cross.values > 0)


def sure(strategy: BaseStrategy[Any], data: StrategyData) -> Signals:
    cross = data.events("cross")
    confidence = np.where(cross.rows % 2 == 0, 0.5, 0.5)
    assert strategy.params.kind == "a"
    return Signals.directional(
        cross.rows, cross.values > 0, confidence=confidence, metadata={"up": cross.values}, allow_short=True
    )


def lazy(_: BaseStrategy[Any], data: StrategyData) -> Signals:
    cross = data.events("cross")
    return Signals.directional(
        cross.rows, cross.values > 0, details=lambda rows: (1.0, {"one": data["one"].take(rows)})
    )


@pytest.mark.parametrize("behaviour", [plain, sure, lazy])
@pytest.mark.parametrize("window", [1, 3])
def test_sweep_of_events_asks_many_at_once_and_equals_its_runs(
    candles: Candles, behaviour: Behaviour, window: int
) -> None:
    asked = Asked(behaviour, window)
    assert_equal_to_runs(asked, candles)
    assert asked.times < asked.grid.size / 4


def reads_what_varies(strategy: BaseStrategy[Any], data: StrategyData) -> Signals:
    cross = data.events("cross")
    keep = slice(None, None, strategy.params.period)
    return Signals.directional(cross.rows[keep], cross.values[keep] > 0)


def catches_the_error(strategy: BaseStrategy[Any], data: StrategyData) -> Signals:
    try:
        step = strategy.params.period
    except Exception:  # noqa: BLE001 - what is tested
        step = 1
    cross = data.events("cross")
    return Signals.directional(cross.rows[::step], cross.values[::step] > 0)


def asks_for_all_parameters(strategy: BaseStrategy[Any], data: StrategyData) -> Signals:
    cross = data.events("cross")
    step = sum(strategy.params.model_dump(exclude={"kind"}).values())
    return Signals.directional(cross.rows[::step], cross.values[::step] > 0)


def compares_parameters(strategy: BaseStrategy[Any], data: StrategyData) -> Signals:
    cross = data.events("cross")
    step = 2 if strategy.params == PairParams(period=7, other=50) else 1
    return Signals.directional(cross.rows[::step], cross.values[::step] > 0)


def keeps_something(strategy: BaseStrategy[Any], data: StrategyData) -> Signals:
    strategy.kept = getattr(strategy, "kept", 0) + 1  # type: ignore[attr-defined]
    return plain(strategy, data)


def reads_prices(_: BaseStrategy[Any], data: StrategyData) -> Signals:
    cross = data.events("cross")
    return Signals.directional(
        cross.rows, (cross.values > 0) & (data["close"][cross.rows] > data["one"].min())
    )


def leaves_at_the_end(_: BaseStrategy[Any], data: StrategyData) -> Signals:
    return Signals([len(data) - 2, len(data) - 1], [3, 1])


def knows_the_length_of_events(_: BaseStrategy[Any], data: StrategyData) -> Signals:
    cross = data.events("cross")
    return Signals(np.append(cross.rows[cross.rows < cross.length - 1], cross.length - 1), 3)


def leaves_out_the_first(_: BaseStrategy[Any], data: StrategyData) -> Signals:
    cross = data.events("cross")
    return Signals.directional(cross.rows[1:], cross.values[1:] > 0)


def counts_rows(_: BaseStrategy[Any], data: StrategyData) -> Signals:
    cross = data.events("cross")
    return Signals.directional(cross.rows, cross.rows % 3 == 0)


def row_after(_: BaseStrategy[Any], data: StrategyData) -> Signals:
    cross = data.events("cross")
    return Signals.directional(cross.rows + 1, cross.values > 0)


@pytest.mark.parametrize(
    "behaviour",
    [
        reads_what_varies,
        catches_the_error,
        asks_for_all_parameters,
        compares_parameters,
        keeps_something,
        reads_prices,
        leaves_at_the_end,
        knows_the_length_of_events,
        leaves_out_the_first,
        counts_rows,
    ],
)
def test_sweep_of_strategies_that_can_tell_combinations_apart_equals_their_runs(
    candles: Candles, behaviour: Behaviour
) -> None:
    asked = Asked(behaviour)
    assert_equal_to_runs(asked, candles)
    assert asked.times >= asked.grid.size


def test_sweep_of_a_strategy_that_speaks_beyond_its_data_names_the_same_failures(candles: Candles) -> None:
    asked = Asked(row_after, 2)
    cross = run_strategy(asked.kernel, StrategyFactory(asked.kernel).create("made", asked.grid[0]), candles)
    last = int(cross.signals.rows[-1])
    ends_on_a_crossing = candles.slice(0, last)
    assert asked.expected(ends_on_a_crossing, 0) is None
    rows = asked.sweep(ends_on_a_crossing)
    assert 0 in [failed.index for failed in rows.failures]
    assert_equal_to_runs(asked, ends_on_a_crossing)
    assert_equal_to_runs(asked, candles)
