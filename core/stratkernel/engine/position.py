"""What is held, candle by candle: the fold behind trades with exit rules, in a backtest and live."""

from typing import Any, Final, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from stratkernel.contracts.arrays import IntArray
from stratkernel.contracts.columns import Columns
from stratkernel.contracts.signals import SignalType
from stratkernel.contracts.state import State
from stratkernel.engine.exits import NO_EXITS, ExitRules
from stratkernel.engine.kernels.exit_kernels import (
    OPEN,
    ExitColumns,
    Position,
    Prices,
    follow_position,
)
from stratkernel.engine.kernels.trade_kernels import CostRates, TradeArrays

_FLAT: Final = Position(0.0, 0, 0, 0.0, 0.0, spent=False)


class EndedTrades(NamedTuple):
    """Trades that ended, and how; rows count from the first candle that the fold was given."""

    trades: TradeArrays
    ends: ExitColumns


class PositionFold:
    """Fills, exit rules and equity as a fold over candles and their signals.

    The trades of a series do not depend on how it is cut: a batch is one call, live is a call a candle.
    `delay` is 1 where signals are filled at the next open, 0 at their own close. The state is a dict of
    numbers and one array, as states of indicators are, and is encoded as they are.
    """

    def __init__(self, rates: CostRates, delay: int, rules: ExitRules = NO_EXITS) -> None:
        self.rates: Final = rates
        self.delay: Final = delay
        self._levels: Final = rules.levels

    def initial_state(self) -> State:
        """Flat, with the initial capital, before the first candle."""
        return _state(_FLAT._replace(equity=self.rates.capital), 0, np.empty(0, dtype=np.int64))

    def advance(
        self, columns: Columns, rows: IntArray, types: npt.NDArray[np.int8], state: State
    ) -> tuple[EndedTrades, State]:
        """The trades that end in these candles, and the state after them; pure.

        `rows` are those of the signals within `columns`, ascending, exits before entries.
        """
        pending = cast("IntArray", state["pending"])
        given_rows = np.concatenate((np.full(len(pending), -1), rows)) if len(pending) else rows
        given_types = np.concatenate((pending.astype(np.int8), types)) if len(pending) else types
        start = cast("int", state["rows"])
        if not len(columns):
            return EndedTrades(TradeArrays.empty(0), ExitColumns.empty(0)), state
        size = int(np.count_nonzero(given_types >= SignalType.ENTRY_LONG)) + 1
        trades, ends = TradeArrays.empty(size), ExitColumns.empty(size)
        count, held = follow_position(
            np.ascontiguousarray(given_rows),
            np.ascontiguousarray(given_types),
            Prices(columns.open, columns.high, columns.low, columns.close),
            start,
            self.delay,
            self.rates,
            self._levels,
            _held(state),
            trades,
            ends,
        )
        left = types[rows == len(columns) - 1] if self.delay else types[:0]
        after = _state(held, start + len(columns), left.astype(np.int64))
        return EndedTrades(trades.first(count), ends.first(count)), after

    def open_trade(self, state: State, close: float) -> EndedTrades | None:
        """The position that is still held as a trade, marked at `close`; None when flat."""
        held = _held(state)
        if not held.side:
            return None
        one, end = TradeArrays.empty(1), ExitColumns.empty(1)
        units = held.equity / (held.entry_price * (1.0 + self.rates.fee))
        keep = (1.0 - self.rates.fee) / (1.0 + self.rates.fee)
        worth = units * close if held.side > 0 else held.equity * (1.0 + keep) - units * close
        one.side[0], one.entry_row[0], one.exit_row[0] = held.side, held.entry_row, cast("int", state["rows"])
        one.units[0], one.before[0], one.after[0] = units, held.equity, worth
        end.price[0], end.reason[0] = np.nan, OPEN
        return EndedTrades(one, end)


def trades_with_exits(
    columns: Columns, rows: IntArray, types: npt.NDArray[np.int8], fold: PositionFold
) -> EndedTrades:
    """All trades of a series, the last of which may be open (its `exit_row` is the number of candles)."""
    ended, state = fold.advance(columns, rows, types, fold.initial_state())
    last = fold.open_trade(state, float(columns.close[-1])) if len(columns) else None
    if last is None:
        return ended
    pairs = [zip(each, other, strict=True) for each, other in zip(ended, last, strict=True)]
    joined: list[list[Any]] = [[np.concatenate(pair) for pair in each] for each in pairs]
    trades, ends = joined
    return EndedTrades(TradeArrays(*trades), ExitColumns(*ends))


def _state(held: Position, rows: int, pending: IntArray) -> State:
    # what was of the last position does not distinguish two states in which nothing is held
    kept = held if held.side else _FLAT._replace(equity=held.equity, spent=held.spent)
    return {
        "rows": rows,
        "pending": pending,
        "equity": float(kept.equity),
        "side": int(kept.side),
        "entry_row": int(kept.entry_row),
        "entry_price": float(kept.entry_price),
        "best": float(kept.best),
        "spent": bool(kept.spent),
    }


def _held(state: State) -> Position:
    return Position(
        cast("float", state["equity"]),
        cast("int", state["side"]),
        cast("int", state["entry_row"]),
        cast("float", state["entry_price"]),
        cast("float", state["best"]),
        spent=cast("bool", state["spent"]),
    )
