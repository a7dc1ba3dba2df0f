"""Exit rules: by hand, against a plain account, in both forms of the kernel, in chunks, against an oracle."""

import warnings
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exiting import account_after
from stratkernel import SignalType, UsageError
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.columns import candle_columns
from stratkernel.contracts.signals import SignalTable
from stratkernel.contracts.state import decode_state, encode_state
from stratkernel.engine.exits import EXIT_REASONS, ExitRules, parse_fraction, split_exits
from stratkernel.engine.kernels.dispatch import use
from stratkernel.engine.kernels.exit_kernels import follow_position
from stratkernel.engine.performance import Costs, evaluate
from stratkernel.engine.position import PositionFold
from stratkernel.engine.trades import TradeTable, simulate_trades
from stratkernel.testing.candles import random_walk
from trading import at_times, made_candles, signal_table

with warnings.catch_warnings():
    # Not ours: it looks for Jupyter and multiprocessing start methods when it is imported.
    warnings.simplefilter("ignore")
    backtesting = pytest.importorskip("backtesting", reason="the oracle backtesting.py is not installed")

needs_numba = pytest.mark.skipif(find_spec("numba") is None, reason="the extra 'fast' is not installed")
LONG, SHORT = SignalType.ENTRY_LONG, SignalType.ENTRY_SHORT
EXIT = SignalType.EXIT_LONG


def bars(*rows: tuple[float, float, float, float]) -> Candles:
    """Candles of (open, high, low, close)."""
    values = np.array(rows, dtype=np.float64)
    candles = made_candles(values[:, 3].tolist())
    arrays = dict(zip(("open", "high", "low", "close"), values.T, strict=True))
    columns = candle_columns(arrays | {"volume": np.ones(len(rows))}, candles.close_time)
    return Candles(candles.symbol, candles.timeframe, candles.open_time, columns, candles.calendar)


def flat(count: int) -> list[tuple[float, float, float, float]]:
    return [(100.0, 100.0, 100.0, 100.0)] * count


def traded(
    candles: Candles, *events: tuple[int, SignalType], fill: Any = "next_open", **rules: Any
) -> TradeTable:
    return simulate_trades(candles, signal_table(candles, events), Costs(fill=fill), ExitRules(**rules))


def last_exit(trades: TradeTable) -> tuple[int, float, str]:
    return int(trades.exit_row[-1]), float(trades.exit_price[-1]), trades.exit_reason[-1]


def test_stop_loss_within_a_candle_is_filled_at_the_stop() -> None:
    candles = bars(*flat(2), (100, 101, 97, 99), *flat(1))
    trades = traded(candles, (0, LONG), stop_loss=0.02)
    assert last_exit(trades) == (2, 98.0, "stop_loss")
    assert trades.exit_time[0] == candles.close_time[2]
    assert trades.within_candle.tolist() == [True]


def test_stop_loss_that_the_open_gapped_through_is_filled_at_the_open() -> None:
    candles = bars(*flat(2), (95, 96, 90, 91), *flat(1))
    trades = traded(candles, (0, LONG), stop_loss=0.02)
    assert last_exit(trades) == (2, 95.0, "stop_loss")
    assert trades.exit_time[0] == candles.open_time[2]
    assert trades.within_candle.tolist() == [False]


def test_stop_and_target_in_one_candle_counts_the_stop() -> None:
    candles = bars(*flat(2), (100, 110, 90, 100), *flat(1))
    assert last_exit(traded(candles, (0, LONG), stop_loss=0.02, take_profit=0.05)) == (2, 98.0, "stop_loss")
    assert last_exit(traded(candles, (0, SHORT), stop_loss=0.02, take_profit=0.05)) == (2, 102.0, "stop_loss")


def test_target_that_the_open_is_beyond_is_filled_at_the_open_before_any_stop() -> None:
    candles = bars(*flat(2), (107, 110, 90, 100), *flat(1))
    assert last_exit(traded(candles, (0, LONG), stop_loss=0.02, take_profit=0.05)) == (
        2,
        107.0,
        "take_profit",
    )


