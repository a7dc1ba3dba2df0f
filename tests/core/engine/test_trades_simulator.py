"""Signals to trades: the fill rule, costs, turning around, ruin; against an account in plain Python."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stratkernel import SignalType
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.signals import SignalTable
from stratkernel.engine.performance import Costs, Performance, evaluate
from stratkernel.engine.trades import simulate_trades
from stratkernel.kernel.errors import UsageError
from trading import brute_force, made_candles, signal_table

IN, OUT = SignalType.ENTRY_LONG, SignalType.EXIT_LONG
SELL, COVER = SignalType.ENTRY_SHORT, SignalType.EXIT_SHORT
BARS = [[10.0, 11.0, 12.0, 13.0, 14.0], [9.0, 10.5, 11.5, 12.5, 13.5]]

price = st.floats(0.5, 200.0)
bars = st.lists(st.tuples(price, price), min_size=1, max_size=60)
rates = st.sampled_from([0.0, 1.0, 7.5, 100.0, 2_500.0])


@st.composite
def scenes(draw: st.DrawFn) -> tuple[Candles, SignalTable, Costs]:
    pairs = draw(bars)
    candles = made_candles([c for _, c in pairs], [o for o, _ in pairs])
    row = st.integers(0, len(pairs) - 1)
    events = draw(st.sets(st.tuples(row, st.sampled_from(SignalType)), max_size=60))
    costs = Costs(
        fill=draw(st.sampled_from(["next_open", "close"])),
        fee_bps=draw(rates),
        slippage_bps=draw(rates),
        initial_capital=draw(st.sampled_from([1.0, 10_000.0])),
    )
    return candles, signal_table(candles, sorted(events)), costs


@settings(max_examples=400, deadline=None)
@given(scenes())
def test_trades_of_any_signals_equal_an_account_candle_by_candle(
    scene: tuple[Candles, SignalTable, Costs],
) -> None:
    candles, signals, costs = scene
    account = brute_force(candles, signals, costs)
    # Whether equity of exactly nothing is left is a matter of the last bit.
    assume(all(abs(value) > 1e-9 * costs.initial_capital for value in account.equity))
    done = evaluate(candles, signals, costs)
    trades = done.trades
    assert trades.side.tolist() == [trade.side for trade in account.trades]
    assert trades.entry_row.tolist() == [trade.entry_row for trade in account.trades]
    assert trades.exit_row.tolist() == [-1 if t.exit_row is None else t.exit_row for t in account.trades]
    assert trades.liquidated.tolist() == [trade.liquidated for trade in account.trades]
    scale = max(map(abs, account.equity))
    np.testing.assert_allclose(done.equity, account.equity, rtol=1e-12, atol=1e-12 * scale)
    np.testing.assert_allclose(trades.fees, [t.fees for t in account.trades], rtol=1e-12, atol=1e-12 * scale)
    closed = [trade.pnl for trade in account.trades if trade.pnl is not None]
    np.testing.assert_allclose(trades.pnl[~trades.open], closed, rtol=1e-12, atol=1e-12 * scale)


def five_days(events: list[tuple[int, SignalType]], **costs: Any) -> Performance:
    candles = made_candles(BARS[0], BARS[1])
    return evaluate(candles, signal_table(candles, events), Costs(**costs))


def test_fill_next_open_fills_at_the_open_of_the_next_candle() -> None:
    (trade,) = five_days([(0, IN), (2, OUT)]).trades.to_dicts()
    assert (trade["entry_row"], trade["entry_price"]) == (1, 10.5)
    assert (trade["exit_row"], trade["exit_price"]) == (3, 12.5)
    assert trade["entry_time"] == "2023-11-16T00:00:00Z"
    assert trade["exit_time"] == "2023-11-18T00:00:00Z"


def test_fill_close_fills_at_the_close_of_the_signal_and_says_that_it_is_optimistic() -> None:
    done = five_days([(0, IN), (2, OUT)], fill="close")
    (trade,) = done.trades.to_dicts()
    assert (trade["entry_row"], trade["entry_price"]) == (0, 10.0)
    assert (trade["exit_row"], trade["exit_price"]) == (2, 12.0)
    assert trade["entry_time"] == "2023-11-16T00:00:00Z"
    assert "optimistic" in done.flags["fill"]
    assert "fill" not in five_days([(0, IN)]).flags


def test_signal_of_the_last_candle_with_next_open_stays_unfilled() -> None:
    assert len(five_days([(4, IN)]).trades) == 0
    (trade,) = five_days([(0, IN), (4, OUT)]).trades.to_dicts()
    assert trade["open"]


def test_signal_of_the_last_candle_with_fill_close_is_filled() -> None:
    (trade,) = five_days([(0, IN), (4, OUT)], fill="close").trades.to_dicts()
    assert trade["exit_row"] == 4
    assert not trade["open"]


def test_exit_and_entry_at_one_candle_turn_around_at_one_price() -> None:
    long, short = five_days([(0, IN), (2, SELL), (2, OUT)]).trades.to_dicts()
    assert (long["side"], short["side"]) == ("long", "short")
    assert long["exit_price"] == short["entry_price"] == 12.5
    assert long["exit_row"] == short["entry_row"] == 3


@pytest.mark.parametrize(
    "ignored",
    [[(1, IN)], [(1, SELL)], [(1, COVER)], [(1, SignalType.HOLD)], [(3, OUT)], [(0, OUT), (0, COVER)]],
    ids=[
        "entry while in",
        "entry of the other side",
        "exit of the other side",
        "hold",
        "exit while out",
        "before",
    ],
)
def test_signal_that_the_position_does_not_allow_changes_nothing(
    ignored: list[tuple[int, SignalType]],
) -> None:
    plain = five_days([(0, IN), (2, OUT)])
    noisy = five_days([(0, IN), (2, OUT), *ignored])
    assert noisy.trades.to_dicts() == plain.trades.to_dicts()


def test_two_entries_at_one_candle_take_the_long_one() -> None:
    (trade,) = five_days([(0, SELL), (0, IN)]).trades.to_dicts()
    assert trade["side"] == "long"


def test_hold_alone_never_trades() -> None:
    assert len(five_days([(row, SignalType.HOLD) for row in range(5)]).trades) == 0


def test_long_with_costs_is_sized_so_that_fees_fit_into_the_equity() -> None:
    (trade,) = five_days(
        [(0, IN), (2, OUT)], fee_bps=10, slippage_bps=100, initial_capital=1_000
    ).trades.to_dicts()
    entry, exit_ = 10.5 * 1.01, 12.5 * 0.99
    units = 1_000 / (entry * 1.001)
    assert trade["units"] == pytest.approx(units, rel=1e-15)
    assert trade["entry_price"] == pytest.approx(entry, rel=1e-15)
    assert trade["exit_price"] == pytest.approx(exit_, rel=1e-15)
    assert trade["fees"] == pytest.approx(0.001 * units * (entry + exit_), rel=1e-13)
    assert trade["pnl"] == pytest.approx(units * exit_ * 0.999 - 1_000, rel=1e-12)
    assert trade["return"] == pytest.approx(trade["pnl"] / (units * entry), rel=1e-12)


def test_short_with_costs_sells_what_the_equity_covers() -> None:
    done = five_days([(0, SELL), (2, COVER)], fee_bps=10, slippage_bps=100, initial_capital=1_000)
    (trade,) = done.trades.to_dicts()
    entry, exit_ = 10.5 * 0.99, 12.5 * 1.01
    units = 1_000 / (entry * 1.001)
    assert trade["units"] == pytest.approx(units, rel=1e-15)
    assert trade["pnl"] == pytest.approx(units * entry * 0.999 - units * exit_ * 1.001, rel=1e-12)


def test_open_position_is_marked_in_equity_and_left_out_of_the_trade_metrics() -> None:
    done = five_days([(0, IN)], initial_capital=1_050)
    (trade,) = done.trades.to_dicts()
    assert trade["open"]
    assert (trade["exit_row"], trade["exit_time"], trade["exit_price"]) == (None, None, None)
    assert trade["pnl"] == pytest.approx(350.0)
    assert done.equity.tolist() == pytest.approx([1_050.0, 1_100.0, 1_200.0, 1_300.0, 1_400.0])
    assert done.metrics["trades"] == 0
    assert done.metrics["win_rate"] is None
    assert done.metrics["exposure"] == 1.0
    assert "open_position" in done.flags


def ruined(fill: str) -> Performance:
    """A short at 10, the close reaches 21 at row 3; wanting in again afterwards."""
    candles = made_candles([10, 10, 12, 21, 8, 8, 8], [10, 10, 11, 15, 20, 8, 8])
    events = [(0, SELL), (4, IN), (5, COVER)]
    return evaluate(candles, signal_table(candles, events), Costs(fill=fill, initial_capital=1_000))  # type: ignore[arg-type] # one of the two


@pytest.mark.parametrize("fill", ["next_open", "close"])
def test_short_whose_equity_is_used_up_is_closed_at_that_close_and_nothing_follows(fill: str) -> None:
    done = ruined(fill)
    (trade,) = done.trades.to_dicts()
    assert trade["liquidated"]
    assert not trade["open"]
    assert (trade["exit_row"], trade["exit_price"]) == (3, 21.0)
    assert trade["exit_time"] == "2023-11-19T00:00:00Z"
    assert trade["pnl"] == pytest.approx(-1_100.0)
    assert done.equity.tolist() == pytest.approx([1_000, 1_000, 800, -100, -100, -100, -100])
    assert done.metrics["cagr"] is None
    assert done.metrics["total_return"] == pytest.approx(-1.1)
    assert done.metrics["max_drawdown"] == pytest.approx(-1.1)
    assert done.metrics["exposure"] == pytest.approx(3 / 6)
    assert "liquidated" in done.flags


def test_short_covered_above_all_equity_ends_the_trading() -> None:
    candles = made_candles([10, 10, 11, 11, 11], [10, 10, 10, 30, 11])
    done = evaluate(
        candles, signal_table(candles, [(0, SELL), (2, COVER), (3, IN)]), Costs(initial_capital=100)
    )
    (trade,) = done.trades.to_dicts()
    assert not trade["liquidated"]
    assert done.equity.tolist() == pytest.approx([100, 100, 90, -100, -100])


def test_trades_frame_has_the_columns_as_rows_with_utc_times() -> None:
    done = five_days([(0, IN), (1, OUT), (2, SELL)])
    frame = done.trades.frame
    assert frame["side"].tolist() == ["long", "short"]
    assert str(frame["entry_time"].dt.tz) == "UTC"
    assert frame["exit_time"].isna().tolist() == [False, True]
    frame.loc[0, "pnl"] = math.nan
    assert np.isfinite(done.trades.pnl).all()


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("fill", "open", "expected one of next_open, close, got 'open'"),
        ("fee_bps", -1, "from 0 to below 10000, got -1"),
        ("slippage_bps", 10_000, "from 0 to below 10000, got 10000"),
        ("fee_bps", math.nan, "expected a finite number, got nan"),
        ("slippage_bps", "3", "expected a finite number, got '3'"),
        ("initial_capital", 0, "expected an amount above 0, got 0"),
        ("initial_capital", math.inf, "expected a finite number, got inf"),
        ("initial_capital", True, "expected a finite number, got True"),
    ],
)
def test_costs_out_of_bounds_are_refused_with_what_was_expected(field: str, value: object, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        Costs(**{field: value})  # type: ignore[arg-type] # wrong on purpose
    assert field in str(caught.value)


def test_costs_of_whole_numbers_give_the_same_dictionary_as_of_floats() -> None:
    whole, real = Costs(fee_bps=1, initial_capital=500), Costs(fee_bps=1.0, initial_capital=500.0)
    assert [repr(v) for v in whole.to_dict().values()] == [repr(v) for v in real.to_dict().values()]
    assert list(whole.to_dict()) == ["fill", "fee_bps", "slippage_bps", "initial_capital"]


def test_signals_beyond_the_candles_are_refused() -> None:
    candles = made_candles(BARS[0])
    with pytest.raises(UsageError, match=r"expected rows 0 to 2 .* got 0 to 4"):
        simulate_trades(candles.slice(0, 3), signal_table(candles, [(0, IN), (4, OUT)]), Costs())


def test_signals_of_other_candles_are_refused() -> None:
    candles = made_candles(BARS[0])
    with pytest.raises(UsageError, match=r"expected the close time 2023-11-18.* got 2023-11-17"):
        simulate_trades(candles.slice(1, 5), signal_table(candles, [(1, IN), (3, OUT)]), Costs())


def test_signals_out_of_order_are_refused() -> None:
    candles = made_candles(BARS[0])
    table = signal_table(candles, [(1, OUT), (1, IN), (3, OUT)])
    with pytest.raises(UsageError, match="exits before entries"):
        simulate_trades(candles, table.select(np.array([1, 0, 2])), Costs())


def test_trades_never_overlap() -> None:
    rng = np.random.default_rng(1)
    candles = made_candles((100 + rng.normal(0, 1, 500).cumsum() * 0.1).tolist())
    events = [(int(row), SignalType(int(kind))) for row, kind in rng.integers((0, 0), (500, 5), (400, 2))]
    trades = simulate_trades(candles, signal_table(candles, sorted(set(events))), Costs(fee_bps=1))
    assert len(trades) > 50
    assert all(
        before <= after
        for before, after in pairwise(zip(trades.exit_row, trades.entry_row[1:], strict=False))
    )
