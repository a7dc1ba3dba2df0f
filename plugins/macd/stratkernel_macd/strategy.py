"""The strategy `macd`: the MACD line over its signal line."""

from collections.abc import Mapping

import numpy as np
from pydantic import Field

from stratkernel import (
    BaseStrategy,
    IndicatorRequest,
    Signals,
    StrategyData,
    TimeframeName,
    crossing,
    indicator,
)
from stratkernel_macd.indicator import MacdParams


class MacdStrategyParams(MacdParams):
    allow_short: bool = Field(
        default=False, description="also sell short when the line falls below its signal line"
    )
    trend_timeframe: TimeframeName | None = Field(
        None, description="enter only along the trend of this higher timeframe; null for any"
    )


class MacdStrategy(BaseStrategy[MacdStrategyParams]):
    """Long when the MACD line crosses above its signal line, out when it crosses below.

    Confidence is the share of the distance between the lines in the two together at that candle:
    |histogram| / (|histogram| + |signal line|). With `trend_timeframe`, long entries need the MACD line of
    that timeframe (of the same periods) above its signal line, short entries below; exits need nothing.
    """

    name = "macd"
    window = 1

    def get_required_indicators(self) -> Mapping[str, IndicatorRequest]:
        periods = self.params.model_dump(include=set(MacdParams.model_fields))
        macd = indicator("macd", **periods)
        needed = {"macd": macd, "cross": crossing(macd["macd"], macd["signal"])}
        if self.params.trend_timeframe is not None:
            higher = indicator("macd", timeframe=self.params.trend_timeframe, **periods)
            needed["trend"] = higher["histogram"]
        return needed

    def calculate(self, data: StrategyData) -> Signals:
        cross = data.events("cross")
        histogram, signal = data["macd.histogram"][cross.rows], data["macd.signal"][cross.rows]
        distance = np.abs(histogram)
        signals = Signals.directional(
            cross.rows,
            cross.values > 0,
            confidence=distance / (distance + np.abs(signal)),
            metadata={"histogram": histogram, "signal": signal},
            allow_short=self.params.allow_short,
        )
        return signals if self.params.trend_timeframe is None else signals.along(data["trend"])
