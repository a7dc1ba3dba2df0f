"""From signals to trades: costs, the fill rule and the table of what was traded.

A signal is known at the close of its candle. `next_open` fills it at the open of the next candle, so that a
signal of the last candle stays unfilled; `close` fills it at that close, which is optimistic. All equity
goes in, in fractional units, without leverage; a short is sized by the same rule. At one candle exits come
before entries, so that a position can turn around at one price. Exit rules (`ExitRules`) leave a position
without a signal, within a candle where a level is touched.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import numpy as np

from stratkernel.contracts.arrays import BoolArray, FloatArray, IntArray
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.signals import SignalTable, SignalType, in_order
from stratkernel.contracts.timeframes import iso
from stratkernel.engine.exits import EXIT_REASONS, ExitRules
from stratkernel.engine.kernels.exit_kernels import (
    LIQUIDATED,
    OPEN,
    SIGNAL,
    STOP_LOSS,
    TAKE_PROFIT,
    TRAILING_STOP,
    ExitColumns,
)
from stratkernel.engine.kernels.trade_kernels import CostRates, TradeArrays, block_maxima, match_signals
from stratkernel.engine.position import PositionFold, trades_with_exits
from stratkernel.kernel.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

Fill = Literal["next_open", "close"]

_BASIS_POINTS: Final = 10_000.0
_SAMPLE: Final = 64
_NO_BLOCKS: Final = np.empty(0)

_absurd_prices: Final = np.errstate(all="ignore")
"""Prices so far apart that equity overflows give infinities, which JSON shows as null, not warnings."""


@dataclass(frozen=True, slots=True)
class Costs:
    """When signals are filled, what a fill costs and the capital to begin with.

    `fee_bps` of the notional and `slippage_bps` of the price, in basis points a side, from 0 to below
    10,000; `initial_capital` in the currency of the prices, above 0. Raises `UsageError` otherwise.
    """

    fill: Fill = "next_open"
    fee_bps: float = 0.0
    slippage_bps: float = 0.0
    initial_capital: float = 10_000.0

    def __post_init__(self) -> None:
        if self.fill not in get_args(Fill):
            raise UsageError(f"fill: expected one of {', '.join(get_args(Fill))}, got {self.fill!r}")
        for name in ("fee_bps", "slippage_bps"):
            value = _number(name, getattr(self, name))
            if not 0.0 <= value < _BASIS_POINTS:
                raise UsageError(
                    f"{name}: expected basis points a side from 0 to below 10000, got {value:g}; "
                    "10 is 0.1 % of what is traded"
                )
            object.__setattr__(self, name, value)
        capital = _number("initial_capital", self.initial_capital)
        if capital <= 0.0:
            raise UsageError(f"initial_capital: expected an amount above 0, got {capital:g}")
        object.__setattr__(self, "initial_capital", capital)

    @property
    def rates(self) -> CostRates:
        """The same as fractions."""
        return CostRates(
            self.fee_bps / _BASIS_POINTS, self.slippage_bps / _BASIS_POINTS, self.initial_capital
        )

    @property
    def delay(self) -> int:
        """Rows from a signal to its fill."""
        return 1 if self.fill == "next_open" else 0

    def to_dict(self) -> dict[str, str | float]:
        return {
            "fill": self.fill,
            "fee_bps": self.fee_bps,
            "slippage_bps": self.slippage_bps,
            "initial_capital": self.initial_capital,
        }


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not math.isfinite(value):
        raise UsageError(f"{name}: expected a finite number, got {value!r}")
    return float(value)


class TradeTable:
    """Trades as columns, each of shape (trades,), in the order of their entries.

    An `open` trade (at most the last) has `exit_row` and `exit_time` -1 and `exit_price` NaN; its `pnl` and
    `net_return` are marked at the last close. `liquidated` tells a short whose equity ran out at a close.
    `ends` says at what price and why each ended, where there were exit rules.
    """

    def __init__(
        self,
        candles: Candles,
        costs: Costs,
        arrays: TradeArrays,
        *,
        liquidated: bool,
        ends: ExitColumns | None = None,
    ) -> None:
        self._ends = ends
        self._candles = candles
        self._costs = costs
        self.ends_liquidated: Final = liquidated
        """Whether the last position was a short that was closed because no equity was left."""
        self.arrays = arrays

    def __len__(self) -> int:
        return len(self.arrays.side)

    @property
    def ends_open(self) -> bool:
        """Whether the last position was still held at the end."""
        return len(self) > 0 and bool(self.arrays.exit_row[-1] == len(self._candles))

    @property
    def side(self) -> np.ndarray[Any, np.dtype[np.int8]]:
        """+1 long, -1 short."""
        return self.arrays.side

    @property
    def entry_row(self) -> IntArray:
        """The candle of the entry's fill."""
        return self.arrays.entry_row

    @property
    def units(self) -> FloatArray:
        """What was bought or sold short, above 0."""
        return self.arrays.units

    @cached_property
    def open(self) -> BoolArray:
        """Whether the position was still held at the end."""
        return np.equal(self.arrays.exit_row, len(self._candles))

    @cached_property
    def liquidated(self) -> BoolArray:
        """Whether a short was closed because no equity was left."""
        flags = np.zeros(len(self), dtype=np.bool_)
        flags[-1:] = self.ends_liquidated
        return flags

    @cached_property
    def exit_codes(self) -> np.ndarray[Any, np.dtype[np.int8]]:
        """Why each trade ended: the place of its reason in `engine.exits.EXIT_REASONS`."""
        if self._ends is not None:
            return self._ends.reason
        codes = np.full(len(self), SIGNAL, dtype=np.int8)
        codes[self.liquidated] = LIQUIDATED
        codes[self.open] = OPEN
        return codes

    @property
    def exit_reason(self) -> list[str]:
        """signal, stop_loss, take_profit, trailing_stop, max_bars, liquidated or open, one for each trade."""
        return [EXIT_REASONS[code] for code in self.exit_codes.tolist()]

    @cached_property
    def within_candle(self) -> BoolArray:
        """Whether a level was touched after the open of the exit's candle and before its close."""
        if self._ends is None:
            return np.zeros(len(self), dtype=np.bool_)
        at_open = self._ends.price == self._candles.columns.open[self.exit_row]
        return np.asarray(self._at_level & ~at_open)

    @cached_property
    def left_at_open(self) -> BoolArray:
        """Whether the exit's candle opened beyond a level."""
        return self._at_level & ~self.within_candle

    @cached_property
    def exit_row(self) -> IntArray:
        """The candle of the exit's fill."""
        return np.where(self.open, -1, self.arrays.exit_row)

    @cached_property
    def entry_time(self) -> IntArray:
        """When the entry was filled, microseconds UTC: the candle's open or, with fill `close`, its close."""
        return self._fill_times[self.entry_row]

    @cached_property
    def exit_time(self) -> IntArray:
        """When the exit was filled, microseconds UTC; a liquidation happens at a close.

        A level touched within a candle is known at its close, one beyond which it opened at its open.
        """
        times = self._fill_times[self.exit_row]
        if self._ends is not None:
            times = np.where(self._at_level, self._candles.open_time[self.exit_row], times)
            times[self.within_candle] = self._candles.close_time[self.exit_row[self.within_candle]]
        times[self.open] = -1
        if self.ends_liquidated:
            times[-1] = self._candles.close_time[self.exit_row[-1]]
        return times

    @cached_property
    @_absurd_prices
    def entry_price(self) -> FloatArray:
        """With slippage, without fees."""
        return self.fill_prices[self.entry_row] * (1.0 + self.side * self._costs.rates.slippage)

    @cached_property
    @_absurd_prices
    def exit_price(self) -> FloatArray:
        """With slippage, without fees."""
        prices = self.fill_prices[self.exit_row] if self._ends is None else self._ends.price.copy()
        if self.ends_liquidated:
            prices[-1] = self._candles.columns.close[self.exit_row[-1]]
        prices[self.open] = np.nan
        return np.asarray(prices * (1.0 - self.side * self._costs.rates.slippage))

    @cached_property
    @_absurd_prices
    def fees(self) -> FloatArray:
        """Fees of both sides, of an open trade those of the entry, in currency."""
        return self._costs.rates.fee * self.units * (self.entry_price + np.nan_to_num(self.exit_price))

    @cached_property
    @_absurd_prices
    def pnl(self) -> FloatArray:
        """Profit net of all costs, in currency."""
        return self.arrays.after - self.arrays.before

    @cached_property
    @_absurd_prices
    def net_return(self) -> FloatArray:
        """Net profit over what was traded at the entry, `units * entry_price`; 0.01 is 1 %."""
        return self.pnl / (self.units * self.entry_price)

    @cached_property
    @_absurd_prices
    def gross_return(self) -> FloatArray:
        """The move from entry to exit in the trade's direction, without any cost; NaN of an open one."""
        prices = self.fill_prices
        ends = prices[self.arrays.exit_row - self.open] if self._ends is None else self._ends.price
        if self.ends_liquidated and self._ends is None:
            ends[-1] = self._candles.columns.close[self.exit_row[-1]]
        moves = self.side * (ends / prices[self.entry_row] - 1.0)
        return np.where(self.open, np.nan, moves)

    @cached_property
    def _at_level(self) -> BoolArray:
        """Whether the exit was that of a level, not of a signal, the time or the end."""
        return np.isin(self.exit_codes, (STOP_LOSS, TAKE_PROFIT, TRAILING_STOP))

    @property
    def _fill_times(self) -> IntArray:
        return self._candles.open_time if self._costs.delay else self._candles.close_time

    @property
    def fill_prices(self) -> FloatArray:
        """What signals are filled at, before slippage: opens or closes, shape (n,)."""
        return self._candles.columns["open" if self._costs.delay else "close"]

    def _named(self) -> dict[str, np.ndarray[Any, Any]]:
        return {
            "side": self.side,
            "entry_row": self.entry_row,
            "exit_row": self.exit_row,
            "entry_time": self.entry_time,
            "exit_time": self.exit_time,
            "entry_price": self.entry_price,
            "exit_price": self.exit_price,
            "units": self.units,
            "pnl": self.pnl,
            "return": self.net_return,
            "fees": self.fees,
            "open": self.open,
            "liquidated": self.liquidated,
            "exit_reason": np.array(self.exit_reason, dtype=np.str_),
        }

    def to_dicts(self) -> list[dict[str, Any]]:
        """Trades for JSON: `side` is `long` or `short`, times are ISO 8601 UTC, what is not there is None."""
        columns = {name: column.tolist() for name, column in self._named().items()}
        columns["side"] = ["long" if side > 0 else "short" for side in columns["side"]]
        for name in ("entry_time", "exit_time"):
            columns[name] = [None if time == -1 else iso(time) for time in columns[name]]
        columns["exit_row"] = [None if row == -1 else row for row in columns["exit_row"]]
        for name in ("entry_price", "exit_price", "units", "pnl", "return", "fees"):
            columns[name] = [value if math.isfinite(value) else None for value in columns[name]]
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    @property
    def frame(self) -> "pd.DataFrame":
        """A new DataFrame of the columns; times are UTC, the exit of an open trade is NaT."""
        import pandas as pd

        columns: dict[str, Any] = {name: column.copy() for name, column in self._named().items()}
        columns["side"] = np.where(self.side > 0, "long", "short")
        columns["exit_reason"] = self.exit_reason
        for name in ("entry_time", "exit_time"):
            times = columns[name].astype("datetime64[us]")
            if name == "exit_time":
                times[self.open] = np.datetime64("NaT")
            columns[name] = pd.DatetimeIndex(times, tz="UTC")
        return pd.DataFrame(columns)