def test_take_profit_within_a_candle_is_filled_at_the_target() -> None:
    candles = bars(*flat(2), (100, 106, 99, 104), *flat(1))
    assert last_exit(traded(candles, (0, LONG), take_profit=0.05)) == (2, 105.0, "take_profit")
    candles = bars(*flat(2), (100, 101, 94, 96), *flat(1))
    assert last_exit(traded(candles, (0, SHORT), take_profit=0.05)) == (2, 95.0, "take_profit")


def test_levels_hold_from_the_candle_of_a_fill_at_its_open() -> None:
    candles = bars(*flat(1), (100, 101, 97, 99), *flat(1))
    trades = traded(candles, (0, LONG), stop_loss=0.02)
    assert (trades.entry_row.tolist(), last_exit(trades)) == ([1], (1, 98.0, "stop_loss"))
    assert len(traded(candles, (1, LONG), fill="close", stop_loss=0.02)) == 1
    assert last_exit(traded(candles, (1, LONG), fill="close", stop_loss=0.02))[2] == "open"


def test_trailing_stop_follows_highs_of_earlier_candles_only() -> None:
    candles = bars(*flat(1), (100, 101, 100, 101), (101, 120, 100, 119), (119, 119, 113, 114), *flat(1))
    trades = traded(candles, (0, LONG), trailing_stop=0.05)
    # at 120 the stop would be 114; the candle of that high falls to 100 without touching 101 * 0.95
    assert last_exit(trades) == (3, 114.0, "trailing_stop")


def test_trailing_stop_of_a_short_follows_the_lows() -> None:
    candles = bars(*flat(2), (100, 100, 80, 82), (82, 89, 82, 88), *flat(1))
    assert last_exit(traded(candles, (0, SHORT), trailing_stop=0.1)) == (3, 88.0, "trailing_stop")


def test_trailing_stop_beyond_the_stop_loss_takes_its_place() -> None:
    candles = bars(*flat(2), (100, 110, 100, 110), (110, 110, 100, 101), *flat(1))
    assert last_exit(traded(candles, (0, LONG), stop_loss=0.02, trailing_stop=0.05)) == (
        3,
        104.5,
        "trailing_stop",
    )


@pytest.mark.parametrize(("fill", "entry"), [("next_open", 1), ("close", 0)])
def test_longest_holding_time_leaves_at_the_fill_after_so_many_candles(fill: str, entry: int) -> None:
    trades = traded(bars(*flat(9)), (0, LONG), fill=fill, max_bars=3)
    assert (trades.entry_row.tolist(), trades.exit_row.tolist()) == ([entry], [entry + 3])
    assert trades.exit_reason == ["max_bars"]


def test_longest_holding_time_that_ends_at_an_entry_lets_it_in_at_the_same_price() -> None:
    trades = traded(bars(*flat(9)), (0, LONG), (3, LONG), max_bars=3)
    assert trades.entry_row.tolist() == [1, 4]
    assert trades.exit_reason == ["max_bars", "max_bars"]


def test_exit_signal_after_a_stop_does_nothing_and_the_next_entry_counts() -> None:
    candles = bars(*flat(2), (100, 100, 97, 98), *flat(5))
    trades = traded(candles, (0, LONG), (2, LONG), (4, EXIT), stop_loss=0.02)
    assert trades.exit_reason == ["stop_loss", "signal"]
    assert (trades.entry_row.tolist(), trades.exit_row.tolist()) == ([1, 3], [2, 5])


def test_stop_at_the_close_fill_comes_before_the_entry_of_the_same_candle() -> None:
    candles = bars(*flat(1), (100, 100, 97, 98), *flat(2))
    trades = traded(candles, (0, LONG), (1, LONG), fill="close", stop_loss=0.02)
    assert (trades.entry_row.tolist(), trades.exit_reason) == ([0, 1], ["stop_loss", "open"])


def test_short_that_a_gap_ruins_below_its_stop_enters_nothing_any_more() -> None:
    candles = bars(*flat(2), (250, 260, 240, 250), *flat(3))
    trades = traded(candles, (0, SHORT), (3, LONG), stop_loss=0.02)
    assert (last_exit(trades), len(trades)) == ((2, 250.0, "stop_loss"), 1)


