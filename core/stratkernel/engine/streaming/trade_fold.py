"""Trades from signals that come in chunks, with the open position carried."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Final, NamedTuple, cast

import numpy as np
import numpy.typing as npt
from typing_extensions import override

from stratkernel.contracts.arrays import IntArray
from stratkernel.contracts.columns import Columns
from stratkernel.contracts.signals import SignalType
from stratkernel.engine.exits import ExitRules
from stratkernel.engine.kernels.exit_kernels import LIQUIDATED, OPEN, ExitColumns
from stratkernel.engine.kernels.trade_kernels import CostRates, TradeArrays, block_maxima, match_signals
from stratkernel.engine.position import PositionFold
from stratkernel.engine.streaming.growing import Scratch

_NO_TYPES: Final = np.empty(0, dtype=np.int8)
_NO_BLOCKS: Final = np.empty(0)


class HeldPosition(NamedTuple):
    """What is held between two chunks; `entry_row` counts from the first candle of all."""

    side: int
    entry_row: int
    units: float
    before: float


@dataclass(frozen=True, slots=True, eq=False)
class ChunkTrades:
    """What a chunk did: trades that ended in it (rows from the first candle of all), and what is held then.

    `equity` is that before the chunk, while nothing was held.
    """

    ended: TradeArrays
    ends: ExitColumns | None
    held: HeldPosition | None
    equity: float

    def within(self, start: int, rows: int) -> TradeArrays:
        """The trades that touch a chunk, rows counted in it: a held one stays on to its end."""
        count = len(self.ended.side)
        trades = TradeArrays.empty(count + (self.held is not None))
        for name in TradeArrays._fields:
            getattr(trades, name)[:count] = getattr(self.ended, name)
        if self.held is not None:
            trades.side[-1], trades.entry_row[-1], trades.exit_row[-1] = (
                self.held.side,
                self.held.entry_row,
                start + rows,
            )
            trades.units[-1], trades.before[-1], trades.after[-1] = self.held.units, self.held.before, 0.0
        np.maximum(trades.entry_row - start, 0, out=trades.entry_row)
        np.subtract(trades.exit_row, start, out=trades.exit_row)
        return trades


class TradeFold(ABC):
    """Signals to trades, chunk by chunk; the trades do not depend on where chunks end."""

    liquidated: bool = False
    """Whether the last trade was a short whose equity ran out."""

    @abstractmethod
    def advance(self, columns: Columns, rows: IntArray, types: npt.NDArray[np.int8]) -> ChunkTrades:
        """The trades of the next candles; `rows` of the signals count within them, exits before entries."""


def trade_fold(rates: CostRates, delay: int, exits: ExitRules) -> TradeFold:
    """The fold for these costs: the kernel for exit rules is used only where there are some."""
    return RuledTrades(rates, delay, exits) if exits else SignalTrades(rates, delay)


class RuledTrades(TradeFold):
    """With exit rules."""

    def __init__(self, rates: CostRates, delay: int, exits: ExitRules) -> None:
        self._fold = PositionFold(rates, delay, exits)
        self._state = self._fold.initial_state()

    @override
    def advance(self, columns: Columns, rows: IntArray, types: npt.NDArray[np.int8]) -> ChunkTrades:
        equity = cast("float", self._state["equity"])
        ended, self._state = self._fold.advance(columns, rows, types, self._state)
        reasons = ended.ends.reason
        self.liquidated = self.liquidated or bool(len(reasons) and reasons[-1] == LIQUIDATED)
        last = self._fold.open_trade(self._state, float(columns.close[-1]))
        held = None
        if last is not None:
            trade = last.trades
            held = HeldPosition(
                int(trade.side[0]), int(trade.entry_row[0]), float(trade.units[0]), float(trade.before[0])
            )
        return ChunkTrades(ended.trades, ended.ends, held, equity)


class SignalTrades(TradeFold):
    """Without exit rules: the kernel of whole series, for which what is carried stands as a row in front.

    That row's price is that of the carried entry, its signals are those that still wait for their fill.
    """

    def __init__(self, rates: CostRates, delay: int) -> None:
        self._rates, self._delay = rates, delay
        self._equity = rates.capital
        self._held: HeldPosition | None = None
        self._entry_base = 0.0
        self._pending = _NO_TYPES
        self._rows = 0
        self._spent = False
        self._price, self._close = Scratch(), Scratch()

    @override
    def advance(self, columns: Columns, rows: IntArray, types: npt.NDArray[np.int8]) -> ChunkTrades:
        start, count = self._rows, len(columns)
        self._rows += count
        equity, before = self._equity, self._held
        if self._spent or not (len(rows) or len(self._pending) or before is not None):
            return ChunkTrades(TradeArrays.empty(0), None, None, equity)
        given_rows, given_types = self._with_carried(rows, types)
        prices = columns.open if self._delay else columns.close
        price, close = self._price.empty(count + 1), self._close.empty(count + 1)
        price[0], close[0] = self._entry_base, 0.0
        price[1:], close[1:] = prices, columns.close
        shorts = bool((given_types == SignalType.ENTRY_SHORT).any())
        out = TradeArrays.empty((len(given_rows) + 1) // 2)
        made, liquidated = match_signals(
            given_rows,
            given_types,
            price,
            close,
            block_maxima(close) if shorts else _NO_BLOCKS,
            self._delay,
            self._rates._replace(capital=equity),
            out,
        )
        self._pending = types[rows == count - 1].copy() if self._delay else _NO_TYPES
        return self._settled(out.first(made), bool(liquidated), price, (start, equity))

    def _with_carried(
        self, rows: IntArray, types: npt.NDArray[np.int8]
    ) -> tuple[IntArray, npt.NDArray[np.int8]]:
        carried = self._pending
        carried_rows = np.zeros(len(carried), dtype=np.int64)
        if self._held is not None:
            entry = SignalType.ENTRY_LONG if self._held.side > 0 else SignalType.ENTRY_SHORT
            carried = np.concatenate((np.array([entry], dtype=np.int8), carried))
            carried_rows = np.concatenate((np.array([-self._delay]), carried_rows))
        return np.concatenate((carried_rows, rows + 1)), np.concatenate((carried, types))

    def _settled(
        self, trades: TradeArrays, liquidated: bool, price: npt.NDArray[np.float64], at: tuple[int, float]
    ) -> ChunkTrades:
        """Take the trade that is still open for what is held, and count rows from the first of all."""
        start, equity = at
        before, self._held = self._held, None
        entries = trades.entry_row + (start - 1)
        if before is not None and len(entries):
            entries[0] = before.entry_row
        closed = len(trades.side)
        if closed and trades.exit_row[-1] == len(price):
            closed -= 1
            self._entry_base = float(price[trades.entry_row[-1]])
            self._held = HeldPosition(
                int(trades.side[-1]), int(entries[-1]), float(trades.units[-1]), float(trades.before[-1])
            )
        ended = trades.first(closed)._replace(entry_row=entries[:closed])
        ended = ended._replace(exit_row=ended.exit_row + (start - 1))
        if closed:
            self._equity = float(ended.after[-1])
        self.liquidated = liquidated
        self._spent = liquidated or (closed > 0 and self._equity <= 0.0)
        return ChunkTrades(ended, None, self._held, equity)


def open_trade(held: HeldPosition, rates: CostRates, rows: int, close: float) -> TradeArrays:
    """A position that is still held after `rows` candles, marked at the last close."""
    keep = (1.0 - rates.fee) / (1.0 + rates.fee)
    worth = held.units * close
    one = TradeArrays.empty(1)
    one.side[0], one.entry_row[0], one.exit_row[0] = held.side, held.entry_row, rows
    one.units[0], one.before[0] = held.units, held.before
    one.after[0] = worth if held.side > 0 else held.before * (1.0 + keep) - worth
    return one


def open_end() -> ExitColumns:
    """How a position that is still held ends: not yet."""
    end = ExitColumns.empty(1)
    end.price[0], end.reason[0] = np.nan, OPEN
    return end
