"""`ema`, `rsi` and `macd` are folds: the same bits whole, in chunks, candle by candle and after a restart."""

from itertools import repeat
from typing import Any

import numpy as np
import pytest

from indicator_oracles import close_columns, in_chunks, same_bits, step_by_step, whole
from stratkernel.engine.kernels.dispatch import use
from stratkernel_ema.indicator import Ema
from stratkernel_macd.indicator import Macd
from stratkernel_rsi.indicator import Rsi

INDICATORS = [
    Ema({"period": 1}),
    Ema({"period": 12}),
    Ema({"period": 200}),
    Rsi({"period": 2}),
    Rsi(),
    Macd(),
    Macd({"fast_period": 1, "slow_period": 2, "signal_period": 1}),
]
of_all = pytest.mark.parametrize("indicator", INDICATORS, ids=lambda made: f"{made.name}-{made.params}")


@of_all
@pytest.mark.parametrize("market", ["flat", "halted", "jumps"])
@pytest.mark.parametrize("size", [7, 64, 1000])
def test_advance_in_chunks_on_made_markets_equals_the_whole(
    indicator: Any, market: str, size: int, backend: str, made_closes: Any
) -> None:
    close = made_closes(market)[: 500 * size + 4_000]
    assert same_bits(in_chunks(indicator, close, repeat(size)), whole(indicator, close))


@of_all
@pytest.mark.parametrize("market", ["flat", "halted", "jumps"])
def test_step_on_made_markets_equals_advance(
    indicator: Any, market: str, backend: str, made_closes: Any
) -> None:
    close = made_closes(market)
    assert same_bits(step_by_step(indicator, close), whole(indicator, close))


@of_all
@pytest.mark.parametrize("market", ["five minutes", "many flat minutes", "daily, with splits"])
def test_advance_on_real_candles_is_the_same_for_every_chunking_and_candle_by_candle(
    indicator: Any, market: str, backend: str, real_closes: Any
) -> None:
    close = real_closes(market)
    complete = whole(indicator, close)
    assert same_bits(in_chunks(indicator, close, repeat(1000)), complete)
    assert same_bits(in_chunks(indicator, close, [5, 0, 1, len(close)]), complete)
    assert same_bits(step_by_step(indicator, close), complete)
    beginning = {name: values[:1_500] for name, values in complete.items()}
    for size in (1, 7, 64):
        assert same_bits(in_chunks(indicator, close[:1_500], repeat(size)), beginning)


@of_all
@pytest.mark.parametrize("market", ["five minutes", "many flat minutes", "daily, with splits"])
def test_compiled_loop_on_real_candles_equals_arrays(indicator: Any, market: str, real_closes: Any) -> None:
    close = real_closes(market)
    with use("numba"):
        compiled = whole(indicator, close)
    with use("arrays"):
        assert same_bits(whole(indicator, close), compiled)


@of_all
def test_advance_one_candle_at_a_time_on_made_markets_equals_the_whole(
    indicator: Any, backend: str, made_closes: Any
) -> None:
    close = made_closes("jumps")[1_000:2_000]
    assert same_bits(in_chunks(indicator, close, repeat(1)), whole(indicator, close))


@of_all
def test_advance_of_zero_rows_gives_zero_rows_and_keeps_the_state(indicator: Any, backend: str) -> None:
    state = indicator.advance(close_columns(np.arange(1.0, 60.0)), indicator.initial_state())[1]
    values, after = indicator.advance(close_columns(np.empty(0)), state)
    assert all(len(array) == 0 for array in (values.values() if isinstance(values, dict) else [values]))
    assert after == state


@of_all
def test_advance_changes_neither_input_nor_state(indicator: Any, backend: str) -> None:
    columns = close_columns(np.linspace(1.0, 2.0, 700))
    state = indicator.advance(columns, indicator.initial_state())[1]
    kept = dict(state)
    first = indicator.advance(columns, state)[1]
    assert indicator.advance(columns, state)[1] == first
    assert state == kept


@of_all
def test_warm_up_is_as_long_as_declared(indicator: Any, backend: str, made_closes: Any) -> None:
    lookback = indicator.lookback()
    for name, values in whole(indicator, made_closes("jumps")).items():
        rows = lookback if isinstance(lookback, int) else lookback[name]
        assert np.isnan(values[:rows]).all()
        assert np.isfinite(values[rows:]).all()


@of_all
def test_values_after_settling_do_not_depend_on_where_the_history_begins(
    indicator: Any, made_closes: Any
) -> None:
    close = made_closes("jumps")[:9_000]
    late = whole(indicator, close[-indicator.settling() - 500 :])
    for name, values in whole(indicator, close).items():
        np.testing.assert_allclose(late[name][-500:], values[-500:], rtol=1e-9, atol=1e-9)
