"""Candles of a higher timeframe as columns that a strategy can read."""

from typing import ClassVar

from stratkernel.contracts.columns import CANDLE_COLUMNS, Columns
from stratkernel.contracts.indicator import BaseIndicator, IndicatorRequest, Values
from stratkernel.contracts.params import Params
from stratkernel.contracts.state import State


class CandleColumns(BaseIndicator[Params]):
    """The candles themselves: open, high, low, close and volume."""

    name = "candle_columns"
    inputs: ClassVar[tuple[str, ...]] = CANDLE_COLUMNS
    outputs: ClassVar[tuple[str, ...]] = CANDLE_COLUMNS

    def lookback(self) -> int:
        return 0

    def initial_state(self) -> State:
        return {}

    def advance(self, columns: Columns, state: State) -> tuple[Values, State]:
        return {name: columns[name] for name in CANDLE_COLUMNS}, state


def candles_of(timeframe: str) -> IndicatorRequest:
    """Ask for the newest closed candle of a higher timeframe; under the alias `day`, `data["day.high"]`."""
    return IndicatorRequest(CandleColumns, {}, timeframe=timeframe)
