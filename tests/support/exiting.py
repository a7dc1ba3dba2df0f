"""A plain Python account with exit rules, one candle after another, to hold the kernels against."""

from dataclasses import dataclass, field
from typing import Any

from stratkernel import SignalType
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.signals import SignalTable
from stratkernel.engine.exits import ExitRules


@dataclass
class Ended:
    side: int
    entry_row: int
    exit_row: int
    price: float
    reason: str
    after: float


@dataclass
class Account:
    """Lives through the candles; equity is computed from units and money, not by the product's formula."""

    fee: float
    slippage: float
    money: float
    rules: ExitRules
    side: int = 0
    units: float = 0.0
    cash: float = 0.0
    paid: float = 0.0
    best: float = 0.0
    entry_row: int = -1
    spent: bool = False
    trades: list[Ended] = field(default_factory=list)

    def enter(self, side: int, price: float, row: int) -> None:
        self.side, self.entry_row = side, row
        self.paid = price * (1 + side * self.slippage)
        notional = self.money / (1 + self.fee)
        self.units = notional / self.paid
        self.cash = 0.0 if side > 0 else self.money + notional - notional * self.fee
        self.best = self.paid

    def leave(self, price: float, row: int, reason: str) -> None:
        got = self.units * price * (1 - self.side * self.slippage)
        fee = got * self.fee
        self.money = got - fee if self.side > 0 else self.cash - got - fee
        self.trades.append(Ended(self.side, self.entry_row, row, price, reason, self.money))
        self.side = 0
        self.spent = reason == "liquidated" or self.money <= 0

    def levels(self) -> tuple[float, str, float]:
        """The stop that is nearer, its name, and the target."""
        far = float("inf")
        stops = []
        if self.rules.stop_loss is not None:
            stops.append((self.paid * (1 - self.side * self.rules.stop_loss), "stop_loss"))
        if self.rules.trailing_stop is not None:
            stops.append((self.best * (1 - self.side * self.rules.trailing_stop), "trailing_stop"))
        # of equal ones the first counts
        nearest = (max if self.side > 0 else min)(
            stops, key=lambda stop: stop[0], default=(-self.side * far, "")
        )
        gain = self.rules.take_profit
        target = self.side * far if gain is None else self.paid * (1 + self.side * gain)
        return *nearest, target

    def live_through(self, candle: tuple[float, float, float, float], row: int) -> None:
        opened, high, low, _ = candle
        stop, name, target = self.levels()
        along = high if self.side > 0 else low
        against = low if self.side > 0 else high
        if self.side * opened <= self.side * stop:
            self.leave(opened, row, name)
        elif self.side * opened >= self.side * target:
            self.leave(opened, row, "take_profit")
        elif self.side * against <= self.side * stop:
            self.leave(stop, row, name)
        elif self.side * along >= self.side * target:
            self.leave(target, row, "take_profit")

    def fill(self, kinds: list[SignalType], price: float, row: int) -> None:
        limit = self.rules.max_bars
        if self.side and limit is not None and row - self.entry_row >= limit:
            self.leave(price, row, "max_bars")
        for kind in kinds:
            own_exit = SignalType.EXIT_LONG if self.side > 0 else SignalType.EXIT_SHORT
            if self.side and kind == own_exit:
                self.leave(price, row, "signal")
            elif not self.side and not self.spent and kind == SignalType.ENTRY_LONG:
                self.enter(1, price, row)
            elif not self.side and not self.spent and kind == SignalType.ENTRY_SHORT:
                self.enter(-1, price, row)

    def mark(self, candle: tuple[float, float, float, float], row: int, *, saw_candle: bool) -> None:
        _, high, low, close = candle
        if self.side < 0 and self.cash - self.units * close <= 0:
            self.leave(close, row, "liquidated")
        elif self.side and saw_candle:
            self.best = max(self.best, high) if self.side > 0 else min(self.best, low)


def account_after(candles: Candles, signals: SignalTable, costs: Any, rules: ExitRules) -> Account:
    """The account after all candles."""
    account = Account(costs.fee_bps / 1e4, costs.slippage_bps / 1e4, costs.initial_capital, rules)
    said: dict[int, list[SignalType]] = {}
    for row, kind in zip(signals.rows.tolist(), signals.types.tolist(), strict=True):
        said.setdefault(row, []).append(SignalType(kind))
    columns = candles.columns
    prices = zip(*(columns[name].tolist() for name in ("open", "high", "low", "close")), strict=True)
    for row, candle in enumerate(prices):
        held = account.side
        if costs.fill == "next_open":
            account.fill(said.get(row - 1, []), candle[0], row)
            if account.side:
                account.live_through(candle, row)
            account.mark(candle, row, saw_candle=True)
        else:
            if held:
                account.live_through(candle, row)
            account.fill(said.get(row, []), candle[3], row)
            account.mark(candle, row, saw_candle=account.entry_row < row)
    return account
