"""`ema` against published vectors, other implementations and the properties of an average."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import talib
import talipp.indicators
from hypothesis import example, given, settings
from hypothesis import strategies as st

from indicator_oracles import exact_ema, make_series, whole
from stratkernel import ParameterError
from stratkernel_ema.indicator import Ema

STOCKCHARTS = """22.27 22.19 22.08 22.17 22.18 22.13 22.23 22.43 22.24 22.29 22.15 22.39 22.38 22.61 23.36
24.05 23.75 23.83 23.95 23.63 23.82 23.87 23.65 23.19 23.10 23.33 22.68 23.10 22.40 22.17"""
STOCKCHARTS_EMA_10 = """22.2210000000 22.2080909091 22.2411652893 22.2664079639 22.3288792432 22.5163557445
22.7952001546 22.9688001265 23.1253819216 23.2753124813 23.3398011211 23.4271100082 23.5076354612
23.5335199228 23.4710617550 23.4035959814 23.3902148939 23.2610849132 23.2317967471 23.0805609749
22.9150044340"""


def ema(close: np.ndarray, period: int) -> np.ndarray:
    return whole(Ema({"period": period}), close)["ema"]


def test_ema_of_the_hand_vector_is_exact(backend: str) -> None:
    values = ema(np.arange(1.0, 11.0), 3)
    assert np.array_equal(values, [np.nan, np.nan, 2, 3, 4, 5, 6, 7, 8, 9], equal_nan=True)


def test_ema_of_the_stockcharts_sheet_gives_its_values(backend: str) -> None:
    values = ema(np.array(STOCKCHARTS.split(), dtype=float), 10)
    np.testing.assert_allclose(values[9:], np.array(STOCKCHARTS_EMA_10.split(), dtype=float), rtol=1e-9)


def test_ema_of_the_skender_series_equals_the_published_results(shared_data: Path, backend: str) -> None:
    close = pq.read_table(shared_data / "skender_default_SPY_1d.parquet")["close"].to_numpy()
    published = pd.read_json(shared_data / "expected" / "ema.standard.json")["ema"].to_numpy()
    values = ema(close, 20)
    np.testing.assert_allclose(values, published, rtol=1e-9, atol=1e-9)
    assert np.count_nonzero(np.isfinite(values)) == 483


def test_ema_of_the_talib_regression_series_gives_its_constants(shared_data: Path, backend: str) -> None:
    close = pd.read_csv(shared_data / "expected" / "talib_regtest_close.csv")["close"].to_numpy()
    ten, two = ema(close, 10), ema(close, 2)
    np.testing.assert_allclose(ten[[9, 10, 29, 251]], [93.22, 93.75, 86.46, 108.97], atol=0.01)
    np.testing.assert_allclose(two[[1, 2, 251]], [93.15, 93.96, 108.21], atol=0.01)
    np.testing.assert_allclose(ten[[9, 10, 29, 251]], [93.2255, 93.7527, 86.4637, 108.9752], atol=5e-5)
    np.testing.assert_allclose(ten, talib.EMA(close, 10), rtol=1e-9)


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
def test_ema_of_any_series_equals_the_slow_loop_and_talib(close: np.ndarray, period: int) -> None:
    values = ema(close, period)
    np.testing.assert_allclose(values, exact_ema(close, period), rtol=1e-9)
    if period > 1:  # TA-Lib knows no period of 1
        np.testing.assert_allclose(values, talib.EMA(close, period), rtol=1e-9)


@settings(max_examples=100, deadline=None)
@given(series, periods)
def test_ema_of_any_series_equals_talipp(close: np.ndarray, period: int) -> None:
    theirs = talipp.indicators.EMA(period, close.tolist())
    np.testing.assert_allclose(ema(close, period), np.array(list(theirs), dtype=float), rtol=1e-9)


@settings(max_examples=300, deadline=None)
@given(series, periods, st.integers(-20, 20))
def test_ema_of_a_scaled_series_is_scaled(close: np.ndarray, period: int, power: int) -> None:
    assert np.array_equal(ema(close * 2.0**power, period), ema(close, period) * 2.0**power, equal_nan=True)
    np.testing.assert_allclose(ema(close * 3.7, period), ema(close, period) * 3.7, rtol=1e-9)


@settings(max_examples=300, deadline=None)
@given(series, periods)
def test_ema_of_a_shifted_series_is_shifted(close: np.ndarray, period: int) -> None:
    by = close.max()
    np.testing.assert_allclose(ema(close + by, period), ema(close, period) + by, rtol=1e-9)


@settings(max_examples=300, deadline=None)
@given(series, periods)
def test_ema_stays_between_the_extremes(close: np.ndarray, period: int) -> None:
    values = ema(close, period)[period - 1 :]
    rounding = 1e-12
    assert (values >= close.min() * (1 - rounding)).all()
    assert (values <= close.max() * (1 + rounding)).all()


@settings(max_examples=300, deadline=None)
@given(series, periods, st.floats(0, 1))
def test_ema_of_a_prefix_is_the_prefix_of_the_ema(close: np.ndarray, period: int, part: float) -> None:
    rows = int(part * len(close))
    assert np.array_equal(ema(close[:rows], period), ema(close, period)[:rows], equal_nan=True)


@pytest.mark.parametrize("period", [0, 10_001, 2.5, "20", True])
def test_ema_with_a_period_out_of_bounds_is_refused(period: object) -> None:
    with pytest.raises(ParameterError, match="indicator 'ema': parameter 'period'"):
        Ema({"period": period})
