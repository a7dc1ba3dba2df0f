"""Evaluation as a whole: what is undefined, what is flagged, what JSON can say."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratkernel import SignalType
from stratkernel.contracts.timeframes import DAY, HOUR
from stratkernel.engine.metrics import METRICS
from stratkernel.engine.performance import Costs, Performance, evaluate
from trading import MIDNIGHT, at_times, made_candles, signal_table

IN, OUT = SignalType.ENTRY_LONG, SignalType.EXIT_LONG
OF_TRADES = ("win_rate", "profit_factor", "expectancy", "payoff_ratio")


def run(close: list[float], events: list[tuple[int, SignalType]], **costs: Any) -> Performance:
    candles = made_candles(close)
    return evaluate(candles, signal_table(candles, events), Costs(**costs))


def test_evaluate_without_costs_uses_the_defaults() -> None:
    candles = made_candles([1, 2, 3])
    assert evaluate(candles, signal_table(candles, [])).costs == Costs("next_open", 0.0, 0.0, 10_000.0)


def test_metrics_without_a_trade_are_none_where_nothing_is_defined() -> None:
    done = run([1, 2, 3, 4], [])
    defined = {"total_return": 0.0, "cagr": 0.0, "max_drawdown": 0.0, "exposure": 0.0, "trades": 0}
    assert {name: value for name, value in done.metrics.items() if value is not None} == defined
    assert done.flags["profit_factor"] == "no closed trade"
    assert set(done.flags) == {name for name, value in done.metrics.items() if value is None}
    assert done.mean_trade_return is None
    assert done.equity.tolist() == [10_000.0] * 4


def test_metrics_of_one_candle_are_none_where_time_is_needed() -> None:
    done = run([100], [(0, IN)])
    assert [name for name, value in done.metrics.items() if value is not None] == [
        "total_return",
        "max_drawdown",
        "trades",
    ]


def test_metrics_of_no_candles_are_none() -> None:
    candles = made_candles([1, 2]).slice(0, 0)
    done = evaluate(candles, signal_table(candles, []))
    assert {name for name, value in done.metrics.items() if value is not None} == {"trades"}
    assert len(done.equity) == 0


def test_ratios_of_returns_that_do_not_vary_are_none() -> None:
    steady = run([100 * 1.01**day for day in range(50)], [(0, IN)])
    assert steady.metrics["volatility"] is steady.metrics["sharpe"] is steady.metrics["sortino"] is None
    assert steady.metrics["calmar"] is None
    assert steady.metrics["total_return"] == pytest.approx(1.01**49 - 1)


def test_profit_factor_without_losses_is_none_and_flagged() -> None:
    done = run([10, 11, 12, 13], [(0, IN), (2, OUT)], fill="close")
    assert done.metrics["win_rate"] == 1.0
    assert done.metrics["profit_factor"] is done.metrics["payoff_ratio"] is None
    assert done.flags["profit_factor"] == "no losing trade"


def test_profit_factor_without_wins_is_zero() -> None:
    done = run([13, 12, 11, 10], [(0, IN), (2, OUT)], fill="close")
    assert (done.metrics["profit_factor"], done.metrics["payoff_ratio"], done.metrics["win_rate"]) == (
        0.0,
        None,
        0.0,
    )


def test_trade_that_earns_nothing_is_no_win_and_no_loss() -> None:
    done = run([10, 11, 10, 10], [(0, IN), (2, OUT)], fill="close")
    assert (done.metrics["win_rate"], done.metrics["profit_factor"], done.metrics["expectancy"]) == (
        0.0,
        None,
        0.0,
    )


def test_total_return_starts_at_the_equity_of_the_first_close() -> None:
    done = run([100, 110], [(0, IN)], fill="close", fee_bps=100)
    assert done.equity[0] == pytest.approx(10_000 / 1.01)
    assert done.metrics["total_return"] == pytest.approx(0.1)


def test_cagr_counts_years_of_365_days_between_closes() -> None:
    candles = at_times(made_candles([100, 100, 121]), [MIDNIGHT, MIDNIGHT + DAY, MIDNIGHT + 730 * DAY])
    done = evaluate(candles, signal_table(candles, [(0, IN)]))
    assert done.metrics["cagr"] == pytest.approx(0.1, rel=1e-12)


def test_cagr_too_large_for_a_number_is_none() -> None:
    candles = at_times(made_candles([1, 1, 1_000]), [MIDNIGHT, MIDNIGHT + HOUR, MIDNIGHT + 2 * HOUR])
    done = evaluate(candles, signal_table(candles, [(0, IN)]))
    assert done.metrics["cagr"] is done.metrics["calmar"] is None


@pytest.mark.parametrize(
    ("fill", "events", "exposure"),
    [
        ("next_open", [(0, IN), (2, OUT)], 2 / 4),
        ("next_open", [(0, IN)], 4 / 4),
        ("next_open", [(2, IN)], 2 / 4),
        ("close", [(0, IN), (2, OUT)], 2 / 4),
        ("close", [(0, IN)], 4 / 4),
        ("close", [(2, IN)], 2 / 4),
        ("close", [(4, IN)], 0 / 4),
    ],
)
def test_exposure_is_the_share_of_intervals_with_a_position(
    fill: str, events: list[tuple[int, SignalType]], exposure: float
) -> None:
    assert run([10, 11, 12, 13, 14], events, fill=fill).metrics["exposure"] == exposure


def test_equity_cannot_be_written_to() -> None:
    with pytest.raises(ValueError, match="read-only"):
        run([1, 2], []).equity[0] = 0.0


price = st.one_of(st.floats(0.5, 200), st.sampled_from([5e-324, 1e-300, 1e-8, 1e300, 1.7e308]))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(price, price), max_size=40),
    st.sets(st.tuples(st.integers(0, 39), st.sampled_from(SignalType)), max_size=60),
    st.sampled_from(["next_open", "close"]),
    st.sampled_from([0.0, 10.0, 9_999.0]),
    st.sampled_from([0.0, 10.0, 9_999.0]),
    st.sampled_from([1e-300, 10_000.0, 1e300]),
)
def test_evaluation_of_any_prices_is_json_without_nan_or_infinity(
    bars: list[tuple[float, float]],
    events: set[tuple[int, SignalType]],
    fill: str,
    fee: float,
    slippage: float,
    capital: float,
) -> None:
    candles = made_candles([c for _, c in bars], [o for o, _ in bars])
    signals = signal_table(candles, sorted((row, kind) for row, kind in events if row < len(bars)))
    costs = Costs(fill, fee, slippage, capital)  # type: ignore[arg-type] # one of the two
    done = evaluate(candles, signals, costs)
    text = json.dumps(done.to_dict(), allow_nan=False)
    assert all(name in text for name in METRICS)


def test_to_dict_carries_all_parts_as_plain_values() -> None:
    told = run([10, 11, 12, 13], [(0, IN), (1, OUT)]).to_dict()
    assert list(told) == [
        "costs",
        "exits",
        "metrics",
        "mean_trade_return",
        "accuracy",
        "flags",
        "days_per_year",
        "trades",
    ]
    assert list(told["trades"][0]) == [
        "side",
        "entry_row",
        "exit_row",
        "entry_time",
        "exit_time",
        "entry_price",
        "exit_price",
        "units",
        "pnl",
        "return",
        "fees",
        "open",
        "liquidated",
        "exit_reason",
    ]
    assert not any(isinstance(value, np.generic) for value in told["trades"][0].values())
