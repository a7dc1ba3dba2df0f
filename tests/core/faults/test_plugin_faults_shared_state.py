"""Rows P7, P8, P15 and P17: writing to what is shared, changing the process, chance, bad parameters."""

import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from made_strategies import (
    candles,
    every_rise,
    indicator_doing,
    run,
    signal_bytes,
    strategy_doing,
)
from plugin_modules import plugin_module
from stratkernel import (
    IndicatorRequest,
    Kernel,
    ParameterError,
    PluginError,
    Signals,
    SignalType,
    SignalValidator,
    StrategyFactory,
    run_strategy,
)
from stratkernel.engine.factory import IndicatorFactory
from stratkernel.engine.stream import StrategyStream
from stratkernel.testing import check_deterministic

BUILT_IN = ("ema_crossover", "macd", "rsi")


# P7


def write_array(data: Any) -> None:
    data["close"][0] = 1.0


def write_time(data: Any) -> None:
    data.close_time[0] = 0


def write_slice(data: Any) -> None:
    data["close"][2:5] *= 2


def write_sorted(data: Any) -> None:
    data["volume"].sort()


def write_view(data: Any) -> None:
    np.asarray(data["high"]).view()[0] = 1.0


@pytest.mark.parametrize("write", [write_array, write_time, write_slice, write_sorted, write_view])
def test_p7_strategy_writing_to_its_data_is_told_to_copy(write: Callable[[Any], None]) -> None:
    series = candles()
    before = series.data_hash

    def calculate(data: Any) -> Signals:
        write(data)
        return Signals.none()

    with pytest.raises(PluginError, match=r"strategy 'made' .* read-only .*work on a copy"):
        run(strategy_doing(calculate), series)
    assert series.slice(0, len(series)).data_hash == before


def test_p7_strategy_that_spoils_its_frame_changes_nothing_for_others() -> None:
    series = candles()

    def calculate(data: Any) -> Signals:
        frame = data.frame
        frame["close"] = 0.0
        frame.iloc[:, 0] = -1.0
        del frame["open"]
        frame.index = frame.index[::-1]
        return Signals.none()

    alone = run(strategy_doing(every_rise), candles())
    hash_before = candles().data_hash
    run(strategy_doing(calculate, name="spoiler"), series)
    assert signal_bytes(run(strategy_doing(every_rise), series)) == signal_bytes(alone)
    assert series.slice(0, len(series)).data_hash == hash_before


def test_p7_indicator_writing_to_its_columns_or_state_is_its_own_failure() -> None:
    def advance(columns: Any, state: Any) -> Any:
        columns["close"][-1] = 0.0
        return columns.close, state

    series = candles()
    kernel = with_indicator(advance)
    with pytest.raises(PluginError, match=r"indicator 'made' .* failed on 60 candles .*work on a copy"):
        run(reader(), series, kernel=kernel)
    assert series.data_hash == candles().data_hash


def test_p7_strategy_that_keeps_what_it_gave_and_writes_to_it_later_changes_no_result() -> None:
    kept: list[Signals] = []

    def calculate(data: Any) -> Signals:
        kept.append(every_rise(data))
        return kept[-1]

    first = run(strategy_doing(calculate))
    before = signal_bytes(first)
    assert len(first.signals) > 0
    for signals in kept:
        for column in (signals.rows, signals.types, signals.confidence, *signals.metadata.values()):
            if column.flags.writeable:
                column[:] = 0
        signals.metadata.clear()
    assert signal_bytes(first) == before


def test_p7_indicator_that_fills_one_buffer_again_and_again_changes_no_earlier_value() -> None:
    """A strategy's window reaches back over rows of earlier chunks; they must still be what they were."""
    buffer = np.zeros(100)

    def reusing(columns: Any, state: Any) -> Any:
        buffer[: len(columns)] = columns.close
        return buffer[: len(columns)], state

    def keeping(columns: Any, state: Any) -> Any:
        return columns.close.copy(), state

    assert chunked(with_indicator(reusing)) == chunked(with_indicator(keeping))


