"""Trades carried from chunk to chunk, for signals that no strategy gives."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratkernel import Candles, ExitRules, SignalType
from stratkernel.engine.kernels.dispatch import numba_available, use
from stratkernel.engine.performance import evaluate
from stratkernel.engine.run import rows_between
from stratkernel.engine.streaming.performance_fold import PerformanceFold, StreamedPerformance
from stratkernel.engine.trades import Costs
from stratkernel.testing.candles import candles_from_close
from trading import made_candles, signal_table

BACKENDS = [
    "arrays",
    pytest.param(
        "numba", marks=pytest.mark.skipif(not numba_available(), reason="the extra [fast] is not installed")
    ),
]
TYPES = [*SignalType]


def streamed(
    candles: Candles, events: list[tuple[int, SignalType]], costs: Costs, exits: ExitRules, cuts: list[int]
) -> StreamedPerformance:
    table = signal_table(candles, events)
    fold = PerformanceFold(costs, exits)
    bounds = sorted({0, *(cut for cut in cuts if 0 < cut < len(candles)), len(candles)})
    for start, stop in pairwise(bounds):
        fold.advance(candles.slice(start, stop), rows_between(table, start, stop))
    return fold.result()


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=80)
@given(
    seed=st.integers(0, 100_000),
    wild=st.booleans(),
    cuts=st.lists(st.integers(1, 59), max_size=60),
    events=st.lists(st.tuples(st.integers(0, 59), st.sampled_from(TYPES)), max_size=50, unique=True),
    fill=st.sampled_from(["next_open", "close"]),
    costs=st.sampled_from([(0.0, 0.0), (10.0, 5.0), (500.0, 300.0)]),
    exits=st.sampled_from([ExitRules(), ExitRules(stop_loss=0.1, trailing_stop=0.2), ExitRules(max_bars=3)]),
)
def test_trade_fold_any_signals_and_cuts_give_the_trades_of_all_at_once(
    backend: str,
    seed: int,
    wild: bool,
    cuts: list[int],
    events: list[tuple[int, SignalType]],
    fill: str,
    costs: tuple[float, float],
    exits: ExitRules,
) -> None:
    random = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(random.normal(0, 0.4 if wild else 0.02, 60)))
    candles = candles_from_close(close)
    given_costs = Costs(fill, *costs)  # type: ignore[arg-type]
    with use(backend):  # type: ignore[arg-type]
        whole = evaluate(candles, signal_table(candles, events), given_costs, exits)
        parts = streamed(candles, events, given_costs, exits, cuts)
    for name in whole.trades.arrays._fields:
        one, other = getattr(whole.trades.arrays, name), getattr(parts.trades.arrays, name)
        assert one.tobytes() == other.tobytes(), name
    assert parts.to_dict() == whole.to_dict()


@pytest.mark.parametrize("fill", ["next_open", "close"])
@pytest.mark.parametrize("exits", [ExitRules(), ExitRules(max_bars=1_000)])
def test_trade_fold_short_that_is_ruined_in_a_later_chunk_is_liquidated(fill: str, exits: ExitRules) -> None:
    candles = made_candles([100.0] * 10 + [90.0] * 10 + [250.0] + [80.0] * 9)
    events = [(2, SignalType.ENTRY_SHORT), (25, SignalType.EXIT_SHORT), (26, SignalType.ENTRY_LONG)]
    costs = Costs(fill)  # type: ignore[arg-type]
    whole = evaluate(candles, signal_table(candles, events), costs, exits)
    assert whole.trades.ends_liquidated
    for size in (1, 4, 19, 21):
        parts = streamed(candles, events, costs, exits, list(range(size, 30, size)))
        assert parts.trades.ends_liquidated
        assert parts.to_dict() == whole.to_dict()


def test_trade_fold_signal_of_a_chunk_s_last_candle_is_filled_at_the_next_open() -> None:
    candles = made_candles([10.0, 11.0, 12.0, 13.0], [10.0, 10.5, 11.5, 12.5])
    events = [(1, SignalType.ENTRY_LONG), (2, SignalType.EXIT_LONG)]
    trades = streamed(candles, events, Costs(), ExitRules(), [2, 3]).trades
    assert trades.entry_price.tolist() == [11.5]
    assert trades.exit_price.tolist() == [12.5]
    assert trades.entry_time.tolist() == [int(candles.open_time[2])]
