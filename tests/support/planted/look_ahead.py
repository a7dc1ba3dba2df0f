"""Strategies that are wrong on purpose; the checks must catch every one of them."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from stratkernel import (
    BaseIndicator,
    BaseStrategy,
    Columns,
    IndicatorRequest,
    Signals,
    SignalType,
    StrategyData,
    WindowIndicator,
    crossing,
    indicator,
)


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


class FutureMetadata(BaseStrategy):
    """Honest rows and confidences; only a figure that it tells beside knows the next candle."""

    name = "future_metadata"

    def get_required_indicators(self) -> dict[str, IndicatorRequest]:
        return {"cross": crossing("close", indicator("ema", period=5))}

    def calculate(self, data: StrategyData) -> Signals:
        rows = data.events("cross").rows
        following = np.append(data["high"][1:], data["high"][-1])
        return Signals(rows, SignalType.ENTRY_LONG, metadata={"target": following[rows]})


class HighestOfAll(BaseStrategy):
    """A close scaled by the highest of the sample."""

    name = "highest_of_all"

    def calculate(self, data: StrategyData) -> Signals:
        return _cross_above(data["close"] / data["close"].max(), 0.8)


class ConfirmedPeaks(BaseStrategy):
    """A peak is known only when three later candles were lower."""

    name = "confirmed_peaks"

    def calculate(self, data: StrategyData) -> Signals:
        high = pd.Series(data["high"])
        peak = (high == high.rolling(7, center=True).max()).to_numpy()
        return Signals.at(peak, SignalType.EXIT_LONG)


def _hourly_close(data: StrategyData) -> pd.Series:
    """Closes of the hours, labelled with their open time; candles are labelled with theirs too."""
    opened = data.frame["close"]
    opened.index = opened.index - pd.Timedelta(minutes=5)
    return opened.resample("1h", label="left", closed="left").last()


class MergedOnOpenTime(BaseStrategy):
    """The hour's close is joined to the candles of that same hour."""

    name = "merged_on_open_time"

    def calculate(self, data: StrategyData) -> Signals:
        hours = _hourly_close(data)
        opened = data.frame.index - pd.Timedelta(minutes=5)
        hour = hours.reindex(opened, method="ffill").to_numpy()
        return _cross_above(data["close"], hour)


class ResampledToTheLeft(BaseStrategy):
    """Hours labelled on the left and filled forwards from that label on, with an average of them."""

    name = "resampled_to_the_left"

    def calculate(self, data: StrategyData) -> Signals:
        average = _hourly_close(data).ewm(span=3, adjust=False).mean()
        hour = average.reindex(data.frame.index - pd.Timedelta(minutes=5), method="ffill").to_numpy()
        return _cross_above(data["close"], hour)


class NextReturnMemory(BaseStrategy):
    """A fold that looks one row ahead within the rows that it is given."""

    name = "next_return_memory"

    def initial_state(self) -> dict[str, int]:
        return {"rows": 0}

    def advance(self, data: StrategyData, state: Mapping[str, Any]) -> tuple[Signals, dict[str, Any]]:
        close = data["close"]
        rises = np.append(close[1:] > close[:-1], False) if len(close) else np.zeros(0, dtype=bool)
        return Signals.at(rises, SignalType.ENTRY_LONG), {"rows": state["rows"] + len(data)}


class SampleScore(BaseIndicator):
    """An indicator that measures in standard deviations of the whole sample."""

    name = "sample_score"
    outputs = ("score", "rank")

    def lookback(self) -> int:
        return 0

    def initial_state(self) -> dict[str, int]:
        return {}

    def advance(self, columns: Columns, state: Mapping[str, Any]) -> tuple[dict[str, np.ndarray], Any]:
        close = columns["close"]
        if not len(close):
            return {"score": close.copy(), "rank": close.copy()}, state
        score = (close - close.mean()) / (close.std() + 1e-12)
        return {"score": score, "rank": np.arange(len(close), dtype=np.float64)[: len(close)] * 0.0}, state