def test_p7_indicator_writing_to_an_array_that_it_gave_is_its_own_failure() -> None:
    values = np.zeros(1)

    def advance(columns: Any, state: Any) -> Any:
        values[:] = columns.close
        return values, state

    with pytest.raises(PluginError, match=r"indicator 'made' .*work on a copy"):
        chunked(with_indicator(advance), size=1)


def test_p7_validator_writing_to_signals_is_noted_and_changes_no_result() -> None:
    class Spoiler(SignalValidator):
        name = "spoiler"

        def validate(self, candles: Any, signals: Any) -> Any:
            signals.metadata.clear()
            signals.price[:] = 0.0
            return []

    kernel = Kernel(discover=False)
    kernel.register(
        plugin_module("validators", stratkernel_signal_validators=lambda: [Spoiler]), "validators"
    )
    result = run(strategy_doing(every_rise), kernel=kernel)
    assert "read-only" in result.quality["validator_failures"][0]
    assert signal_bytes(result) == signal_bytes(run(strategy_doing(every_rise)))


def test_p7_observer_writing_to_what_it_is_told_changes_no_result() -> None:
    def spoil(run: Any, signals: Any) -> None:
        signals.metadata.clear()
        run.parameters["spoilt"] = True

    kernel = Kernel(discover=False)
    kernel.register(plugin_module("observer", stratkernel_signals_generated=spoil), "observer")
    result = run(strategy_doing(every_rise), kernel=kernel)
    assert "observer_failures" not in result.quality
    assert signal_bytes(result) == signal_bytes(run(strategy_doing(every_rise)))
    assert dict(result.run.parameters) == {}


def with_indicator(advance: Any) -> Kernel:
    kernel = Kernel(discover=False)
    indicator = indicator_doing(advance)
    kernel.register(plugin_module("indicators", stratkernel_indicators=lambda: [indicator]), "indicators")
    return kernel


def reader(window: int = 3) -> Any:
    """Says how much the indicator rose over its window, at every candle."""

    def calculate(data: Any) -> Signals:
        values = data["x"]
        rows = np.arange(window - 1, len(data))
        rise = values[rows] / values[rows - window + 1]
        return Signals(rows, SignalType.HOLD, metadata={"rise": rise})

    return strategy_doing(calculate, name="reader", window=window, needs={"x": IndicatorRequest("made", {})})


def chunked(kernel: Kernel, size: int = 7) -> list[float]:
    """What `reader` says, chunk by chunk."""
    strategy, series = reader(), candles()
    item = StrategyFactory(kernel).item(strategy)
    stream = StrategyStream(strategy(), item, IndicatorFactory(kernel))
    said: list[float] = []
    for start in range(0, len(series), size):
        signals = stream.advance(series.columns.slice(start, min(start + size, len(series))))
        said += signals.metadata["rise"].tolist() if len(signals) else []
    return said


# P8


@pytest.fixture
def restored(tmp_path: Path) -> Iterator[Path]:
    """Put back all that the rude plugin changes; gives a folder for it to move to."""
    folder, environment = Path.cwd(), dict(os.environ)
    numbers = np.random.get_state()  # noqa: NPY002 - as above
    errors, width = np.geterr(), pd.get_option("display.width")
    with warnings.catch_warnings():
        yield tmp_path
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    np.random.set_state(numbers)  # noqa: NPY002 - as above
    np.seterr(**errors)
    pd.set_option("display.width", width)


