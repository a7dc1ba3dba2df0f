"""What happens where candles are missing: `continue`, `reset` or `fill`."""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

import numpy as np

from stratkernel.contracts.arrays import BoolArray, IntArray
from stratkernel.contracts.calendars import Calendar, missing_before
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.columns import CANDLE_COLUMNS, candle_columns
from stratkernel.contracts.timeframes import DAY
from stratkernel.kernel.errors import UsageError

GapPolicy: TypeAlias = Literal["continue", "reset", "fill"]


@dataclass(frozen=True, slots=True)
class GapRule:
    """Gaps of more than `max_gap` candles: go on and flag, start the warm-up anew, or fill with flat candles.

    What cannot be filled, since the calendar does not tell which candles are missing, is flagged.

    Raises:
        UsageError: an unknown policy or a negative `max_gap`.
    """

    policy: GapPolicy = "continue"
    max_gap: int = 0

    def __post_init__(self) -> None:
        if self.policy not in get_args(GapPolicy):
            raise UsageError(f"unknown gap policy {self.policy!r}; expected continue, reset or fill")
        if self.max_gap < 0:
            raise UsageError(f"max_gap is {self.max_gap}; expected 0 or more missing candles")

    def to_dict(self) -> dict[str, str | int]:
        return {"policy": self.policy, "max_gap": self.max_gap}


@dataclass(frozen=True, slots=True)
class GapOutcome:
    """Candles with the rule applied; `resets` are rows at which folds start anew, `after` follow a gap."""

    candles: Candles
    resets: IntArray
    after: IntArray
    missing: int
    gaps: int


_NONE: Final = np.empty(0, dtype=np.int64)


def apply_gaps(candles: Candles, rule: GapRule, *, a_day: int | None = None) -> GapOutcome:
    """Find the gaps and treat them; where the source omits candles without trades there are none.

    `a_day` is for parts of a series, see `missing_before`.
    """
    if candles.omits_empty or candles.is_gapless:
        return GapOutcome(candles, _NONE, _NONE, 0, 0)
    missing = missing_before(candles.open_time, candles.timeframe, candles.calendar, a_day=a_day)
    holes = np.flatnonzero(missing > rule.max_gap)
    total, count = int(missing.sum()), int(np.count_nonzero(missing))
    if not len(holes):
        return GapOutcome(candles, _NONE, _NONE, total, count)
    if rule.policy == "reset":
        return GapOutcome(candles, holes, _NONE, total, count)
    if rule.policy == "fill":
        filled = _filled(candles, holes)
        left = missing_before(filled.open_time, filled.timeframe, filled.calendar, a_day=a_day)
        return GapOutcome(filled, _NONE, np.flatnonzero(left > rule.max_gap), total, count)
    return GapOutcome(candles, _NONE, holes, total, count)


def after_gap_mask(rows: IntArray, after: IntArray, lookback: int) -> BoolArray:
    """Which of these rows lie within one lookback after a gap."""
    if not len(after):
        return np.zeros(len(rows), dtype=bool)
    position = np.searchsorted(after, rows, side="right") - 1
    distance = rows - after[np.maximum(position, 0)]
    return np.asarray((position >= 0) & (distance < max(lookback, 1)))


def _filled(candles: Candles, holes: IntArray) -> Candles:
    """Flat candles at the last close, without volume, where the calendar expects them; marked."""
    times, source, marks = [], [], []
    previous = 0
    marked = candles.marked if candles.marked is not None else np.zeros(len(candles), dtype=bool)
    for hole in holes.tolist():
        expected = _expected_between(candles, int(candles.open_time[hole - 1]), int(candles.open_time[hole]))
        times += [candles.open_time[previous:hole], expected]
        source += [np.arange(previous, hole), np.full(len(expected), hole - 1)]
        marks += [np.zeros(hole - previous, dtype=bool), np.ones(len(expected), dtype=bool)]
        previous = hole
    times.append(candles.open_time[previous:])
    source.append(np.arange(previous, len(candles)))
    marks.append(np.zeros(len(candles) - previous, dtype=bool))
    open_time, rows, new = np.concatenate(times), np.concatenate(source), np.concatenate(marks)
    close = candles.columns.close[rows]
    arrays = {name: np.where(new, close, candles.columns[name][rows]) for name in CANDLE_COLUMNS}
    arrays["volume"] = np.where(new, 0.0, candles.columns.volume[rows])
    return Candles(
        symbol=candles.symbol,
        timeframe=candles.timeframe,
        open_time=open_time,
        columns=candle_columns(arrays, candles.timeframe.close_of(open_time)),
        calendar=candles.calendar,
        venue=candles.venue,
        marked=marked[rows] | new,
        report=candles.report,
    )


def _expected_between(candles: Candles, before: int, after: int) -> IntArray:
    """Open times that the calendar expects strictly between two candles."""
    timeframe = candles.timeframe
    if timeframe.micros is None:
        months = np.arange(
            np.datetime64(before, "us").astype("datetime64[M]") + 1,
            np.datetime64(after, "us").astype("datetime64[M]"),
        )
        return np.asarray(months.astype("datetime64[us]").astype(np.int64))
    expected = np.arange(before + timeframe.micros, after, timeframe.micros, dtype=np.int64)
    if candles.calendar is Calendar.ALWAYS or timeframe.micros > DAY:
        return expected
    step = np.asarray(missing_before(np.array([before, after]), timeframe, candles.calendar))
    if candles.calendar is Calendar.SESSIONS and before // DAY != after // DAY:
        weekdays = np.unique(expected // DAY) if step[1] else _NONE
        return np.asarray(weekdays[(weekdays + 3) % 7 < 5] * DAY) if timeframe.micros == DAY else _NONE
    return expected[(expected // DAY + 3) % 7 < 5]
