"""Strategies that are wrong on purpose; the checks must catch every one of them."""

from typing import ClassVar

import numpy as np
import pandas as pd

from stratkernel import BaseStrategy, IndicatorRequest, Signals, SignalType, StrategyData, crossing, indicator


def _cross_above(line: np.ndarray, other: np.ndarray | float) -> Signals:
    above = np.asarray(line > other)
    fires = np.zeros(len(above), dtype=bool)
    fires[1:] = above[1:] & ~above[:-1]
    return Signals.at(fires, SignalType.ENTRY_LONG)


class TomorrowsClose(BaseStrategy):
    """shift(-1): knows whether the next candle rises."""

    name = "tomorrows_close"

    def calculate(self, data: StrategyData) -> Signals:
        close = pd.Series(data["close"])
        return Signals.at((close.shift(-1) > close).to_numpy(), SignalType.ENTRY_LONG)


class FullSampleScore(BaseStrategy):
    """A z-score over the whole sample."""

    name = "full_sample_score"

    def calculate(self, data: StrategyData) -> Signals:
        close = data["close"]
        return _cross_above((close - close.mean()) / (close.std() + 1e-12), 1.0)


class CentredMean(BaseStrategy):
    """A rolling mean that is centred on its row."""

    name = "centred_mean"

    def calculate(self, data: StrategyData) -> Signals:
        close = pd.Series(data["close"])
        return _cross_above(data["close"], close.rolling(5, center=True).mean().to_numpy())


class BackFilled(BaseStrategy):
    """Values filled backwards from the future."""

    name = "back_filled"

    def calculate(self, data: StrategyData) -> Signals:
        close = pd.Series(data["close"])
        peaks = close.where(close > close.shift(1) * 1.01).bfill()
        return _cross_above(data["close"], peaks.to_numpy())


class LastRow(BaseStrategy):
    """Compares every row with the last one of the sample."""

    name = "last_row"

    def calculate(self, data: StrategyData) -> Signals:
        return Signals.at(data["close"] < data["close"][-1], SignalType.ENTRY_LONG)


class SampleMaximum(BaseStrategy):
    """Sells at the highest close of the sample."""

    name = "sample_maximum"

    def calculate(self, data: StrategyData) -> Signals:
        return Signals.at(data["close"] == data["close"].max(), SignalType.EXIT_LONG)


class FutureConfidence(BaseStrategy):
    """Honest rows, but a confidence that knows the next candle."""

    name = "future_confidence"

    def get_required_indicators(self) -> dict[str, IndicatorRequest]:
        return {"cross": crossing("close", indicator("ema", period=5))}

    def calculate(self, data: StrategyData) -> Signals:
        rows = data.events("cross").rows
        following = np.append(data["close"][1:], data["close"][-1])
        sure = np.clip(following / data["close"] - 0.5, 0, 1)
        return Signals(rows, SignalType.ENTRY_LONG, confidence=sure[rows])


class GlobalByIndex(BaseStrategy):
    """Reads the data set that lies outside, by row number: prefixes cannot show it, poisoning does."""

    name = "global_by_index"
    outside: ClassVar[np.ndarray] = np.empty(0)

    def calculate(self, data: StrategyData) -> Signals:
        if len(data) >= len(self.outside):
            type(self).outside = data["close"].copy()
        later = np.append(self.outside[1:], self.outside[-1])[: len(data)]
        return Signals.at(later > data["close"], SignalType.ENTRY_LONG)


class LongMemory(BaseStrategy):
    """Declares two rows and looks at twenty."""

    name = "long_memory"
    window = 2

    def calculate(self, data: StrategyData) -> Signals:
        mean = pd.Series(data["close"]).rolling(20).mean().to_numpy()
        return _cross_above(data["close"], mean)


class RunningCount(BaseStrategy):
    """Counts candles: every fifth row since wherever the data begins."""

    name = "running_count"
    window = 2

    def calculate(self, data: StrategyData) -> Signals:
        return Signals.at(np.arange(len(data)) % 5 == 4, SignalType.ENTRY_LONG)


class RememberedPosition(BaseStrategy):
    """Keeps a position over the rows, which a window of two cannot know."""

    name = "remembered_position"
    window = 2

    def calculate(self, data: StrategyData) -> Signals:
        position, rows, types = False, [], []
        close = data["close"]
        for row in range(1, len(data)):
            if not position and close[row] > close[row - 1]:
                position = True
                rows.append(row)
                types.append(SignalType.ENTRY_LONG)
            elif position and close[row] < close[row - 1] * 0.99:
                position = False
                rows.append(row)
                types.append(SignalType.EXIT_LONG)
        return Signals(np.array(rows, dtype=np.int64), np.array(types, dtype=np.int8))


SEEN_BY_PREFIXES = (
    TomorrowsClose, FullSampleScore, CentredMean, BackFilled, LastRow, SampleMaximum, FutureConfidence,
)  # fmt: skip
LOOK_AHEAD = (*SEEN_BY_PREFIXES, GlobalByIndex)
REACHES_BACK = (LongMemory, RunningCount, RememberedPosition)