def test_p8_plugin_that_changes_the_process_changes_no_built_in_result(
    restored: Path, kernel: Kernel
) -> None:
    series = candles(600, seed=5)
    before = [
        signal_bytes(run_strategy(kernel, StrategyFactory(kernel).create(name), series)) for name in BUILT_IN
    ]
    changes = 0

    def calculate(data: Any) -> Signals:
        nonlocal changes
        np.random.seed(0)  # noqa: NPY002 - what the test is about
        warnings.simplefilter("ignore")
        np.seterr(all="ignore")
        pd.set_option("display.width", 17)
        os.environ["TZ"] = "Asia/Kathmandu"
        os.environ["STRATKERNEL_DISABLE"] = "ema,macd,rsi"
        os.chdir(restored)
        changes += 1
        return Signals.none()

    run(strategy_doing(calculate), series)
    assert changes == 1
    assert pd.get_option("display.width") == 17
    after = [
        signal_bytes(run_strategy(kernel, StrategyFactory(kernel).create(name), series)) for name in BUILT_IN
    ]
    assert after == before
    assert all(columns["rows"] for columns in before)


# P15


def counting() -> Callable[[Any], Signals]:
    calls: list[int] = []

    def calculate(data: Any) -> Signals:
        calls.append(1)
        return Signals([len(calls)], SignalType.ENTRY_LONG)

    return calculate


def by_chance(data: Any) -> Signals:
    confidence = np.random.default_rng().random(3)
    return Signals([1, 2, 3], SignalType.ENTRY_LONG, confidence=confidence)


def noting_chance(data: Any) -> Signals:
    return Signals([1], SignalType.ENTRY_LONG, metadata={"luck": np.random.default_rng().random(1)})


def of_chance_length() -> Callable[[Any], Signals]:
    lengths = iter([1, 2, 3])
    return lambda data: Signals(np.arange(next(lengths)), SignalType.ENTRY_LONG)


@pytest.mark.parametrize(
    ("calculate", "said"),
    [
        (counting(), "the candle of the signal at "),
        (by_chance, "the confidence of the signal at "),
        (noting_chance, "the metadata 'luck' of the signal at "),
        (of_chance_length(), "1 signals, then 2"),
    ],
)
def test_p15_strategy_that_is_not_deterministic_is_flagged(calculate: Any, said: str) -> None:
    strategy = strategy_doing(calculate)
    with pytest.raises(AssertionError) as flagged:
        check_deterministic(Kernel(discover=False), strategy, candles())
    assert "is not deterministic: " + said in str(flagged.value)


def test_p15_deterministic_strategy_passes(kernel: Kernel) -> None:
    check_deterministic(kernel, strategy_doing(every_rise), candles(), runs=3)
    for name in BUILT_IN:
        check_deterministic(kernel, lambda name=name: StrategyFactory(kernel).create(name), candles(300))


def test_p15_nan_in_metadata_equals_itself() -> None:
    strategy = strategy_doing(lambda data: Signals([1], SignalType.HOLD, metadata={"x": [np.nan]}))
    check_deterministic(Kernel(discover=False), strategy, candles())


# P17


@pytest.mark.parametrize(
    "period", [0, -5, int(1e9), 1e9, "14", float("nan"), True, None, [14], float("inf")], ids=repr
)
def test_p17_impossible_period_is_a_parameter_error(kernel: Kernel, period: Any) -> None:
    with pytest.raises(
        ParameterError, match=r"^strategy 'rsi' \(stratkernel-rsi .*\): parameter 'period': expected"
    ):
        StrategyFactory(kernel).create("rsi", {"period": period})


def test_p17_all_problems_are_told_in_one_error(kernel: Kernel) -> None:
    given = {"fast_period": "12", "slow_period": True, "signal_period": -5, "allow_short": 3, "smothing": 1}
    with pytest.raises(ParameterError) as refused:
        StrategyFactory(kernel).create("macd", given)
    for name in ("fast_period", "slow_period", "signal_period", "allow_short"):
        assert f"parameter '{name}': expected " in str(refused.value)
        assert f", got {given[name]!r}" in str(refused.value)
    assert "unknown parameter 'smothing'" in str(refused.value)


def test_p17_parameters_in_an_impossible_relation_are_a_parameter_error(kernel: Kernel) -> None:
    with pytest.raises(ParameterError, match="fast_period must be smaller than slow_period, got 30 and 20"):
        StrategyFactory(kernel).create("ema_crossover", {"fast_period": 30, "slow_period": 20})
