"""Accuracy at horizons against the base rate, trades against random entries."""

import json

import numpy as np
import pytest

from stratkernel import SignalType
from stratkernel.contracts.candles import Candles
from stratkernel.engine.exits import ExitRules
from stratkernel.engine.performance import Costs, evaluate
from stratkernel.engine.significance import (
    HORIZONS,
    accuracy_at,
    permutation_test,
    signal_significance,
)
from stratkernel.testing.candles import random_walk
from stratkernel_config.documents import parse_json
from trading import made_candles, signal_table

IN, OUT, SHORT, COVER = (
    SignalType.ENTRY_LONG,
    SignalType.EXIT_LONG,
    SignalType.ENTRY_SHORT,
    SignalType.EXIT_SHORT,
)


def test_accuracy_at_equals_the_worked_example_and_tells_the_base_rate() -> None:
    candles = made_candles([100, 102, 101, 105, 103, 104])
    signals = signal_table(candles, [(0, IN), (1, OUT), (2, IN), (3, OUT)])
    two = accuracy_at(candles, signals, 2)
    assert (two.hits, two.misses, two.unresolved, two.accuracy) == (3, 1, 0, 0.75)
    assert (two.wilson_low, two.wilson_high) == (
        pytest.approx(0.301, abs=5e-4),
        pytest.approx(0.954, abs=5e-4),
    )
    # four moves over two candles: up, up, up, down; half of the signals expect up
    assert two.base_rate == pytest.approx(0.5)
    assert two.beats_base_rate is False
    three = accuracy_at(candles, signals, 3)
    assert (three.hits, three.misses, three.unresolved) == (2, 1, 1)


def test_accuracy_at_of_longs_in_a_rising_market_has_the_base_rate_of_the_market() -> None:
    candles = made_candles(np.linspace(100, 200, 50).tolist())
    result = accuracy_at(candles, signal_table(candles, [(5, IN), (20, IN)]), 4)
    assert (result.accuracy, result.base_rate, result.beats_base_rate) == (1.0, 1.0, False)


@pytest.mark.parametrize("events", [[], [(4, IN)], [(0, SignalType.HOLD)]])
def test_accuracy_at_without_a_judged_signal_is_undefined(events: list[tuple[int, SignalType]]) -> None:
    candles = made_candles([100, 101, 102, 103, 104])
    result = accuracy_at(candles, signal_table(candles, events), 3)
    assert (result.accuracy, result.wilson_low, result.base_rate, result.beats_base_rate) == (None,) * 4


def cycle(periods: int = 40) -> Candles:
    """A wave around 100."""
    return made_candles((100 + 10 * np.sin(np.arange(periods * 24) * 2 * np.pi / 24)).tolist())


def test_permutation_test_of_perfect_timing_is_significant() -> None:
    candles = cycle()
    events = [(18 + 24 * k, IN) for k in range(39)] + [(30 + 24 * k, OUT) for k in range(39)]
    result = permutation_test(evaluate(candles, signal_table(candles, events)).trades)
    assert result.trades == 39
    assert result.p_value == pytest.approx(1 / 1_001)
    assert result.mean_return > 0.15 > result.random_mean  # type: ignore[operator] # both are numbers here


def test_permutation_test_of_the_worst_timing_has_a_p_value_near_1() -> None:
    candles = cycle()
    events = [(6 + 24 * k, IN) for k in range(39)] + [(18 + 24 * k, OUT) for k in range(39)]
    assert permutation_test(evaluate(candles, signal_table(candles, events)).trades).p_value == 1.0


def test_permutation_test_of_shorts_counts_falls_as_gains() -> None:
    candles = cycle()
    events = [(6 + 24 * k, SHORT) for k in range(39)] + [(18 + 24 * k, COVER) for k in range(39)]
    result = permutation_test(evaluate(candles, signal_table(candles, events)).trades)
    assert result.p_value == pytest.approx(1 / 1_001)


