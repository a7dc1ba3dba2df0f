"""The same crossing strategy in backtesting.py enters and leaves at the same bars."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stratkernel import SignalType
from stratkernel.contracts.candles import Candles
from stratkernel.engine.performance import Costs, evaluate
from stratkernel.testing.candles import random_walk
from trading import made_candles, signal_table

with warnings.catch_warnings():
    # Not ours: it looks for Jupyter and multiprocessing start methods when it is imported.
    warnings.simplefilter("ignore")
    backtesting = pytest.importorskip("backtesting", reason="the oracle backtesting.py is not installed")


def crossings(close: np.ndarray[Any, np.dtype[np.float64]]) -> tuple[list[int], list[int]]:
    """Rows at which EMA 12 rises above EMA 26, and at which it falls below, past a warm-up of 26."""
    series = pd.Series(close)
    fast, slow = (series.ewm(span=span, adjust=False).mean().to_numpy() for span in (12, 26))
    above = fast > slow
    turned = np.flatnonzero(above[1:] != above[:-1]) + 1
    turned = turned[turned >= 26]
    return turned[above[turned]].tolist(), turned[~above[turned]].tolist()


def peer_trades(
    candles: Candles, up: list[int], down: list[int], *, on_close: bool, short: bool
) -> pd.DataFrame:
    class Crossing(backtesting.Strategy):  # type: ignore[misc,name-defined] # the oracle ships no types
        def init(self) -> None:
            pass

        def next(self) -> None:
            row = len(self.data) - 1
            if row in up:
                self.position.close()
                self.buy(size=0.5)
            elif row in down:
                self.position.close()
                if short:
                    self.sell(size=0.5)

    frame = candles.frame.rename(columns=str.capitalize)
    frame.index = frame.index.tz_localize(None)
    with warnings.catch_warnings():
        # It warns of a position that is still open at the end; that one is compared too.
        warnings.simplefilter("ignore")
        run = backtesting.Backtest(
            frame, Crossing, cash=1e9, commission=0, trade_on_close=on_close, finalize_trades=False
        ).run()
    trades: pd.DataFrame = run["_trades"]
    return trades


@pytest.mark.parametrize("short", [False, True], ids=["long only", "long and short"])
@pytest.mark.parametrize(("fill", "on_close"), [("next_open", False), ("close", True)])
@pytest.mark.parametrize("seed", [1, 2])
def test_crossing_strategy_enters_and_leaves_at_the_bars_of_backtesting(
    seed: int, fill: str, on_close: bool, short: bool
) -> None:
    close = random_walk(1_500, seed)
    opens = close * np.exp(np.random.default_rng(seed).normal(0, 0.002, len(close)))
    candles = made_candles(close.tolist(), opens.tolist(), timeframe="1h")
    up, down = crossings(close)
    events = [(row, SignalType.ENTRY_LONG) for row in up] + [(row, SignalType.EXIT_LONG) for row in down]
    if short:
        events += [(row, SignalType.EXIT_SHORT) for row in up] + [
            (row, SignalType.ENTRY_SHORT) for row in down
        ]
    done = evaluate(candles, signal_table(candles, events), Costs(fill=fill))  # type: ignore[arg-type] # one of the two
    closed = ~done.trades.open
    peer = peer_trades(candles, up, down, on_close=on_close, short=short).sort_values("EntryBar")
    assert len(peer) > 20
    assert done.trades.entry_row[closed].tolist() == peer["EntryBar"].tolist()
    assert done.trades.exit_row[closed].tolist() == peer["ExitBar"].tolist()
    assert done.trades.side[closed].tolist() == np.sign(peer["Size"]).tolist()
    np.testing.assert_allclose(done.trades.net_return[closed], peer["ReturnPct"], rtol=1e-9, atol=1e-12)
    assert done.metrics["win_rate"] == pytest.approx((peer["ReturnPct"] > 0).mean(), rel=1e-9)
    assert done.mean_trade_return == pytest.approx(peer["ReturnPct"].mean(), rel=1e-9)
