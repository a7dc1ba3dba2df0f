"""The gap rule for candles that come in chunks: what is missing at the border between two counts too."""

import dataclasses

import numpy as np

from stratkernel.contracts.arrays import BoolArray, IntArray
from stratkernel.contracts.calendars import Calendar, candles_a_day, missing_before
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.columns import CANDLE_COLUMNS, candle_columns
from stratkernel.contracts.timeframes import DAY
from stratkernel.engine.gaps import GapOutcome, GapRule, apply_gaps
from stratkernel.engine.streaming.chunks import CandleChunks
from stratkernel.kernel.errors import UsageError

_SHORTEST_CLOSURE = 5
"""Weekdays that a closure of more than a week has at least, each of one candle or more."""
_NONE = np.empty(0, dtype=np.int64)


class GapFold:
    """Finds and treats gaps as `apply_gaps` does for all candles at once.

    On `sessions` a long closure counts as many candles a weekday as a day has on average. Where `max_gap`
    could swallow one, that average is needed beforehand; see `average_needed`.
    """

    def __init__(self, rule: GapRule, *, a_day: int | None = None) -> None:
        self._rule, self._a_day = rule, a_day
        self._last: Candles | None = None
        self._has_sessions = False
        self._missing = self._long = self._candles = self._days = 0
        self.gaps = 0

    def advance(self, candles: Candles) -> GapOutcome:
        """The next candles with the rule applied; rows count from the first of them."""
        before, self._last = self._last, candles.slice(len(candles) - 1, len(candles))
        self._has_sessions = candles.calendar is Calendar.SESSIONS
        self._count_days(candles.open_time, before)
        if before is None or candles.omits_empty:
            return self._applied(candles)
        if candles.is_gapless and int(before.close_time[0]) == int(candles.open_time[0]):
            return GapOutcome(candles, _NONE, _NONE, 0, 0)
        outcome = self._applied(_behind(before, candles))
        filled = outcome.candles
        return GapOutcome(
            filled.slice(1, len(filled)),
            outcome.resets - 1,
            outcome.after - 1,
            outcome.missing,
            outcome.gaps,
        )

    def _applied(self, candles: Candles) -> GapOutcome:
        outcome = apply_gaps(candles, self._rule, a_day=self._a_day or 1)
        self._missing += outcome.missing
        self.gaps += outcome.gaps
        if outcome.missing and candles.calendar is Calendar.SESSIONS and self._a_day is None:
            # what counts once for each candle of a day: the difference that one more a day makes
            more = missing_before(candles.open_time, candles.timeframe, candles.calendar, a_day=2)
            self._long += int(more.sum()) - outcome.missing
        return outcome

    @property
    def missing(self) -> int:
        """Candles that were missing so far."""
        if not self._long:
            return self._missing
        return self._missing + self._long * (candles_a_day(self._candles, self._days) - 1)

    def _count_days(self, open_time: IntArray, before: Candles | None) -> None:
        if not self._has_sessions:
            return
        self._candles += len(open_time)
        first = int(open_time[0]) if before is None else int(before.open_time[0])
        self._days += days_from(first, open_time) + (before is None)


def average_needed(chunks: CandleChunks, rule: GapRule, origin: int | None) -> int | None:
    """Candles that a day has on average, where the gap rule needs to know; reads all open times then.

    Raises:
        UsageError: gaps that long cannot be filled without having all candles at once.
    """
    length = chunks.timeframe.micros
    sessions = chunks.calendar is Calendar.SESSIONS and length is not None and length <= DAY
    if not sessions or chunks.omits_empty or rule.max_gap < _SHORTEST_CLOSURE:
        return None
    if rule.policy == "fill":
        raise UsageError(
            f"gaps of up to {rule.max_gap} candles cannot be told apart before those of a market with "
            f"sessions are filled; stream it with a max_gap below {_SHORTEST_CLOSURE}, or run it in memory"
        )
    candles = days = 0
    last = None
    for times in chunks.open_times():
        time = times if origin is None else times[times >= origin]
        if len(time):
            days += days_from(int(time[0]) if last is None else last, time) + (last is None)
            candles, last = candles + len(time), int(time[-1])
    return candles_a_day(candles, days) if days else None


def days_from(before: int, open_time: IntArray) -> int:
    """How often a new UTC day begins, from an open time before to the last of these."""
    day = open_time // DAY
    return int(np.count_nonzero(day[1:] != day[:-1])) + int(day[0] != before // DAY)


def _behind(before: Candles, candles: Candles) -> Candles:
    """Candles with the one before them."""
    arrays = {name: np.concatenate((before.columns[name], candles.columns[name])) for name in CANDLE_COLUMNS}
    marked = None
    if before.marked is not None or candles.marked is not None:
        marked = np.concatenate([_marks(before), _marks(candles)])
    open_time = np.concatenate((before.open_time, candles.open_time))
    close_time = np.concatenate((before.close_time, candles.close_time))
    return dataclasses.replace(
        candles, open_time=open_time, columns=candle_columns(arrays, close_time), marked=marked
    )


def _marks(candles: Candles) -> BoolArray:
    return np.zeros(len(candles), dtype=np.bool_) if candles.marked is None else candles.marked