def test_evaluate_with_exits_tells_them_and_their_reasons() -> None:
    candles = bars(*flat(2), (100, 100, 97, 98), *flat(2))
    done = evaluate(candles, signal_table(candles, [(0, LONG)]), Costs(), ExitRules(stop_loss=0.02))
    assert done.to_dict()["exits"] == {"stop_loss": 0.02}
    assert done.trades.to_dicts()[0]["exit_reason"] == "stop_loss"
    assert done.trades.frame["exit_reason"].tolist() == ["stop_loss"]
    assert done.metrics["total_return"] == pytest.approx(-0.02)
    assert done.equity.tolist() == pytest.approx([10_000, 10_000, 9_800, 9_800, 9_800])
    assert done.metrics["exposure"] == pytest.approx(2 / 4)


def test_exit_reason_without_rules_tells_signal_open_and_liquidated() -> None:
    candles = made_candles([100.0, 100, 100, 100, 100, 250, 100])
    events = [(0, LONG), (1, EXIT), (3, SHORT)]
    trades = simulate_trades(candles, signal_table(candles, events), Costs())
    assert trades.exit_reason == ["signal", "liquidated"]
    assert simulate_trades(candles, signal_table(candles, [(0, LONG)]), Costs()).exit_reason == ["open"]


def scene(seed: int, rows: int, signals: int, jump: float) -> tuple[Candles, SignalTable]:
    """Candles with gaps and wicks, and signals of any type at any row."""
    rng = np.random.default_rng(seed)
    close = random_walk(rows, seed, volatility=jump)
    opens = close * np.exp(rng.normal(0, jump / 2, rows))
    wick = np.exp(np.abs(rng.normal(0, jump / 2, (2, rows))))
    high, low = np.maximum(opens, close) * wick[0], np.minimum(opens, close) / wick[1]
    candles = bars(*zip(opens, high, low, close, strict=True))
    events = {(int(r), SignalType(int(k))) for r, k in rng.integers((0, 0), (rows, 5), (signals, 2))}
    return candles, signal_table(candles, sorted(events))


scenes = st.builds(
    scene,
    seed=st.integers(0, 10_000),
    rows=st.sampled_from([1, 2, 3, 50, 300, 1_000]),
    signals=st.sampled_from([0, 1, 2, 10, 300]),
    jump=st.sampled_from([0.001, 0.02, 0.2]),
)
some_costs = st.builds(
    Costs,
    fill=st.sampled_from(["next_open", "close"]),
    fee_bps=st.sampled_from([0.0, 3.0, 500.0]),
    slippage_bps=st.sampled_from([0.0, 1.0, 300.0]),
)
some_rules = st.builds(
    ExitRules,
    stop_loss=st.sampled_from([None, 0.001, 0.02, 0.5]),
    take_profit=st.sampled_from([None, 0.001, 0.05, 2.0]),
    trailing_stop=st.sampled_from([None, 0.001, 0.03, 0.5]),
    max_bars=st.sampled_from([None, 1, 2, 7, 100]),
).filter(bool)


@settings(max_examples=250)
@given(scenes, some_costs, some_rules)
def test_trades_with_exits_equal_those_of_a_plain_account(
    made: tuple[Candles, SignalTable], costs: Costs, rules: ExitRules
) -> None:
    trades = simulate_trades(*made, costs, rules)
    account = account_after(*made, costs, rules)
    closed = slice(0, len(trades) - trades.ends_open)
    book = account.trades
    assert trades.entry_row[closed].tolist() == [trade.entry_row for trade in book]
    assert trades.exit_row[closed].tolist() == [trade.exit_row for trade in book]
    assert trades.exit_reason[closed] == [trade.reason for trade in book]
    assert trades.side[closed].tolist() == [trade.side for trade in book]
    wanted = np.array([trade.after for trade in book])
    np.testing.assert_allclose(trades.arrays.after[closed], wanted, rtol=1e-9, atol=1e-6)
    assert trades.ends_open == (account.side != 0)


@settings(max_examples=200)
@given(scenes, some_costs)
def test_rules_that_are_never_touched_give_the_trades_without_rules_bit_for_bit(
    made: tuple[Candles, SignalTable], costs: Costs
) -> None:
    plain = simulate_trades(*made, costs)
    far = simulate_trades(*made, costs, ExitRules(max_bars=1_000_000))
    assert [a.tobytes() for a in plain.arrays] == [a.tobytes() for a in far.arrays]
    assert plain.exit_reason == far.exit_reason
    assert plain.exit_price.tobytes() == far.exit_price.tobytes()
    assert plain.exit_time.tobytes() == far.exit_time.tobytes()