def test_permutation_test_of_random_entries_is_spread_evenly() -> None:
    """Of forty strategies that know nothing, about half have a p-value below one half."""
    below = 0
    for seed in range(40):
        candles = made_candles(random_walk(800, seed).tolist())
        rows = np.sort(np.random.default_rng(seed).choice(np.arange(0, 780, 20), 20, replace=False))
        events = [(int(row), IN) for row in rows] + [(int(row) + 7, OUT) for row in rows]
        p = permutation_test(
            evaluate(candles, signal_table(candles, events)).trades, permutations=199
        ).p_value
        assert p is not None
        below += p < 0.5
    assert 10 <= below <= 30


def test_permutation_test_gives_the_same_numbers_again_and_others_for_another_seed() -> None:
    candles = made_candles(random_walk(500, 3).tolist())
    events = [(row, IN) for row in range(5, 480, 20)] + [(row, OUT) for row in range(12, 490, 20)]
    trades = evaluate(candles, signal_table(candles, events)).trades
    assert permutation_test(trades) == permutation_test(trades)
    assert permutation_test(trades).random_mean != permutation_test(trades, seed=1).random_mean


def test_permutation_test_of_many_trades_draws_fewer_permutations() -> None:
    rows = 300_000
    candles = made_candles(random_walk(rows, 1, volatility=0.001).tolist(), timeframe="1m")
    events = np.arange(0, rows - 2)
    kinds = [IN if row % 2 == 0 else OUT for row in range(len(events))]
    trades = evaluate(candles, signal_table(candles, list(zip(events.tolist(), kinds, strict=True)))).trades
    assert permutation_test(trades).permutations == 99


@pytest.mark.parametrize("events", [[], [(3, IN)], [(3, OUT)]])
def test_permutation_test_without_a_closed_trade_is_undefined(events: list[tuple[int, SignalType]]) -> None:
    candles = made_candles([100.0] * 10)
    result = permutation_test(evaluate(candles, signal_table(candles, events)).trades)
    assert (result.p_value, result.trades, result.permutations) == (None, 0, 0)


def test_permutation_test_of_flat_prices_has_a_p_value_of_1() -> None:
    candles = made_candles([100.0] * 30)
    trades = evaluate(candles, signal_table(candles, [(3, IN), (8, OUT)])).trades
    assert permutation_test(trades).p_value == 1.0


@pytest.mark.parametrize("fill", ["next_open", "close"])
def test_gross_return_is_the_move_between_fills_without_costs(fill: str) -> None:
    candles = made_candles([100, 101, 110, 121, 130, 140, 200.0])
    events = signal_table(candles, [(1, IN), (3, OUT), (4, IN)])
    free = evaluate(candles, events, Costs(fill=fill)).trades  # type: ignore[arg-type] # one of the two
    dear = evaluate(candles, events, Costs(fill=fill, fee_bps=30, slippage_bps=20)).trades  # type: ignore[arg-type] # as above
    assert free.gross_return[0] == pytest.approx(free.net_return[0])
    assert np.isnan(free.gross_return[1])
    np.testing.assert_array_equal(free.gross_return, dear.gross_return)


def test_significance_of_trades_with_exits_is_ready_for_json() -> None:
    candles = made_candles(random_walk(500, 3).tolist())
    signals = signal_table(candles, [(row, IN) for row in range(5, 480, 20)])
    done = evaluate(candles, signals, Costs(fee_bps=5), ExitRules(stop_loss=0.02, max_bars=9))
    text = json.dumps(signal_significance(candles, signals, done, permutations=99), allow_nan=False)
    told = parse_json(text.encode(), "significance")
    assert list(told) == ["horizons", "permutation"]
    assert list(told["horizons"]) == [str(horizon) for horizon in HORIZONS]
    assert told["permutation"]["permutations"] == 99
    assert 0 < told["permutation"]["p_value"] <= 1
