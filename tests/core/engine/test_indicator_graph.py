"""The graph: distinct nodes once, lookbacks that add up, contracts that are held."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pytest

from stratkernel import (
    BaseIndicator,
    BaseStrategy,
    Columns,
    IndicatorFactory,
    IndicatorRequest,
    Kernel,
    Params,
    PluginContractError,
    PluginError,
    State,
    StrategyFactory,
    Values,
    WindowIndicator,
    create_indicator_key,
    crossing,
    hookimpl,
    indicator,
    rolling,
)
from stratkernel.engine.indicator_graph import IndicatorGraph
from stratkernel.engine.stream import StrategyStream
from stratkernel.testing.candles import candles_from_close, random_walk


class LengthParams(Params):
    length: int = 3


class Mean(WindowIndicator[LengthParams]):
    name = "mean"

    def lookback(self) -> int:
        return self.params.length - 1

    def calculate(self, columns: Columns) -> Values:
        return rolling.mean(columns[self.inputs[0]], self.params.length)


class Drifting(WindowIndicator[LengthParams]):
    """A cumulative sum within the calculation: exact only when it starts at anchors."""

    name = "drifting"
    exact = "anchored"

    def lookback(self) -> int:
        return self.params.length

    def calculate(self, columns: Columns) -> Values:
        sums = np.cumsum(columns.close)
        sums[self.params.length :] -= sums[: -self.params.length]
        return sums


class MeanOfMean(BaseIndicator[LengthParams]):
    """Consumes another indicator by default, and must never see a NaN."""

    name = "mean_of_mean"
    inputs = ("smoothed",)
    seen: ClassVar[list[float]] = []

    def sources(self) -> tuple[str | IndicatorRequest, ...]:
        return (indicator(Mean, length=self.params.length),)

    def lookback(self) -> int:
        return 0

    def initial_state(self) -> State:
        return {}

    def advance(self, columns: Columns, state: State) -> tuple[Values, State]:
        self.seen.extend(columns["smoothed"].tolist())
        return columns["smoothed"] * 2.0, state


def graph(kernel: Kernel, **requests: IndicatorRequest) -> IndicatorGraph:
    return IndicatorGraph(requests, IndicatorFactory(kernel), "strategy 'test'")


def columns_of(rows: int, seed: int = 1) -> Columns:
    return candles_from_close(random_walk(rows, seed)).columns


def test_graph_same_request_twice_makes_one_node(kernel: Kernel) -> None:
    built = graph(kernel, a=indicator("ema", period=5), b=indicator("stratkernel-ema:ema", period=5))
    assert len(built.nodes) == 1
    assert built.nodes[0].key == create_indicator_key("stratkernel-ema:ema", {"period": 5}, ["close"])
    assert built.nodes[0].key == 'stratkernel-ema:ema{"period":5}(close)'


def test_graph_crossing_reuses_the_lines_that_the_strategy_reads(kernel: Kernel) -> None:
    fast, slow = indicator("ema", period=5), indicator("ema", period=9)
    built = graph(kernel, fast=fast, slow=slow, cross=crossing(fast, slow))
    assert [node.item.name for node in built.nodes] == ["ema", "ema", "crossing"]
    assert built.nodes[2].begin == 8 == built.first_row


def test_graph_indicator_of_indicator_sees_no_nan_and_lookbacks_add_up(kernel: Kernel) -> None:
    MeanOfMean.seen.clear()
    built = graph(
        kernel,
        twice=indicator(MeanOfMean, length=4),
        thrice=indicator(Mean, on=indicator(MeanOfMean, length=4), length=3),
    )
    data = columns_of(50)
    computed, _ = built.advance(data, built.initial_states(), 0)
    assert np.isfinite(MeanOfMean.seen).all()
    assert len(MeanOfMean.seen) == 47
    assert built.first_row == 3 + 2
    thrice = built.columns_of(computed, built.first_row, 50)["thrice"]
    expected = rolling.mean(rolling.mean(data.close, 4)[3:] * 2.0, 3)[2:]
    assert isinstance(thrice, np.ndarray)
    np.testing.assert_array_equal(thrice, expected)


def test_graph_one_output_of_several_is_picked_by_name(kernel: Kernel) -> None:
    macd = indicator("macd")
    built = graph(kernel, macd=macd, line=macd["histogram"])
    assert set(built.aliases) == {"macd.macd", "macd.signal", "macd.histogram", "line"}
    assert len(built.nodes) == 1


@pytest.mark.parametrize("size", [1, 7, 64, 255, 256, 257, 1000])
@pytest.mark.parametrize("cls", [Mean, Drifting])
def test_window_indicator_in_chunks_gives_the_same_bits(
    kernel: Kernel, cls: type[BaseIndicator[Any]], size: int
) -> None:
    data = columns_of(1000)
    built = graph(kernel, a=indicator(cls, length=7))
    whole, _ = built.advance(data, built.initial_states(), 0)
    states, parts = built.initial_states(), []
    for start in range(0, 1000, size):
        part, states = built.advance(data.slice(start, min(start + size, 1000)), states, start)
        parts.append(part.computed[0].columns[cls.name])
    expected = whole.computed[0].columns[cls.name]
    assert isinstance(expected, np.ndarray)
    joined = np.concatenate([part for part in parts if isinstance(part, np.ndarray)])
    np.testing.assert_array_equal(joined[7:], expected[7:])


def test_graph_zero_rows_are_accepted(kernel: Kernel) -> None:
    built = graph(
        kernel, a=indicator(Mean), b=indicator(Drifting), macd=indicator("macd"), rsi=indicator("rsi")
    )
    computed, _ = built.advance(columns_of(20).slice(0, 0), built.initial_states(), 0)
    assert all(len(column) == 0 for node in computed.computed for column in node.columns.values())


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (indicator("ema", on="price"), "reads 'price', which is no candle column"),
        (indicator("ema", on=indicator("macd")), "must pick an output of indicator 'macd'"),
        (indicator("ema", on=indicator("macd")["line"]), "got 'line'"),
        (indicator("ema", on=("close", "open")), r"reads 1 inputs \(close\), strategy 'test' gives 2"),
        (indicator("ema", on=indicator("rsi", timeframe="1d")), "one timeframe only"),
    ],
)
def test_graph_wrong_request_is_refused_with_the_way_out(
    kernel: Kernel, request_: IndicatorRequest, message: str
) -> None:
    with pytest.raises(PluginContractError, match=message):
        graph(kernel, a=request_)


@pytest.mark.parametrize("alias", ["close", "a.b"])
def test_graph_alias_of_a_candle_column_is_refused(kernel: Kernel, alias: str) -> None:
    with pytest.raises(PluginContractError, match=f"alias '{alias}'"):
        graph(kernel, **{alias: indicator("ema")})


def _broken(give: Any) -> type[BaseIndicator[Any]]:
    class Broken(BaseIndicator[LengthParams]):
        name = "broken"

        def lookback(self) -> int | Mapping[str, int]:
            return 2

        def initial_state(self) -> State:
            return {}

        def advance(self, columns: Columns, state: State) -> tuple[Values, State]:
            return give(columns)  # type: ignore[no-any-return]

    return Broken


@pytest.mark.parametrize(
    ("give", "message"),
    [
        (lambda c: c.close, r"expected \(values, state\)"),
        (lambda c: (c.close[:-1], {}), r"shape \(19,\), expected float64 of shape \(20,\)"),
        (lambda c: (c.close > 1, {}), "is bool of shape"),
        (lambda c: (None, {}), "is object of shape"),
        (lambda c: ({"other": c.close}, {}), "gave the outputs other, expected broken"),
        (
            lambda c: (np.where(np.arange(20) == 5, np.nan, c.close), {}),
            "is nan at the candle that closes at 20",
        ),
        (lambda c: (np.where(np.arange(20) == 5, np.inf, c.close), {}), "is inf at the candle"),
        (lambda c: 1 / 0, "ZeroDivisionError"),
        (lambda c: c.close.__setitem__(0, 1.0), "cannot be written to"),
    ],
)
def test_p5_indicator_that_gives_garbage_is_named_with_expected_and_got(
    kernel: Kernel, give: Any, message: str
) -> None:
    built = graph(kernel, a=indicator(_broken(give)))
    with pytest.raises(PluginError, match=message) as caught:
        built.advance(columns_of(20), built.initial_states(), 0)
    assert "indicator 'broken'" in str(caught.value)


def test_graph_nan_within_the_lookback_is_not_looked_at(kernel: Kernel) -> None:
    built = graph(kernel, a=indicator(_broken(lambda c: (np.where(np.arange(20) < 2, np.nan, c.close), {}))))
    computed, _ = built.advance(columns_of(20), built.initial_states(), 0)
    assert isinstance(built.columns_of(computed, 2, 20)["a"], np.ndarray)


def test_stream_saved_by_another_version_is_refused() -> None:
    def stream(version: str) -> StrategyStream:
        class Hold(BaseStrategy):
            name = "hold"

        module = ModuleType("hold_plugin")
        module.stratkernel_strategies = hookimpl(lambda: [Hold])  # type: ignore[attr-defined]
        module.stratkernel_strategies.__name__ = "stratkernel_strategies"  # type: ignore[attr-defined]
        kernel = Kernel(discover=False)
        kernel.register(module, "hold", distribution="acme-hold", version=version)
        factory = StrategyFactory(kernel)
        return StrategyStream(factory.create("hold"), factory.item("hold"), IndicatorFactory(kernel))

    saved = stream("1.0").save({"symbol": "A"})
    stream("1.0").restore(saved, {"symbol": "A"})
    with pytest.raises(Exception, match=r"acme-hold:hold 1\.0 state 1") as caught:
        stream("1.1").restore(saved, {"symbol": "A"})
    assert "rebuild it from candles" in str(caught.value)
    with pytest.raises(Exception, match="symbol 'A' instead of 'B'"):
        stream("1.0").restore(saved, {"symbol": "B"})
    with pytest.raises(Exception, match="damaged"):
        stream("1.0").restore(saved[:-3], {"symbol": "A"})


@pytest.mark.parametrize("name", ["ema", "macd"])
def test_absorbing_indicators_keep_a_value_that_is_not_finite(kernel: Kernel, name: str) -> None:
    """What they promise: closes near the largest float overflow once and for ever, and are found."""
    close = np.full(300, 1e300)
    close[100:110] = 1.7e308
    made = IndicatorFactory(kernel).create(name)
    assert made.absorbing
    close[100] = np.inf
    columns = Columns({"close": close}, np.arange(300, dtype=np.int64))
    with np.errstate(all="ignore"):
        values, _ = made.advance(columns, made.initial_state())
    for column in values.values() if isinstance(values, Mapping) else [values]:
        assert isinstance(column, np.ndarray)
        assert not np.isfinite(column[100:]).any()
    built = graph(kernel, a=indicator(name))
    found = pytest.raises(PluginContractError, match=f"indicator '{name}'.* is (inf|nan) at the candle")
    with np.errstate(all="ignore"), found:
        built.advance(columns, built.initial_states(), 0)
