"""Ratios against empyrical-reloaded, which knows nothing of this project."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stratkernel import SignalType
from stratkernel.engine.performance import Costs, Performance, evaluate
from trading import made_candles, signal_table

empyrical = pytest.importorskip("empyrical", reason="the oracle empyrical-reloaded is not installed")


def random_run(seed: int, days: int) -> tuple[Performance, pd.Series]:
    """Random daily candles traded at random, long and short, with the returns of their marks."""
    rng = np.random.default_rng(seed)
    candles = made_candles((100 * np.exp(rng.normal(0.001, 0.03, days).cumsum())).tolist())
    events = {
        (int(row), SignalType(int(kind))) for row, kind in rng.integers((0, 1), (days, 5), (days // 3, 2))
    }
    signals = signal_table(candles, sorted(events | {(0, SignalType.ENTRY_LONG)}))
    done = evaluate(candles, signals, Costs(fee_bps=5, slippage_bps=2))
    curve = pd.Series(done.equity, index=pd.DatetimeIndex(candles.close_time.astype("datetime64[us]")))
    return done, curve.pct_change().dropna()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 100_000), st.integers(30, 900))
def test_metrics_of_random_daily_series_equal_empyrical(seed: int, days: int) -> None:
    done, returns = random_run(seed, days)
    # A run that a short ruined has no growth rate; empyrical warns of it.
    assume((done.equity > 0).all())
    year = {"annualization": 365}
    expected = {
        "total_return": empyrical.cum_returns_final(returns),
        "cagr": empyrical.cagr(returns, **year),
        "volatility": empyrical.annual_volatility(returns, **year),
        "sharpe": empyrical.sharpe_ratio(returns, **year),
        "sortino": empyrical.sortino_ratio(returns, **year),
        "max_drawdown": empyrical.max_drawdown(returns),
        "calmar": empyrical.calmar_ratio(returns, **year),
    }
    ours = {name: done.metrics[name] for name in expected}
    assert ours == pytest.approx(expected, rel=1e-9)