class ReadsSampleScore(BaseStrategy):
    """Honest itself, over an indicator that is not."""

    name = "reads_sample_score"

    def get_required_indicators(self) -> dict[str, IndicatorRequest]:
        score = indicator(SampleScore)["score"]
        return {"score": score, "smooth": indicator("ema", on=score, period=3)}

    def calculate(self, data: StrategyData) -> Signals:
        return _cross_above(data["score"], data["smooth"])


class CentredIndicator(WindowIndicator):
    """A mean that is centred on its row."""

    name = "centred_indicator"

    def lookback(self) -> int:
        return 2

    def calculate(self, columns: Columns) -> np.ndarray:
        mean = pd.Series(columns["close"]).rolling(5, center=True).mean()
        return mean.ffill().fillna(0.0).to_numpy()


class ReadsCentred(BaseStrategy):
    """Honest itself, over an indicator that is centred."""

    name = "reads_centred"

    def get_required_indicators(self) -> dict[str, IndicatorRequest]:
        return {"middle": indicator(CentredIndicator)}

    def calculate(self, data: StrategyData) -> Signals:
        return _cross_above(data["close"], data["middle"])


class HourInIndicator(BaseIndicator):
    """The close of the hour on every candle of that hour."""

    name = "hour_in_indicator"

    def lookback(self) -> int:
        return 0

    def initial_state(self) -> dict[str, int]:
        return {}

    def advance(self, columns: Columns, state: Mapping[str, Any]) -> tuple[np.ndarray, Any]:
        hour = (columns.close_time - 1) // 3_600_000_000
        last = np.searchsorted(hour, hour, side="right") - 1
        return columns["close"][last], state


class ReadsHour(BaseStrategy):
    """Honest itself, over an indicator that merges on open time."""

    name = "reads_hour"

    def get_required_indicators(self) -> dict[str, IndicatorRequest]:
        return {"hour": indicator(HourInIndicator)}

    def calculate(self, data: StrategyData) -> Signals:
        return _cross_above(data["close"], data["hour"])


class ShortLookback(WindowIndicator):
    """Declares five rows and reads twenty."""

    name = "short_lookback"

    def lookback(self) -> int:
        return 4

    def calculate(self, columns: Columns) -> np.ndarray:
        return pd.Series(columns["close"]).rolling(20, min_periods=1).max().to_numpy()


class ReadsShortLookback(BaseStrategy):
    """Honest itself, over an indicator that declares too little."""

    name = "reads_short_lookback"

    def get_required_indicators(self) -> dict[str, IndicatorRequest]:
        return {"top": indicator(ShortLookback)}

    def calculate(self, data: StrategyData) -> Signals:
        return Signals.at(data["close"] < 0.95 * data["top"], SignalType.ENTRY_LONG)


class Dice(BaseStrategy):
    """Says something else every time."""

    name = "dice"

    def calculate(self, data: StrategyData) -> Signals:
        return Signals.at(np.random.default_rng().random(len(data)) < 0.1, SignalType.ENTRY_LONG)


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
    FutureMetadata, HighestOfAll, ConfirmedPeaks, NextReturnMemory,
)  # fmt: skip
LOOK_AHEAD = (*SEEN_BY_PREFIXES, GlobalByIndex)
REACHES_BACK = (LongMemory, RunningCount, RememberedPosition)
ON_FIVE_MINUTES = (MergedOnOpenTime, ResampledToTheLeft, ReadsHour)
"""Those that see hours too early, on candles of five minutes."""
IN_INDICATORS = {
    ReadsSampleScore: SampleScore,
    ReadsCentred: CentredIndicator,
    ReadsHour: HourInIndicator,
    ReadsShortLookback: ShortLookback,
}
"""Honest strategies over indicators that are not."""
