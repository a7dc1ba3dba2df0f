"""Both forms of every trade kernel, and Python's own interpretation of the loops, give the same bits."""

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratkernel import SignalType
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.signals import SignalTable
from stratkernel.engine.kernels.accuracy_kernels import count_hits
from stratkernel.engine.kernels.dispatch import Backend, use
from stratkernel.engine.kernels.equity_kernels import equity_at, equity_curve, max_drawdown
from stratkernel.engine.kernels.trade_kernels import match_signals
from stratkernel.engine.performance import Costs, evaluate
from stratkernel.testing.candles import random_walk
from trading import made_candles, signal_table

needs_numba = pytest.mark.skipif(find_spec("numba") is None, reason="the extra 'fast' is not installed")


def outcome(candles: Candles, signals: SignalTable, costs: Costs, backend: Backend) -> list[bytes]:
    """All numbers of an evaluation, to the bit."""
    with use(backend):
        done = evaluate(candles, signals, costs)
        arrays = [*done.trades.arrays, done.equity, done.trades.liquidated]
        numbers = [repr(done.metrics).encode()]
    return numbers + [array.tobytes() for array in arrays]


def scene(seed: int, rows: int, signals: int, jump: float) -> tuple[Candles, SignalTable]:
    rng = np.random.default_rng(seed)
    close = random_walk(rows, seed, volatility=jump)
    opens = close * np.exp(rng.normal(0, jump / 3, rows))
    candles = made_candles(close.tolist(), opens.tolist(), timeframe="1h")
    events = {(int(r), SignalType(int(k))) for r, k in rng.integers((0, 0), (rows, 5), (signals, 2))}
    return candles, signal_table(candles, sorted(events))


scenes = st.builds(
    scene,
    seed=st.integers(0, 10_000),
    rows=st.sampled_from([1, 2, 3, 50, 255, 256, 257, 1_000, 5_000]),
    signals=st.sampled_from([0, 1, 2, 10, 300]),
    jump=st.sampled_from([0.001, 0.02, 0.2]),
)
costs = st.builds(
    Costs,
    fill=st.sampled_from(["next_open", "close"]),
    fee_bps=st.sampled_from([0.0, 3.0, 500.0]),
    slippage_bps=st.sampled_from([0.0, 1.0, 6_000.0]),
)


@needs_numba
@settings(max_examples=300, deadline=None)
@given(scenes, costs)
def test_compiled_loops_equal_the_arrays_form_bit_for_bit(
    made: tuple[Candles, SignalTable], chosen: Costs
) -> None:
    assert outcome(*made, chosen, "arrays") == outcome(*made, chosen, "numba")


@pytest.mark.parametrize("fill", ["next_open", "close"])
@pytest.mark.parametrize("seed", range(6))
def test_plain_loops_equal_the_arrays_form_bit_for_bit(
    seed: int, fill: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    candles, signals = scene(seed, 3_000, 400, 0.02)
    chosen = replace(Costs(fee_bps=2, slippage_bps=1), fill=fill)  # type: ignore[arg-type] # one of the two
    expected = outcome(candles, signals, chosen, "arrays")
    for kernel in (match_signals, max_drawdown, equity_curve, count_hits):
        monkeypatch.setattr(kernel, "arrays", kernel.loop)
    assert outcome(candles, signals, chosen, "arrays") == expected


@settings(max_examples=200, deadline=None)
@given(scenes, costs)
def test_max_drawdown_without_a_curve_equals_that_of_the_curve(
    made: tuple[Candles, SignalTable], chosen: Costs
) -> None:
    done = evaluate(*made, chosen)
    peaks = np.maximum.accumulate(done.equity)
    if peaks[0] <= 0:
        assert done.metrics["max_drawdown"] is None
    else:
        assert done.metrics["max_drawdown"] == float(np.min(done.equity / peaks)) - 1.0


def test_max_drawdown_of_one_long_position_reaches_over_all_pieces_of_its_scan() -> None:
    close = np.concatenate((np.linspace(50, 200, 100), np.linspace(199, 20, 39_900)))
    candles = made_candles(close.tolist(), timeframe="1h")
    done = evaluate(candles, signal_table(candles, [(0, SignalType.ENTRY_LONG)]), Costs())
    assert done.metrics["max_drawdown"] == pytest.approx(-0.9, rel=1e-12)


@settings(max_examples=100, deadline=None)
@given(scenes, costs)
def test_equity_at_some_rows_equals_the_curve_bit_for_bit(
    made: tuple[Candles, SignalTable], chosen: Costs
) -> None:
    done = evaluate(*made, chosen)
    rows = np.arange(len(made[0]))
    some = equity_at(rows, made[0].columns.close, done.trades.arrays, chosen.rates)
    assert some.tobytes() == done.equity.tobytes()


def test_match_signals_scans_only_shorts_that_their_blocks_may_ruin() -> None:
    close = np.full(1_000, 10.0)
    close[300] = 25.0  # in the block of the second short, after its exit
    candles = made_candles(close.tolist())
    events = [(0, SignalType.ENTRY_SHORT), (5, SignalType.EXIT_SHORT), (260, SignalType.ENTRY_SHORT)]
    done = evaluate(candles, signal_table(candles, [*events, (280, SignalType.EXIT_SHORT)]), Costs())
    assert done.trades.liquidated.tolist() == [False, False]
    done = evaluate(candles, signal_table(candles, events), Costs())
    assert done.trades.liquidated.tolist() == [False, True]
    assert done.trades.exit_row.tolist() == [6, 300]


def test_match_signals_finds_the_ruin_of_a_short_in_a_later_block() -> None:
    close = np.full(1_000, 10.0)
    close[600] = 25.0
    candles = made_candles(close.tolist())
    events = [(250, SignalType.ENTRY_SHORT), (620, SignalType.EXIT_SHORT)]
    trades = evaluate(candles, signal_table(candles, events), Costs()).trades
    assert (trades.exit_row.tolist(), trades.liquidated.tolist()) == ([600], [True])