def simulate_trades(
    candles: Candles, signals: SignalTable, costs: Costs, exits: ExitRules | None = None
) -> TradeTable:
    """Trade the signals over the candles that they were made from.

    An entry while in a position, an exit while out or of the other side, and `HOLD` do nothing; of two
    entries at one candle the long one counts. A short whose equity at a close is 0 or less is closed
    there, and nothing is entered after. `exits` may leave a position before its signal.

    Raises:
        UsageError: the signals are not ordered, or not of these candles.
    """
    _check_belong(candles, signals)
    columns = candles.columns
    if exits:
        fold = PositionFold(costs.rates, costs.delay, exits)
        trades, ends = trades_with_exits(columns, signals.rows, signals.types, fold)
        ruined = bool(len(ends.reason) and ends.reason[-1] == LIQUIDATED)
        return TradeTable(candles, costs, trades, liquidated=ruined, ends=ends)
    buffers = TradeArrays.empty((len(signals) + 1) // 2)
    count, liquidated = match_signals(
        np.ascontiguousarray(signals.rows),
        np.ascontiguousarray(signals.types),
        columns.open if costs.delay else columns.close,
        columns.close,
        block_maxima(columns.close) if (signals.types == SignalType.ENTRY_SHORT).any() else _NO_BLOCKS,
        costs.delay,
        costs.rates,
        buffers,
    )
    return TradeTable(candles, costs, buffers.first(count), liquidated=bool(liquidated))


def _check_belong(candles: Candles, signals: SignalTable) -> None:
    rows, count = signals.rows, len(candles)
    if len(rows) == 0:
        return
    if not in_order(rows, signals.types):
        raise UsageError(
            f"signals of {signals.about.strategy}: expected them ordered by time, exits before entries; "
            "build them with stratkernel.Signals, which orders them"
        )
    if rows[0] < 0 or rows[-1] >= count:
        raise UsageError(
            f"signals of {signals.about.strategy}: expected rows 0 to {count - 1} of the candles of "
            f"{candles.symbol} {candles.timeframe}, got {rows[0]} to {rows[-1]}; "
            "evaluate signals over the candles that they were made from"
        )
    # A candle that only one of the two series has shifts all rows after it: a sample shows it.
    some = np.arange(_SAMPLE) * (len(rows) - 1) // (_SAMPLE - 1)
    expected, got = candles.close_time[rows[some]], signals.timestamp[some]
    if (expected != got).any():
        wrong = int(np.argmax(expected != got))
        raise UsageError(
            f"signals of {signals.about.strategy}: expected the close time {iso(int(expected[wrong]))} at "
            f"row {rows[some[wrong]]} of {candles.symbol} {candles.timeframe}, got {iso(int(got[wrong]))}; "
            "evaluate signals over the candles that they were made from"
        )
