"""`smooth` against rule R written out, and against itself in other portions and forms."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stratkernel.engine.kernels.dispatch import use
from stratkernel.primitives import SMOOTH_START, SmoothState, smooth, smooth_step

FORMS = ("arrays", "numba")


def by_the_rule(values: np.ndarray, period: int, wilder: bool) -> np.ndarray:
    """Section 4 of the conventions, one line after the other."""
    com = period - 1 if wilder else (period - 1) / 2
    alpha = 1 / (1 + com)
    out = np.full(len(values), np.nan)
    total = 0.0
    for row, x in enumerate(values.tolist()):
        if row < period:
            total += x
            e = total / period
        elif x != e:
            e = (1 - alpha) * e + alpha * x
        if row >= period - 1:
            out[row] = e
    return out


def market(seed: int, rows: int) -> np.ndarray:
    """A walk in ticks with a long flat stretch: lanes that start from a guess do not meet on it."""
    rng = np.random.default_rng(seed)
    walk = np.round(100 * np.exp(np.cumsum(rng.normal(0, 10.0 ** rng.uniform(-6, -1), rows))), 2)
    start, length = rng.integers(0, rows), rng.integers(1, rows + 1)
    walk[start : start + length] = walk[start]
    return walk


markets = st.builds(market, st.integers(0, 2**32 - 1), st.sampled_from([1, 3, 40, 700, 5_000]))


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=150, deadline=None)
@given(values=markets, period=st.integers(1, 150), wilder=st.booleans())
@example(values=np.full(5_000, 0.1), period=3, wilder=False)
@example(values=np.full(5_000, 0.1), period=1, wilder=True)
def test_smooth_equals_the_rule_bit_for_bit(form: Any, values: np.ndarray, period: int, wilder: bool) -> None:
    with use(form):
        result, _ = smooth(values, period, wilder=wilder)
    assert np.array_equal(result, by_the_rule(values, period, wilder), equal_nan=True)


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=150, deadline=None)
@given(
    values=markets,
    period=st.integers(1, 150),
    wilder=st.booleans(),
    cuts=st.lists(st.integers(0, 5_000), max_size=6),
)
def test_smooth_in_any_portions_equals_the_whole(
    form: Any, values: np.ndarray, period: int, wilder: bool, cuts: list[int]
) -> None:
    with use(form):
        whole, end = smooth(values, period, wilder=wilder)
        state, parts = SMOOTH_START, []
        for portion in np.split(values, sorted(cuts)):
            part, state = smooth(portion, period, state, wilder=wilder)
            parts.append(part)
    assert np.array_equal(np.concatenate(parts), whole, equal_nan=True)
    assert state == end


@pytest.mark.parametrize("wilder", [False, True])
def test_smooth_step_equals_smooth(wilder: bool) -> None:
    values = market(3, 5_000)
    state, stepped = SMOOTH_START, []
    for x in values.tolist():
        value, state = smooth_step(x, 21, state, wilder=wilder)
        stepped.append(value)
    result, end = smooth(values, 21, wilder=wilder)
    assert np.array_equal(result, stepped, equal_nan=True)
    assert state == end


@pytest.mark.parametrize("period", [2, 7, 100, 599])
def test_smooth_continues_as_pandas_ewm(period: int) -> None:
    values = market(5, 5_000)
    with use("numba"):
        result, _ = smooth(values, period)
    after = pd.Series(np.concatenate((result[period - 1 : period], values[period:])))
    expected = after.ewm(com=(period - 1) / 2, adjust=False).mean().to_numpy()
    assert np.array_equal(result[period - 1 :], expected)


def test_smooth_compiled_where_all_lanes_miss_still_equals_the_rule() -> None:
    values = np.concatenate((market(1, 3_000), np.full(60_000, 123.45)))
    with use("numba"):
        result, _ = smooth(values, 500)
    assert np.array_equal(result, by_the_rule(values, 500, wilder=False), equal_nan=True)


@pytest.mark.parametrize("form", FORMS)
def test_smooth_leaves_its_inputs_alone_and_fills_out(form: Any) -> None:
    values = np.arange(2_000.0)
    before, out = values.copy(), np.empty(2_000)
    state = SmoothState(seen=3, total=6.0, value=0.0)
    with use(form):
        result, after = smooth(values, 5, state, out=out)
    assert result is out
    assert np.array_equal(values, before)
    assert state == (3, 6.0, 0.0)
    assert out[1] == (6.0 + 0.0 + 1.0) / 5
    assert after.seen == 5


@pytest.mark.parametrize("form", FORMS)
def test_smooth_of_no_rows_keeps_the_state(form: Any) -> None:
    for state in (SMOOTH_START, SmoothState(5, 10.0, 2.5)):
        with use(form):
            result, after = smooth([], 5, state)
        assert len(result) == 0
        assert after == state


def test_smooth_accepts_lists_whole_numbers_and_strided_views() -> None:
    expected, _ = smooth(np.array([1.0, 2.0, 3.0, 4.0]), 2)
    for values in ([1, 2, 3, 4], np.array([1, 2, 3, 4]), np.array([1.0, 9, 2, 9, 3, 9, 4, 9])[::2]):
        assert np.array_equal(smooth(values, 2)[0], expected, equal_nan=True)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: smooth([1.0], 0), "expected 1 or more, got 0"),
        (lambda: smooth([1.0, 2.0], 2, out=np.empty(3)), r"`out` has shape \(3,\), the values have \(2,\)"),
        (lambda: smooth(np.ones((2, 2)), 2), r"expected one dimension, got an array of shape \(2, 2\)"),
    ],
)
def test_smooth_with_arguments_that_do_not_fit_says_which(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_smooth_state_is_restored_from_a_plain_tuple() -> None:
    assert SmoothState.restore((4, 10.0, 2.5)) == SmoothState(seen=4, total=10.0, value=2.5)
