"""The strategy `rsi`: back from oversold, back from overbought."""

from collections.abc import Mapping
from typing import Self

import numpy as np
from pydantic import Field, model_validator

from stratkernel import (
    BaseStrategy,
    IndicatorRequest,
    Params,
    Signals,
    StrategyData,
    TimeframeName,
    indicator,
    level_crossing,
)

_MIDDLE = 50.0


class RsiStrategyParams(Params):
    period: int = Field(14, ge=1, le=10_000, description="period of Wilder's smoothing, candles")
    oversold: float = Field(30.0, gt=0, lt=100, description="the lower level, RSI points")
    overbought: float = Field(70.0, gt=0, lt=100, description="the upper level, RSI points")
    allow_short: bool = Field(
        default=False, description="also sell short when the RSI falls back below overbought"
    )
    trend_timeframe: TimeframeName | None = Field(
        None, description="enter only along the trend of this higher timeframe; null for any"
    )
    trend_period: int | None = Field(
        None, ge=1, le=10_000, description="period of the trend's RSI, its candles; `period` where null"
    )

    @model_validator(mode="after")
    def _oversold_below_overbought(self) -> Self:
        if self.oversold >= self.overbought:
            raise ValueError(
                f"oversold must be smaller than overbought, got {self.oversold} and {self.overbought}"
            )
        if self.trend_period is not None and self.trend_timeframe is None:
            raise ValueError(f"trend_period must be null without trend_timeframe, got {self.trend_period}")
        return self


class RsiStrategy(BaseStrategy[RsiStrategyParams]):
    """Long when the RSI comes back up through `oversold`, out when it comes back down through `overbought`.

    Confidence is how far the RSI has come past the level at that candle, as a share of the way that was
    left: (rsi - oversold) / (100 - oversold) upwards, (overbought - rsi) / overbought downwards.
    With `trend_timeframe`, long entries need that timeframe's RSI above 50, short entries below; exits need
    nothing.
    """

    name = "rsi"
    window = 1

    def get_required_indicators(self) -> Mapping[str, IndicatorRequest]:
        rsi = indicator("rsi", period=self.params.period)
        needed = {
            "rsi": rsi,
            "from_below": level_crossing(rsi, self.params.oversold),
            "from_above": level_crossing(rsi, self.params.overbought),
        }
        if self.params.trend_timeframe is not None:
            period = self.params.trend_period or self.params.period
            needed["trend"] = indicator("rsi", period=period, timeframe=self.params.trend_timeframe)
        return needed

    def calculate(self, data: StrategyData) -> Signals:
        below, above = data.events("from_below"), data.events("from_above")
        up, down = below.rows[below.values > 0], above.rows[above.values < 0]
        rows = np.concatenate((up, down))
        is_up = np.arange(len(rows)) < len(up)
        rsi = data["rsi"][rows]
        oversold, overbought = self.params.oversold, self.params.overbought
        confidence = np.where(is_up, (rsi - oversold) / (100.0 - oversold), (overbought - rsi) / overbought)
        signals = Signals.directional(
            rows,
            is_up,
            confidence=np.clip(confidence, 0.0, 1.0),
            metadata={"rsi": rsi},
            allow_short=self.params.allow_short,
        )
        if self.params.trend_timeframe is None:
            return signals
        return signals.along(data["trend"] - _MIDDLE)