def bits(trades: TradeTable) -> list[bytes]:
    return [*(a.tobytes() for a in trades.arrays), trades.exit_codes.tobytes(), trades.exit_price.tobytes()]


@needs_numba
@settings(max_examples=200)
@given(scenes, some_costs, some_rules)
def test_compiled_loop_of_exits_equals_the_arrays_form_bit_for_bit(
    made: tuple[Candles, SignalTable], costs: Costs, rules: ExitRules
) -> None:
    with use("arrays"):
        expected = bits(simulate_trades(*made, costs, rules))
    with use("numba"):
        assert bits(simulate_trades(*made, costs, rules)) == expected


@pytest.mark.parametrize("fill", ["next_open", "close"])
@pytest.mark.parametrize("seed", range(4))
def test_plain_loop_of_exits_equals_the_arrays_form_bit_for_bit(
    seed: int, fill: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = scene(seed, 2_000, 300, 0.02)
    rules = ExitRules(stop_loss=0.03, take_profit=0.08, trailing_stop=0.04, max_bars=60)
    expected = bits(simulate_trades(*made, Costs(fill=fill, fee_bps=2), rules))
    monkeypatch.setattr(follow_position, "arrays", follow_position.loop)
    assert bits(simulate_trades(*made, Costs(fill=fill, fee_bps=2), rules)) == expected


@settings(max_examples=60)
@given(scenes, some_costs, some_rules, st.sampled_from([1, 3, 64]))
def test_position_in_chunks_with_saved_state_equals_the_batch_bit_for_bit(
    made: tuple[Candles, SignalTable], costs: Costs, rules: ExitRules, size: int
) -> None:
    candles, signals = made
    fold = PositionFold(costs.rates, costs.delay, rules)
    whole, after = fold.advance(candles.columns, signals.rows, signals.types, fold.initial_state())
    state, parts = fold.initial_state(), []
    for start in range(0, len(candles), size):
        stop = min(start + size, len(candles))
        inside = (signals.rows >= start) & (signals.rows < stop)
        ended, state = fold.advance(
            candles.columns.slice(start, stop), signals.rows[inside] - start, signals.types[inside], state
        )
        state = decode_state(encode_state(state, {}), {})
        parts.append(ended)
    for k in range(len(whole.trades)):
        assert np.concatenate([part.trades[k] for part in parts]).tobytes() == whole.trades[k].tobytes()
    for k in range(2):
        assert np.concatenate([part.ends[k] for part in parts]).tobytes() == whole.ends[k].tobytes()
    assert encode_state(state, {}) == encode_state(after, {})


@settings(max_examples=40)
@given(scenes, some_costs, some_rules)
def test_exposure_with_exits_is_a_share(
    made: tuple[Candles, SignalTable], costs: Costs, rules: ExitRules
) -> None:
    exposure = evaluate(*made, costs, rules).metrics["exposure"]
    assert exposure is None or 0.0 <= exposure <= 1.0


def peer_trades(candles: Candles, up: list[int], down: list[int], stop: float, target: float) -> pd.DataFrame:
    class Entries(backtesting.Strategy):  # type: ignore[misc,name-defined] # the oracle ships no types
        def init(self) -> None:
            pass

        def next(self) -> None:
            # it reads levels as prices, so they are set once the price of the entry is known
            for trade in self.trades:
                if trade.sl is None:
                    side = 1 if trade.is_long else -1
                    trade.sl = trade.entry_price * (1 - side * stop)
                    trade.tp = trade.entry_price * (1 + side * target)
            row = len(self.data) - 1
            if not self.position and row in up:
                self.buy(size=0.5)
            elif not self.position and row in down:
                self.sell(size=0.5)

    frame = candles.frame.rename(columns=str.capitalize)
    frame.index = frame.index.tz_localize(None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a position that is still open at the end
        run = backtesting.Backtest(frame, Entries, cash=1e9, commission=0, finalize_trades=False).run()
    trades: pd.DataFrame = run["_trades"]
    return trades


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_stops_and_targets_leave_at_the_bars_and_prices_of_backtesting(seed: int) -> None:
    close = random_walk(1_500, seed, volatility=0.01)
    wick = np.exp(np.abs(np.random.default_rng(seed).normal(0, 0.004, (2, len(close)))))
    opens = np.concatenate((close[:1], close[:-1]))
    # the candle after each entry is quiet: the oracle sets its levels only then
    entries = np.arange(20, 1_480, 40)
    for row in entries + 1:
        close[row] = opens[row]
        opens[row + 1] = close[row]
        wick[:, row] = 1.0
    high, low = np.maximum(opens, close) * wick[0], np.minimum(opens, close) / wick[1]
    candles = at_times(
        bars(*zip(opens, high, low, close, strict=True)), made_candles(close.tolist()).close_time.tolist()
    )
    up, down = entries[0::2].tolist(), entries[1::2].tolist()
    events = [(row, LONG) for row in up] + [(row, SHORT) for row in down]
    rules = ExitRules(stop_loss=0.02, take_profit=0.03)
    trades = simulate_trades(candles, signal_table(candles, events), Costs(), rules)
    peer = peer_trades(candles, up, down, 0.02, 0.03).sort_values("EntryBar")
    closed = ~trades.open
    assert len(peer) > 20
    assert set(trades.exit_reason) >= {"stop_loss", "take_profit"}
    assert trades.entry_row[closed].tolist() == peer["EntryBar"].tolist()
    assert trades.exit_row[closed].tolist() == peer["ExitBar"].tolist()
    np.testing.assert_allclose(trades.exit_price[closed], peer["ExitPrice"], rtol=1e-12)
    np.testing.assert_allclose(trades.net_return[closed], peer["ReturnPct"], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ({"stop_loss": 2}, "stop_loss: expected a fraction above 0 and up to 1, got 2; 2 % is 0.02"),
        ({"stop_loss": 1.0}, "below 1"),
        ({"stop_loss": 0.0}, "above 0"),
        ({"stop_loss": float("nan")}, "above 0"),
        ({"take_profit": 101.0}, "up to 100"),
        ({"trailing_stop": -0.1}, "above 0"),
        ({"trailing_stop": "2%"}, "got '2%'"),
        ({"max_bars": 0}, "whole number of candles from 1"),
        ({"max_bars": 1.5}, "whole number"),
        ({"max_bars": True}, "whole number"),
        ({"stop_los": 0.1}, "Did you mean 'stop_loss'"),
    ],
)
def test_exit_rules_out_of_bounds_are_usage_errors(rules: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says.replace("(", r"\(").replace("+", r"\+")):
        ExitRules.of(rules)


def test_exit_rules_without_any_are_false_and_hash_as_nothing() -> None:
    assert not ExitRules()
    assert ExitRules().to_dict() == {}
    assert ExitRules.of(None) == ExitRules.of({"stop_loss": None}) == ExitRules()
    assert ExitRules.of({"stop_loss": 0.02, "max_bars": 5}).to_dict() == {"stop_loss": 0.02, "max_bars": 5}


def test_split_exits_takes_the_axes_of_a_sweep_apart() -> None:
    assert split_exits({"period": 5, "exit.stop_loss": 0.01}) == ({"period": 5}, {"stop_loss": 0.01})


@pytest.mark.parametrize(
    ("text", "value"), [("2%", 0.02), ("0.02", 0.02), (" 2.5 % ", 0.025), ("none", None)]
)
def test_parse_fraction_reads_percent_and_fractions(text: str, value: float | None) -> None:
    assert parse_fraction("--stop-loss", text) == (value if value is None else pytest.approx(value))


@pytest.mark.parametrize("text", ["", "two", "%", "2%%", "2% or so", "nan", "inf"])
def test_parse_fraction_of_anything_else_says_what_is_expected(text: str) -> None:
    with pytest.raises(UsageError, match="expected a percentage as 2% or a fraction"):
        parse_fraction("--stop-loss", text)


def test_exit_reasons_are_at_the_places_of_their_codes() -> None:
    from stratkernel.engine.kernels import exit_kernels

    assert all(getattr(exit_kernels, reason.upper()) == code for code, reason in enumerate(EXIT_REASONS))
