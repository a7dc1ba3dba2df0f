"""The strategy `ema_crossover`: a fast average over a slow one."""

from collections.abc import Mapping
from typing import Self

import numpy as np
from pydantic import Field, model_validator

from stratkernel import (
    BaseStrategy,
    FloatArray,
    IndicatorRequest,
    IntArray,
    Params,
    Signals,
    StrategyData,
    TimeframeName,
    crossing,
    indicator,
)

_HALF_SURE_SPREAD = 0.0005
_TREND_PERIOD = 50


class EmaCrossoverParams(Params):
    fast_period: int = Field(12, ge=1, le=10_000, description="period of the fast average, candles")
    slow_period: int = Field(26, ge=2, le=10_000, description="period of the slow average, candles")
    allow_short: bool = Field(default=False, description="also sell short when the fast average falls below")
    trend_timeframe: TimeframeName | None = Field(
        None, description="enter only along the trend of this higher timeframe; null for any"
    )
    trend_period: int | None = Field(
        None, ge=1, le=10_000, description="period of the trend's average, its candles; 50 where null"
    )

    @model_validator(mode="after")
    def _fast_before_slow(self) -> Self:
        if self.fast_period >= self.slow_period:
            raise ValueError(
                f"fast_period must be smaller than slow_period, got {self.fast_period} and {self.slow_period}"
            )
        if self.trend_period is not None and self.trend_timeframe is None:
            raise ValueError(f"trend_period must be null without trend_timeframe, got {self.trend_period}")
        return self


class EmaCrossover(BaseStrategy[EmaCrossoverParams]):
    """Long when the fast average crosses above the slow one, out when it crosses below.

    Confidence grows with the spread of the two at that candle: d / (d + 0.05 %), where d is their
    distance as a share of the slow average. With `trend_timeframe`, long entries need a close above that
    timeframe's average, short entries one below it; exits need nothing.
    """

    name = "ema_crossover"
    window = 1

    def get_required_indicators(self) -> Mapping[str, IndicatorRequest]:
        fast = indicator("ema", period=self.params.fast_period)
        slow = indicator("ema", period=self.params.slow_period)
        needed = {"fast": fast, "slow": slow, "cross": crossing(fast, slow)}
        if self.params.trend_timeframe is not None:
            period = self.params.trend_period or _TREND_PERIOD
            needed["trend"] = indicator("ema", period=period, timeframe=self.params.trend_timeframe)
        return needed

    def calculate(self, data: StrategyData) -> Signals:
        cross = data.events("cross")

        def details(rows: IntArray) -> tuple[FloatArray, Mapping[str, FloatArray]]:
            fast_there, slow_there = data["fast"].take(rows), data["slow"].take(rows)
            spread = np.abs(fast_there - slow_there) / slow_there
            return spread / (spread + _HALF_SURE_SPREAD), {"fast": fast_there, "slow": slow_there}

        signals = Signals.directional(
            cross.rows, cross.values > 0, details=details, allow_short=self.params.allow_short
        )
        if self.params.trend_timeframe is None:
            return signals
        return signals.along(data["close"] - data["trend"])
