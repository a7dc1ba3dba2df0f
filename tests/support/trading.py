"""Candles and signals for tests of trades and metrics, and a plain Python simulator to hold them against."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from stratkernel import Signals, SignalType
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.columns import candle_columns
from stratkernel.contracts.signals import SignalOrigin, SignalTable
from stratkernel.testing.candles import candles_from_close

MIDNIGHT = 1_700_006_400_000_000  # 2023-11-15T00:00:00Z
ORIGIN = SignalOrigin("test:made", "1", "hash", "local", "TEST", "1h", MIDNIGHT)


def made_candles(
    close: Sequence[float], opens: Sequence[float] | None = None, *, timeframe: str = "1d", **more: Any
) -> Candles:
    """Candles with these closes, and these opens (default: the close before)."""
    candles = candles_from_close(
        np.array(close, dtype=np.float64), timeframe=timeframe, start=MIDNIGHT, **more
    )
    if opens is None:
        return candles
    arrays = {name: candles.columns[name] for name in candles.columns.names}
    first = np.array(opens, dtype=np.float64)
    arrays |= {
        "open": first,
        "high": np.maximum(first, arrays["close"]),
        "low": np.minimum(first, arrays["close"]),
    }
    return replace(candles, columns=candle_columns(arrays, candles.close_time))


def at_times(candles: Candles, close_time: Sequence[int]) -> Candles:
    """The same candles, closing at these times (microseconds)."""
    times = np.array(close_time, dtype=np.int64)
    arrays = {name: candles.columns[name] for name in candles.columns.names}
    return replace(candles, open_time=candles.timeframe.open_of(times), columns=candle_columns(arrays, times))


def signal_table(candles: Candles, events: Sequence[tuple[int, SignalType]]) -> SignalTable:
    """Signals at rows of the candles, in any order."""
    made = Signals(
        np.array([row for row, _ in events], dtype=np.int64),
        np.array([int(kind) for _, kind in events], dtype=np.int8),
    )
    rows = made.rows
    return SignalTable(
        ORIGIN,
        rows,
        candles.close_time[rows],
        made.types,
        candles.columns.close[rows],
        np.ones(len(rows)),
        np.zeros(len(rows), dtype=np.uint8),
    )


@dataclass
class BookTrade:
    side: int
    entry_row: int
    before: float
    exit_row: int | None = None
    pnl: float | None = None
    fees: float = 0.0
    liquidated: bool = False


@dataclass
class BruteForce:
    """An account that lives through the candles one by one; `units` are negative when short."""

    fee: float
    slippage: float
    cash: float
    units: float = 0.0
    equity: list[float] = field(default_factory=list)
    trades: list[BookTrade] = field(default_factory=list)

    def order(self, kind: SignalType, price: float, row: int) -> None:
        leaves = SignalType.EXIT_LONG if self.units > 0 else SignalType.EXIT_SHORT
        if self.units != 0 and kind == leaves:
            self.close(price, row)
        elif self.units == 0 and self.cash > 0 and kind == SignalType.ENTRY_LONG:
            self.enter(1, price, row)
        elif self.units == 0 and self.cash > 0 and kind == SignalType.ENTRY_SHORT:
            self.enter(-1, price, row)

    def enter(self, side: int, price: float, row: int) -> None:
        paid = price * (1 + self.slippage) if side > 0 else price * (1 - self.slippage)
        notional = self.cash / (1 + self.fee)
        self.trades.append(BookTrade(side, row, self.cash, fees=notional * self.fee))
        self.units = side * notional / paid
        self.cash -= side * notional + notional * self.fee

    def close(self, price: float, row: int) -> None:
        got = price * (1 - self.slippage) if self.units > 0 else price * (1 + self.slippage)
        fee = abs(self.units) * got * self.fee
        self.cash += self.units * got - fee
        self.units = 0.0
        trade = self.trades[-1]
        trade.exit_row, trade.pnl, trade.fees = row, self.cash - trade.before, trade.fees + fee

    def mark(self, price: float, row: int) -> None:
        if self.units < 0 and self.cash + self.units * price <= 0:
            self.close(price, row)
            self.trades[-1].liquidated = True
        self.equity.append(self.cash + self.units * price)


def brute_force(candles: Candles, signals: SignalTable, costs: Any) -> BruteForce:
    """What the signals earn, candle by candle, in plain Python."""
    account = BruteForce(costs.fee_bps / 1e4, costs.slippage_bps / 1e4, costs.initial_capital)
    opens, closes = candles.columns.open.tolist(), candles.columns.close.tolist()
    said: dict[int, list[SignalType]] = {}
    for row, kind in zip(signals.rows.tolist(), signals.types.tolist(), strict=True):
        said.setdefault(row, []).append(SignalType(kind))
    for row in range(len(candles)):
        due = said.get(row - 1, []) if costs.fill == "next_open" else said.get(row, [])
        price = opens[row] if costs.fill == "next_open" else closes[row]
        for kind in due:
            account.order(kind, price, row)
        account.mark(closes[row], row)
    return account
