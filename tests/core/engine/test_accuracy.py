"""Signal accuracy: the worked example, its interval, what counts and what does not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratkernel import SignalType
from stratkernel.engine.accuracy import measure_accuracy, signal_accuracy, wilson_interval
from stratkernel.engine.performance import Costs, evaluate
from trading import made_candles, signal_table

CLOSES = [100, 102, 101, 105, 103, 104]
BUY, SELL = SignalType.ENTRY_LONG, SignalType.EXIT_LONG
EXAMPLE = [(0, BUY), (1, SELL), (2, BUY), (3, SELL)]


@pytest.mark.parametrize(
    ("horizon", "hits", "misses", "unresolved", "accuracy"),
    [(1, 4, 0, 0, 1.0), (2, 3, 1, 0, 0.75), (3, 2, 1, 1, 2 / 3)],
)
def test_accuracy_of_the_worked_example(
    horizon: int, hits: int, misses: int, unresolved: int, accuracy: float
) -> None:
    candles = made_candles(CLOSES)
    signals = signal_table(candles, EXAMPLE)
    found = measure_accuracy(candles, signals, horizon=horizon)
    assert (found.hits, found.misses, found.neutral, found.unresolved) == (hits, misses, 0, unresolved)
    assert found.accuracy == accuracy
    assert signal_accuracy(candles.columns.close, signals.rows, signals.types, horizon=horizon) == accuracy


def test_wilson_interval_of_three_in_four_is_that_of_the_worked_example() -> None:
    low, high = wilson_interval(3, 4)
    assert (low, high) == (pytest.approx(0.301, abs=5e-4), pytest.approx(0.954, abs=5e-4))


def test_wilson_interval_stays_within_0_and_1() -> None:
    assert wilson_interval(0, 5) == (pytest.approx(0.0, abs=1e-15), pytest.approx(0.4344825))
    assert wilson_interval(5, 5) == (pytest.approx(0.5655175), pytest.approx(1.0, abs=1e-15))
    bounds = [bound for n in range(1, 50) for hits in (0, n) for bound in wilson_interval(hits, n)]
    assert all(bound is not None and 0 <= bound <= 1 for bound in bounds)
    assert wilson_interval(0, 0) == (None, None)


@pytest.mark.parametrize(
    ("kind", "hits"),
    [
        (SignalType.ENTRY_LONG, 1),
        (SignalType.EXIT_SHORT, 1),
        (SignalType.ENTRY_SHORT, 0),
        (SignalType.EXIT_LONG, 0),
    ],
)
def test_signal_expects_the_direction_of_its_type(kind: SignalType, hits: int) -> None:
    candles = made_candles([100, 110])
    found = measure_accuracy(candles, signal_table(candles, [(0, kind)]), horizon=1)
    assert (found.hits, found.misses) == (hits, 1 - hits)
    assert found.mean_forward_return == pytest.approx(0.1 if hits else -0.1)


def test_hold_is_not_judged() -> None:
    candles = made_candles([100, 110, 120])
    found = measure_accuracy(
        candles, signal_table(candles, [(0, SignalType.HOLD), (2, SignalType.HOLD)]), horizon=1
    )
    assert (found.hits, found.misses, found.neutral, found.unresolved, found.accuracy) == (0, 0, 0, 0, None)


def test_move_within_the_cost_is_neutral() -> None:
    candles = made_candles([100, 101, 100, 102, 100])
    found = measure_accuracy(
        candles, signal_table(candles, [(row, BUY) for row in range(4)]), horizon=1, cost=0.015
    )
    assert (found.hits, found.misses, found.neutral) == (1, 1, 2)


def test_move_of_exactly_the_cost_is_neutral() -> None:
    candles = made_candles([100, 150, 75])
    found = measure_accuracy(candles, signal_table(candles, [(0, BUY), (1, BUY)]), horizon=1, cost=0.5)
    assert (found.hits, found.misses, found.neutral) == (0, 0, 2)


def test_accuracy_of_an_evaluation_uses_ten_candles_and_both_sides_costs() -> None:
    close = [100.0] * 10 + [101.0, 102.0, 100.0]
    candles = made_candles(close)
    signals = signal_table(candles, [(0, BUY), (1, BUY), (2, SELL), (3, BUY)])
    done = evaluate(candles, signals, Costs(fee_bps=40, slippage_bps=20))
    assert done.accuracy.horizon == 10
    assert done.accuracy.cost == pytest.approx(0.012)
    assert (done.accuracy.hits, done.accuracy.neutral, done.accuracy.unresolved) == (1, 2, 1)
    assert done.metrics["signal_accuracy"] == done.accuracy.accuracy == 1.0


def test_accuracy_reports_baseline_forward_returns_and_excursions() -> None:
    candles = made_candles([100, 104, 98, 110], opens=[100, 103, 101, 100])
    found = measure_accuracy(candles, signal_table(candles, [(0, BUY), (1, SELL)]), horizon=2)
    assert found.baseline == 0.5
    forward = [98 / 100 - 1, -(110 / 104 - 1)]
    assert found.mean_forward_return == pytest.approx(sum(forward) / 2)
    assert found.median_forward_return == pytest.approx(sum(forward) / 2)
    assert found.mean_mfe == pytest.approx((104 / 100 - 1 + 1 - 98 / 104) / 2)
    assert found.mean_mae == pytest.approx((98 / 100 - 1 + 1 - 110 / 104) / 2)


def test_accuracy_without_signals_or_with_too_few_candles_is_none() -> None:
    candles = made_candles([100, 101, 102])
    nothing = measure_accuracy(candles, signal_table(candles, []), horizon=1)
    assert (nothing.accuracy, nothing.wilson_low, nothing.mean_mfe) == (None, None, None)
    assert nothing.baseline == 1.0
    short = measure_accuracy(candles, signal_table(candles, [(0, BUY)]), horizon=10)
    assert (short.unresolved, short.accuracy, short.baseline) == (1, None, None)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from([98.0, 99.0, 100.0, 101.0, 102.0]), min_size=1, max_size=40),
    st.sets(st.tuples(st.integers(0, 39), st.sampled_from(SignalType))),
    st.integers(1, 12),
    st.sampled_from([0.0, 0.005, 0.015]),
)
def test_accuracy_of_any_signals_equals_a_plain_loop(
    close: list[float], events: set[tuple[int, SignalType]], horizon: int, cost: float
) -> None:
    candles = made_candles(close)
    signals = signal_table(candles, sorted((row, kind) for row, kind in events if row < len(close)))
    counts = {"hits": 0, "misses": 0, "neutral": 0, "unresolved": 0}
    for row, kind in zip(signals.rows.tolist(), signals.types.tolist(), strict=True):
        if kind == SignalType.HOLD:
            continue
        if row + horizon >= len(close):
            counts["unresolved"] += 1
            continue
        side = 1 if kind in (SignalType.ENTRY_LONG, SignalType.EXIT_SHORT) else -1
        move = side * (close[row + horizon] / close[row] - 1)
        counts["hits" if move > cost else "misses" if move < -cost else "neutral"] += 1
    found = measure_accuracy(candles, signals, horizon=horizon, cost=cost).to_dict()
    assert {name: found[name] for name in counts} == counts
    assert np.isfinite([value for value in found.values() if value is not None]).all()


def test_baseline_counts_only_rises() -> None:
    candles = made_candles([100, 100, 101])
    assert measure_accuracy(candles, signal_table(candles, []), horizon=1).baseline == 0.5
