"""Donchian channel breakout: buy a close above the recent highs, sell one below the recent lows."""

import numpy as np
from pydantic import Field

from stratkernel import (
    BaseStrategy,
    Columns,
    IndicatorRequest,
    Params,
    Signals,
    SignalType,
    StrategyData,
    Values,
    WindowIndicator,
    hookimpl,
    indicator,
    rolling,
)  # fmt: skip


class DonchianParams(Params):
    period: int = Field(20, ge=2, le=5_000, description="candles of the channel")


class Donchian(WindowIndicator[DonchianParams]):
    """Highest high and lowest low of the last `period` candles."""

    name = "donchian"
    inputs = ("high", "low")
    outputs = ("upper", "lower")

    def lookback(self) -> int:
        return self.params.period - 1

    def calculate(self, columns: Columns) -> Values:
        period = self.params.period
        return {"upper": rolling.max(columns.high, period), "lower": rolling.min(columns.low, period)}


class DonchianBreakout(BaseStrategy[DonchianParams]):
    """Long when a candle closes above the channel that ended before it, out when it closes below."""

    name = "donchian"
    window = 2  # this candle's close, and the channel of the candle before

    def get_required_indicators(self) -> dict[str, IndicatorRequest]:
        return {"channel": indicator("donchian", period=self.params.period)}

    def calculate(self, data: StrategyData) -> Signals:
        above, below = np.zeros((2, len(data)), dtype=bool)
        above[1:] = data["close"][1:] > data["channel.upper"][:-1]
        below[1:] = data["close"][1:] < data["channel.lower"][:-1]
        return Signals.join(
            [Signals.at(above, SignalType.ENTRY_LONG), Signals.at(below, SignalType.EXIT_LONG)]
        )


@hookimpl
def stratkernel_indicators() -> list[type[Donchian]]:
    return [Donchian]


@hookimpl
def stratkernel_strategies() -> list[type[DonchianBreakout]]:
    return [DonchianBreakout]
