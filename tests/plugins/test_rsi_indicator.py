"""`rsi` against published vectors, other implementations and its symmetries."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import talib
import talipp.indicators
from hypothesis import example, given, settings
from hypothesis import strategies as st

from indicator_oracles import exact_rsi, make_series, whole
from stratkernel import ParameterError
from stratkernel_rsi.indicator import Rsi

STOCKCHARTS = """44.3389 44.0902 44.1497 43.6124 44.3278 44.8264 45.0955 45.4245 45.8433 46.0826 45.8931
46.0328 45.6140 46.2820 46.2820 46.0028 46.0328 46.4116 46.2222 45.6439 46.2122 46.2521 45.7137 46.4515
45.7835 45.3548 44.0288 44.1783 44.2181 44.5672 43.4205 42.6628 43.1314"""
STOCKCHARTS_RSI_14 = """70.53278948 66.31856181 66.54982994 69.40630534 66.35516906 57.97485571 62.92960675
63.25714756 56.05929872 62.37707144 54.70757308 50.42277441 39.98982315 41.46048198 41.86891609 45.46321245
37.30404209 33.07952299 37.77295211"""
WILDER = """54.80 56.80 57.85 59.85 60.57 61.10 62.17 60.60 62.35 62.15 62.35 61.45 62.80 61.37 62.50 62.57
60.80 59.37 60.35 62.35 62.17 62.55 64.55 64.37 65.30 64.42 62.90 61.60 62.05 60.05 59.70 60.90 60.25 58.27
58.70 57.72 58.10 58.20"""
WILDER_RSI_14 = """74.36 74.55 65.75 59.68 61.98 66.44 65.75 67.00 71.43 70.50 72.14 67.95 60.78 55.56 56.71
49.49 48.19 52.38 50.00 43.50 45.36 42.53 44.14 44.75"""


def numbers(text: str) -> np.ndarray:
    return np.array(text.split(), dtype=float)


def rsi(close: np.ndarray, period: int = 14) -> np.ndarray:
    return whole(Rsi({"period": period}), close)["rsi"]


def test_rsi_of_the_stockcharts_sheet_gives_its_values(backend: str) -> None:
    # printed with 8 decimals
    np.testing.assert_allclose(
        rsi(numbers(STOCKCHARTS))[14:], numbers(STOCKCHARTS_RSI_14), rtol=0, atol=5.1e-9
    )
    np.testing.assert_allclose(rsi(numbers(STOCKCHARTS)), talib.RSI(numbers(STOCKCHARTS), 14), rtol=1e-9)


def test_rsi_of_wilders_worksheet_is_as_near_as_its_rounded_averages_allow(backend: str) -> None:
    values = rsi(numbers(WILDER))[14:]
    np.testing.assert_allclose(values, numbers(WILDER_RSI_14), rtol=0, atol=0.53)
    np.testing.assert_allclose(values[:5], [74.2138, 74.3355, 65.8713, 59.9337, 62.4329], rtol=0, atol=5e-5)


def test_rsi_of_the_skender_series_equals_the_published_results(shared_data: Path, backend: str) -> None:
    close = pq.read_table(shared_data / "skender_default_SPY_1d.parquet")["close"].to_numpy()
    published = pd.read_json(shared_data / "expected" / "rsi.standard.json")["rsi"].to_numpy()
    values = rsi(close)
    np.testing.assert_allclose(values, published, rtol=1e-9, atol=1e-9)
    assert np.count_nonzero(np.isfinite(values)) == 488


def test_rsi_of_the_talib_regression_series_gives_its_constants(shared_data: Path, backend: str) -> None:
    close = pd.read_csv(shared_data / "expected" / "talib_regtest_close.csv")["close"].to_numpy()
    values = rsi(close)
    np.testing.assert_allclose(values[[14, 15, 16, -1]], [49.14, 52.32, 46.07, 49.63], atol=0.01)
    exact = [49.14734, 52.32555, 46.07240, 49.63210]
    np.testing.assert_allclose(values[[14, 15, 16, -1]], exact, atol=5.1e-6)
    np.testing.assert_allclose(values, talib.RSI(close, 14), rtol=1e-9)


series = st.builds(
    make_series,
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(0, 100).map(lambda part: round(2_000 ** (part / 100))),
    exponent=st.floats(-8, 8),
)
periods = st.integers(1, 60)


@settings(max_examples=3_500, deadline=None)
@given(series, periods)
@example(np.full(2_000, 1e-8), 14)
@example(make_series(seed=239, rows=1268, exponent=8.0), 2)
def test_rsi_of_any_series_equals_the_slow_loop(close: np.ndarray, period: int) -> None:
    np.testing.assert_allclose(rsi(close, period), exact_rsi(close, period), rtol=1e-9, atol=1e-9)


@settings(max_examples=1_000, deadline=None)
@given(series, st.integers(2, 60))
def test_rsi_of_any_series_equals_talib_where_prices_still_move(close: np.ndarray, period: int) -> None:
    # TA-Lib takes averages below 1e-14 for none: a power of two brings small prices up and changes no bit
    close = close * 2.0 ** np.ceil(27 - np.log2(close.max()))
    moves = pd.Series(np.abs(np.diff(close, prepend=close[0])))
    lately = (moves.rolling(period, min_periods=1).max() > 1e-6).to_numpy()
    np.testing.assert_allclose(
        rsi(close, period)[lately], talib.RSI(close, period)[lately], rtol=1e-9, atol=1e-9
    )


@settings(max_examples=100, deadline=None)
@given(series, st.integers(2, 60))
def test_rsi_of_any_series_equals_talipp_after_the_first_loss(close: np.ndarray, period: int) -> None:
    theirs = np.array(list(talipp.indicators.RSI(period, close.tolist())), dtype=float)
    fallen = np.maximum.accumulate(np.diff(close, prepend=close[0]) < 0)
    ours = rsi(close, period)
    np.testing.assert_allclose(ours[fallen], theirs[fallen], rtol=1e-9, atol=1e-9)


def test_rsi_without_any_change_is_50(backend: str) -> None:
    assert (rsi(np.full(10_000, 0.3))[14:] == 50.0).all()


@pytest.mark.parametrize("period", [2, 14])
def test_rsi_of_a_market_that_halts_for_ever_stays_what_it_was(period: int, backend: str) -> None:
    moving = 100.0 + np.cumsum(np.random.default_rng(5).normal(0.0, 1.0, 100))
    halted = np.concatenate((moving, np.full(30_000, moving[-1])))
    values = rsi(halted, period)[100:]
    np.testing.assert_allclose(values, values[0], rtol=0, atol=1e-9)
    again = np.concatenate((halted, moving))
    np.testing.assert_allclose(rsi(again, period)[-50:], exact_rsi(again, period)[-50:], rtol=0, atol=1e-9)


def test_rsi_without_losses_is_100_and_without_gains_0(backend: str) -> None:
    rising = np.linspace(1.0, 2.0, 700)
    assert (rsi(rising)[14:] == 100.0).all()
    assert (rsi(rising[::-1])[14:] == 0.0).all()


@settings(max_examples=300, deadline=None)
@given(series, periods, st.integers(-20, 20))
def test_rsi_of_a_scaled_series_is_the_same(close: np.ndarray, period: int, power: int) -> None:
    assert np.array_equal(rsi(close * 2.0**power, period), rsi(close, period), equal_nan=True)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32 - 1), periods, st.floats(0.5, 100))
def test_rsi_of_scaled_and_shifted_walks_is_the_same(seed: int, period: int, factor: float) -> None:
    close = 100.0 + np.cumsum(np.random.default_rng(seed).normal(0.0, 0.1, 300))
    np.testing.assert_allclose(rsi(close * factor, period), rsi(close, period), rtol=0, atol=1e-9)
    np.testing.assert_allclose(rsi(close + factor, period), rsi(close, period), rtol=0, atol=1e-9)


@settings(max_examples=300, deadline=None)
@given(series, periods)
def test_rsi_of_negated_changes_is_reflected_at_50(close: np.ndarray, period: int) -> None:
    np.testing.assert_allclose(rsi(-close, period), 100.0 - rsi(close, period), rtol=0, atol=1e-9)


@settings(max_examples=300, deadline=None)
@given(series, periods)
def test_rsi_stays_between_0_and_100(close: np.ndarray, period: int) -> None:
    values = rsi(close, period)[period:]
    assert ((values >= 0.0) & (values <= 100.0)).all()


@settings(max_examples=300, deadline=None)
@given(series, periods, st.floats(0, 1))
def test_rsi_of_a_prefix_is_the_prefix_of_the_rsi(close: np.ndarray, period: int, part: float) -> None:
    rows = int(part * len(close))
    assert np.array_equal(rsi(close[:rows], period), rsi(close, period)[:rows], equal_nan=True)


@pytest.mark.parametrize("period", [0, 10_001, 2.5, "14", True])
def test_rsi_with_a_period_out_of_bounds_is_refused(period: object) -> None:
    with pytest.raises(ParameterError, match="indicator 'rsi': parameter 'period'"):
        Rsi({"period": period})
