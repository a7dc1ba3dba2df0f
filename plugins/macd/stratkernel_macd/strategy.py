"""The strategy `macd`: the MACD line over its signal line."""

from collections.abc import Mapping

import numpy as np
from pydantic import Field

from stratkernel import BaseStrategy, IndicatorRequest, Signals, StrategyData, crossing, indicator
from stratkernel_macd.indicator import MacdParams


class MacdStrategyParams(MacdParams):
    allow_short: bool = Field(
        default=False, description="also sell short when the line falls below its signal line"
    )


class MacdStrategy(BaseStrategy[MacdStrategyParams]):
    """Long when the MACD line crosses above its signal line, out when it crosses below.

    Confidence is the share of the distance between the lines in the two together at that candle:
    |histogram| / (|histogram| + |signal line|).
    """

    name = "macd"
    window = 1

    def get_required_indicators(self) -> Mapping[str, IndicatorRequest]:
        macd = indicator("macd", **self.params.model_dump(exclude={"allow_short"}))
        return {"macd": macd, "cross": crossing(macd["macd"], macd["signal"])}

    def calculate(self, data: StrategyData) -> Signals:
        cross = data.events("cross")
        histogram, signal = data["macd.histogram"][cross.rows], data["macd.signal"][cross.rows]
        distance = np.abs(histogram)
        return Signals.directional(
            cross.rows,
            cross.values > 0,
            confidence=distance / (distance + np.abs(signal)),
            metadata={"histogram": histogram, "signal": signal},
            allow_short=self.params.allow_short,
        )
