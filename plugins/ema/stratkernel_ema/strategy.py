"""The strategy `ema_crossover`: a fast average over a slow one."""

from collections.abc import Mapping
from typing import Self

import numpy as np
from pydantic import Field, model_validator

from stratkernel import BaseStrategy, IndicatorRequest, Params, Signals, StrategyData, crossing, indicator

_HALF_SURE_SPREAD = 0.0005


class EmaCrossoverParams(Params):
    fast_period: int = Field(12, ge=1, le=10_000, description="period of the fast average, candles")
    slow_period: int = Field(26, ge=2, le=10_000, description="period of the slow average, candles")
    allow_short: bool = Field(default=False, description="also sell short when the fast average falls below")

    @model_validator(mode="after")
    def _fast_before_slow(self) -> Self:
        if self.fast_period >= self.slow_period:
            raise ValueError(
                f"fast_period must be smaller than slow_period, got {self.fast_period} and {self.slow_period}"
            )
        return self


class EmaCrossover(BaseStrategy[EmaCrossoverParams]):
    """Long when the fast average crosses above the slow one, out when it crosses below.

    Confidence grows with the spread of the two at that candle: d / (d + 0.05 %), where d is their
    distance as a share of the slow average.
    """

    name = "ema_crossover"
    window = 1

    def get_required_indicators(self) -> Mapping[str, IndicatorRequest]:
        fast = indicator("ema", period=self.params.fast_period)
        slow = indicator("ema", period=self.params.slow_period)
        return {"fast": fast, "slow": slow, "cross": crossing(fast, slow)}

    def calculate(self, data: StrategyData) -> Signals:
        cross = data.events("cross")
        fast, slow = data["fast"].take(cross.rows), data["slow"].take(cross.rows)
        spread = np.abs(fast - slow) / slow
        return Signals.directional(
            cross.rows,
            cross.values > 0,
            confidence=spread / (spread + _HALF_SURE_SPREAD),
            metadata={"fast": fast, "slow": slow},
            allow_short=self.params.allow_short,
        )
