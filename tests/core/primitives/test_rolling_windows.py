"""`stratkernel.rolling`: the right values, and the same bits wherever the window stands."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratkernel import rolling
from stratkernel.engine.kernels.dispatch import use

FORMS = ("arrays", "numba")
NAMES = ("sum", "mean", "var", "std", "min", "max", "median", "rank")
each_reduction = pytest.mark.parametrize("name", NAMES)


def reduction(name: str) -> Callable[[np.ndarray, int], np.ndarray]:
    return getattr(rolling, name)  # type: ignore[no-any-return]


def line(seed: int, rows: int) -> np.ndarray:
    """Ties, flat runs, zeros of both signs and jumps."""
    rng = np.random.default_rng(seed)
    values = np.round(np.cumsum(rng.normal(0, 1, rows)), int(rng.integers(0, 8)))
    for _ in range(3):
        start = rng.integers(0, rows)
        values[start : start + rng.integers(1, 60)] = values[start]
    values[rng.random(rows) < 0.05] = rng.choice([0.0, -0.0, 1e6, -1e-6])
    return values


lines = st.builds(line, st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 30, 300, 5_000]))
windows = st.integers(2, 70)


def same(one: np.ndarray, other: np.ndarray) -> bool:
    """Equal to the bit, the sign of zero included."""
    return np.array_equal(one.view(np.int64)[~np.isnan(one)], other.view(np.int64)[~np.isnan(other)]) and (
        np.array_equal(np.isnan(one), np.isnan(other))
    )


@each_reduction
@settings(max_examples=60, deadline=None)
@given(values=lines, window=windows)
def test_compiled_loop_equals_arrays_bit_for_bit(name: str, values: np.ndarray, window: int) -> None:
    with use("numba"):
        compiled = reduction(name)(values, window)
    with use("arrays"):
        assert same(reduction(name)(values, window), compiled)


@each_reduction
@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=60, deadline=None)
@given(values=lines, window=windows, part=st.floats(0, 1))
def test_value_depends_on_its_own_window_alone(
    form: Any, name: str, values: np.ndarray, window: int, part: float
) -> None:
    start = int(part * len(values))
    with use(form):
        whole = reduction(name)(values, window)
        later = reduction(name)(values[start:], window)
    assert same(later[window - 1 :], whole[start + window - 1 :])
    assert np.isnan(later[: window - 1]).all()


@pytest.mark.parametrize(
    ("name", "window"),
    # with ddof = 1 one value has no variance
    [
        (name, window)
        for name in NAMES
        for window in (1, 2, 5, 64, 200)
        if window > 1 or name not in {"var", "std"}
    ],
)
def test_reduction_equals_pandas(name: str, window: int) -> None:
    values = 100 + np.cumsum(np.random.default_rng(2).normal(0, 1, 3_000)).round(1)
    expected = getattr(pd.Series(values).rolling(window), name)().to_numpy()
    np.testing.assert_allclose(reduction(name)(values, window), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e-8, 123_456.789])
def test_flat_window_has_its_own_value_as_mean_and_no_deviation(form: Any, value: float) -> None:
    flat = np.full(100, value)
    with use(form):
        assert (rolling.mean(flat, 7)[6:] == value).all()
        assert (rolling.std(flat, 7)[6:] == 0.0).all()
        assert (rolling.median(flat, 8)[7:] == value).all()
        assert (rolling.rank(flat, 7)[6:] == 4.0).all()


def test_sum_adds_from_the_oldest_row_to_the_newest() -> None:
    values = np.array([1e16, 1.0, -1e16, 1.0])
    assert rolling.sum(values, 4)[3] == ((1e16 + 1.0) - 1e16) + 1.0


def test_var_after_a_price_a_thousand_times_as_high_is_that_of_its_window() -> None:
    values = np.concatenate((np.full(50, 1e8), np.linspace(1.0, 2.0, 50)))
    window = [Fraction(x) for x in values[-10:].tolist()]
    mean = sum(window) / 10
    exact = float(sum((x - mean) ** 2 for x in window) / 9)
    assert rolling.var(values, 10)[-1] == pytest.approx(exact, rel=1e-12)
    assert rolling.var(values, 10, ddof=0)[-1] == pytest.approx(exact * 0.9, rel=1e-12)


@each_reduction
@pytest.mark.parametrize("form", FORMS)
def test_window_that_holds_a_nan_gives_nan_and_the_next_is_whole(form: Any, name: str) -> None:
    values = np.arange(40.0)
    values[[10, 12]] = np.nan
    with use(form):
        result = reduction(name)(values, 5)
    assert np.array_equal(np.isnan(result), [row < 4 or 10 <= row <= 16 for row in range(40)])
    assert same(result[17:], reduction(name)(np.arange(40.0), 5)[17:] if name != "rank" else np.full(23, 5.0))


@each_reduction
@pytest.mark.parametrize("form", FORMS)
def test_fewer_rows_than_the_window_are_all_undefined(form: Any, name: str) -> None:
    with use(form):
        for rows in (0, 1, 4):
            assert np.isnan(reduction(name)(np.ones(rows), 5)).all()
            assert len(reduction(name)(np.ones(rows), 5)) == rows


@each_reduction
def test_input_is_not_changed(name: str) -> None:
    values = line(4, 300)
    before = values.copy()
    values.flags.writeable = False
    reduction(name)(values, 12)
    assert same(values, before)


@each_reduction
def test_window_below_one_row_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="got 0"):
        reduction(name)(np.ones(3), 0)


def test_var_of_a_window_not_longer_than_ddof_is_refused() -> None:
    with pytest.raises(ValueError, match="more than ddof = 1 rows, got 1"):
        rolling.var(np.ones(3), 1)
