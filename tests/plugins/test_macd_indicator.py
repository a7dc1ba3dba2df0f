"""`macd` against published vectors, other implementations and the properties of its averages."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import talib
import talipp.indicators
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from indicator_oracles import exact_macd, make_series, same_bits, whole
from stratkernel import ParameterError
from stratkernel_ema.indicator import Ema
from stratkernel_macd.indicator import Macd

INVEST_EXCEL = """459.99 448.85 446.06 450.81 442.80 448.97 444.57 441.40 430.47 420.05 431.14 425.66 430.58
431.72 437.87 428.43 428.35 432.50 443.66 455.72 454.49 452.08 452.73 461.91 463.58 461.14
452.08 442.66 428.91 429.79 431.99 427.72 423.20 426.21 426.98 435.69 434.33 429.80 419.85
426.24 402.80 392.05 390.53 398.67 406.13 405.46 408.38 417.20 430.12 442.78 439.29 445.52
449.98 460.71 458.66 463.84 456.77 452.97 454.74 443.86 428.85 434.58 433.26 442.93 439.66
441.35"""


def macd(close: np.ndarray, fast: int = 12, slow: int = 26, signal: int = 9) -> dict[str, np.ndarray]:
    return whole(Macd({"fast_period": fast, "slow_period": slow, "signal_period": signal}), close)


def test_macd_of_the_invest_excel_sheet_gives_its_values(backend: str) -> None:
    close = np.array(INVEST_EXCEL.split(), dtype=float)
    values = macd(close)
    line, signal, histogram = values["macd"], values["signal"], values["histogram"]
    expected_line = [8.275269503907623, 7.703378381457, 0.102981491199, -2.070558190095, 2.762561215825]
    np.testing.assert_allclose(line[[25, 26, 31, 33, 65]], expected_line, rtol=1e-9, atol=1e-9)
    expected_signal = [3.037525868734, 1.905652229336, -1.338100412583, 3.960601296779]
    np.testing.assert_allclose(signal[[33, 34, 39, 65]], expected_signal, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(histogram[33], -5.108084058829, rtol=1e-9)
    assert whole(Ema({"period": 12}), close)["ema"][11] == pytest.approx(440.8975, rel=1e-9)
    assert whole(Ema({"period": 26}), close)["ema"][25] == pytest.approx(443.28961538, rel=1e-9)


def test_macd_of_the_skender_series_equals_the_published_results(shared_data: Path, backend: str) -> None:
    close = pq.read_table(shared_data / "skender_default_SPY_1d.parquet")["close"].to_numpy()
    published = pd.read_json(shared_data / "expected" / "macd.standard.json")
    values = macd(close)
    for name in ("macd", "signal", "histogram"):
        np.testing.assert_allclose(values[name], published[name].to_numpy(), rtol=1e-9, atol=1e-9)
    assert np.count_nonzero(np.isfinite(values["macd"])) == 477
    assert np.count_nonzero(np.isfinite(values["signal"])) == 469


def test_macd_of_the_talib_regression_series_ends_on_its_constants(shared_data: Path, backend: str) -> None:
    close = pd.read_csv(shared_data / "expected" / "talib_regtest_close.csv")["close"].to_numpy()
    values = macd(close)
    # TA-Lib starts its fast average later: the two meet with time
    assert values["macd"][-1] == pytest.approx(0.90400930, abs=5.1e-9)
    assert values["signal"][-1] == pytest.approx(1.40459423, abs=5.1e-9)
    theirs = talib.MACD(close, 12, 26, 9)
    assert theirs[0][33] == pytest.approx(-1.9738, abs=0.01)
    assert theirs[1][33] == pytest.approx(-2.7071, abs=0.01)
    assert values["macd"][-1] == pytest.approx(theirs[0][-1], abs=1e-9)
    assert values["signal"][-1] == pytest.approx(theirs[1][-1], abs=1e-9)


series = st.builds(
    make_series,
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(0, 100).map(lambda part: round(2_000 ** (part / 100))),
    exponent=st.floats(-8, 8),
)
periods = st.tuples(st.integers(1, 25), st.integers(26, 50), st.integers(1, 20))


def close_to(values: dict[str, np.ndarray], expected: dict[str, np.ndarray], unit: float) -> None:
    """Differences of averages are as exact as the averages: 1e-9 of the price."""
    for name, value in values.items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-9, atol=1e-9 * unit)


@settings(max_examples=3_500, deadline=None)
@given(series, periods)
@example(np.full(2_000, 1e-8), (12, 26, 9))
def test_macd_of_any_series_equals_the_slow_loop(close: np.ndarray, spans: tuple[int, int, int]) -> None:
    close_to(macd(close, *spans), exact_macd(close, *spans), close.max())


@settings(max_examples=1_000, deadline=None)
@given(series, periods)
def test_macd_of_any_series_is_made_of_talib_averages(close: np.ndarray, spans: tuple[int, int, int]) -> None:
    fast, slow, signal = spans
    assume(fast > 1 and signal > 1)
    line = talib.EMA(close, fast) - talib.EMA(close, slow)  # each seeded on its own first values
    expected = np.full(len(close), np.nan)
    if len(close) >= slow:
        expected[slow - 1 :] = talib.EMA(line[slow - 1 :].copy(), signal)
    close_to(
        macd(close, *spans), {"macd": line, "signal": expected, "histogram": line - expected}, close.max()
    )


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_macd_meets_talibs_after_its_other_seed_has_faded(seed: int) -> None:
    close = make_series(seed, 1_500, 2.0)
    values = macd(close)
    theirs = talib.MACD(close, 12, 26, 9)
    for ours, other in zip((values["macd"], values["signal"], values["histogram"]), theirs, strict=True):
        np.testing.assert_allclose(ours[700:], other[700:], rtol=1e-9, atol=1e-9 * close.max())


@settings(max_examples=100, deadline=None)
@given(series)
def test_macd_of_any_series_equals_talipp(close: np.ndarray) -> None:
    values = macd(close)
    for row, theirs in enumerate(talipp.indicators.MACD(12, 26, 9, close.tolist())):
        for name in ("macd", "signal", "histogram"):
            value = getattr(theirs, name, None)
            if value is not None:
                assert values[name][row] == pytest.approx(value, rel=1e-9, abs=1e-9 * close.max())
    assert len(close) < 26 or np.isfinite(values["macd"][25])


@settings(max_examples=300, deadline=None)
@given(series, periods, st.integers(-20, 20))
def test_macd_of_a_scaled_series_is_scaled(
    close: np.ndarray, spans: tuple[int, int, int], power: int
) -> None:
    doubled, values = macd(close * 2.0**power, *spans), macd(close, *spans)
    assert same_bits(doubled, {name: value * 2.0**power for name, value in values.items()})
    close_to(macd(close * 3.7, *spans), {name: 3.7 * value for name, value in values.items()}, close.max())


@settings(max_examples=300, deadline=None)
@given(series, periods)
def test_macd_of_a_shifted_series_is_the_same(close: np.ndarray, spans: tuple[int, int, int]) -> None:
    close_to(macd(close + close.max(), *spans), macd(close, *spans), close.max())


@settings(max_examples=300, deadline=None)
@given(series, periods)
def test_macd_of_a_negated_series_is_negated(close: np.ndarray, spans: tuple[int, int, int]) -> None:
    assert same_bits(macd(-close, *spans), {name: -value for name, value in macd(close, *spans).items()})


@settings(max_examples=300, deadline=None)
@given(series, periods, st.floats(0, 1))
def test_macd_of_a_prefix_is_the_prefix(close: np.ndarray, spans: tuple[int, int, int], part: float) -> None:
    rows = int(part * len(close))
    prefix = {name: value[:rows] for name, value in macd(close, *spans).items()}
    assert same_bits(macd(close[:rows], *spans), prefix)


def test_macd_with_fast_not_below_slow_is_refused_in_one_sentence() -> None:
    with pytest.raises(ParameterError, match="fast_period must be smaller than slow_period, got 26 and 12"):
        Macd({"fast_period": 26, "slow_period": 12})


@pytest.mark.parametrize("name", ["fast_period", "slow_period", "signal_period"])
def test_macd_with_a_period_of_zero_is_refused(name: str) -> None:
    with pytest.raises(ParameterError, match=f"indicator 'macd': parameter '{name}'"):
        Macd({name: 0})
