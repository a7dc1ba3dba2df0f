"""Candles of a higher timeframe out of those of a lower one, as a fold that shows closed candles only."""

from dataclasses import dataclass
from typing import Final, cast

import numpy as np

from stratkernel.contracts.arrays import BoolArray, FloatArray, IntArray
from stratkernel.contracts.calendars import Calendar, expects_candles
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.columns import CANDLE_COLUMNS, Columns, candle_columns
from stratkernel.contracts.state import State
from stratkernel.contracts.timeframes import Timeframe
from stratkernel.engine.timeframes.plan import check_higher

_NOTHING: Final[State] = {"last": None, "forming": False}


@dataclass(frozen=True, slots=True, eq=False)
class HigherCandles:
    """Candles of a higher timeframe that closed during a chunk of base candles.

    `rows` are the base rows of the chunk at which each is first known, ascending, several perhaps at one;
    `incomplete` tells those that lack base candles.
    """

    columns: Columns
    rows: IntArray
    incomplete: BoolArray

    def __len__(self) -> int:
        return len(self.rows)


NO_CANDLES: Final = HigherCandles(
    candle_columns({name: np.empty(0) for name in CANDLE_COLUMNS}, np.empty(0, dtype=np.int64)),
    np.empty(0, dtype=np.int64),
    np.empty(0, dtype=bool),
)
"""What a chunk gives in which none closes."""


class Resampler:
    """Folds base candles into candles of a higher timeframe: the same bits however they are cut.

    A candle is known at the base row that closes when it does, or where that one is missing, at the next
    base row. The candle that is still forming stays in the state. Volumes are added from left to right.
    A candle is incomplete where the calendar misses base candles in it, or where it began before the
    first row; sources that omit candles without trades miss none.
    """

    def __init__(
        self,
        base: Timeframe,
        timeframe: Timeframe,
        calendar: Calendar = Calendar.ALWAYS,
        *,
        omits_empty: bool = False,
    ) -> None:
        check_higher(base, timeframe, "a resampler")
        self.base = base
        self.timeframe = timeframe
        self._calendar = calendar
        self._omits_empty = omits_empty

    def initial_state(self) -> State:
        """The state before the first base candle."""
        return _NOTHING

    def advance(self, columns: Columns, state: State) -> tuple[HigherCandles, State]:
        """The higher candles that close with these base candles, and the state after them; pure."""
        if not len(columns):
            return NO_CANDLES, state
        if len(columns) == 1 and self._only_grows(columns, state):
            return NO_CANDLES, _grown(columns, state)
        rows, carried = _with_forming(columns, state)
        open_time = self.base.open_of(rows.close_time)
        bucket = self.timeframe.floor(open_time)
        starts = np.flatnonzero(np.concatenate(([True], bucket[1:] != bucket[:-1])))
        stops = np.append(starts[1:], len(rows))
        close_time = self.timeframe.close_of(bucket[starts])
        on_time = rows.close_time[stops - 1] == close_time
        closed = len(starts) if on_time[-1] else len(starts) - 1
        incomplete = self._incomplete(rows.close_time, open_time, starts, close_time, state)
        merged = _merged(rows, starts, stops)
        known_at = (stops - on_time - carried)[:closed]
        found = HigherCandles(
            candle_columns({name: merged[name][:closed] for name in CANDLE_COLUMNS}, close_time[:closed]),
            known_at,
            incomplete[:closed],
        )
        after: dict[str, int | float | bool | None] = {
            "last": int(columns.close_time[-1]),
            "forming": closed < len(starts),
        }
        if after["forming"]:
            after |= {name: float(merged[name][-1]) for name in CANDLE_COLUMNS}
            after |= {"incomplete": bool(incomplete[-1]), "ends": int(close_time[-1])}
        return found, after

    def _only_grows(self, columns: Columns, state: State) -> bool:
        """Whether one row follows the last one and leaves the candle open, as most rows of a live run do."""
        if not state["forming"] or self.base.micros is None:
            return False
        close_time = columns.close_time[0]
        return bool(
            close_time == cast("int", state["last"]) + self.base.micros
            and close_time < cast("int", state["ends"])
        )

    def _incomplete(
        self, close_time: IntArray, open_time: IntArray, starts: IntArray, ends: IntArray, state: State
    ) -> BoolArray:
        """Which of the candles lack base candles."""
        begins = self.timeframe.open_of(ends)
        incomplete = np.zeros(len(starts), dtype=bool)
        if state["forming"]:
            incomplete[0] = bool(state["incomplete"])
        elif state["last"] is None:
            incomplete[0] = self._began_before(begins[:1], open_time[:1])
        if not self._omits_empty:
            follows = not state["forming"] and state["last"] is not None
            last = cast("int", state["last"]) if follows else open_time[0]
            before = np.concatenate((np.array([last], dtype=np.int64), close_time[:-1]))
            self._mark_holes(incomplete, before, open_time, starts, begins, ends)
        return incomplete

    def _began_before(self, begin: IntArray, first: IntArray) -> bool:
        """Whether the candle of the first row began earlier, when candles may have been missed."""
        if self._calendar is Calendar.WEEKDAYS:
            return bool(expects_candles(begin, first, (begin, first), self.base, self._calendar)[0])
        return bool(begin[0] < first[0])

    def _mark_holes(
        self,
        incomplete: BoolArray,
        before: IntArray,
        open_time: IntArray,
        starts: IntArray,
        begins: IntArray,
        ends: IntArray,
    ) -> None:
        """Mark the candles that a hole cuts: the one in which it begins and the one in which it ends."""
        after = np.flatnonzero(open_time > before)
        if not len(after):
            return
        hole = before[after], open_time[after]
        right = np.searchsorted(starts, after, side="right") - 1
        cut = expects_candles(np.maximum(hole[0], begins[right]), hole[1], hole, self.base, self._calendar)
        incomplete[right[cut]] = True
        # before the first row a candle has closed in time, else it would be the first row itself
        left = np.searchsorted(starts, np.maximum(after - 1, 0), side="right") - 1
        cut = expects_candles(hole[0], np.minimum(hole[1], ends[left]), hole, self.base, self._calendar)
        incomplete[left[cut & (after > 0)]] = True


def resample_candles(candles: Candles, timeframe: Timeframe) -> Candles:
    """Candles of a higher timeframe; incomplete ones are marked, the one that is still forming is left out.

    Raises:
        UsageError: the timeframe is shorter than that of the candles, or no multiple.
    """
    if timeframe == candles.timeframe:
        return candles
    check_higher(candles.timeframe, timeframe, candles.symbol)
    resampler = Resampler(candles.timeframe, timeframe, candles.calendar, omits_empty=candles.omits_empty)
    found, _ = resampler.advance(candles.columns, resampler.initial_state())
    return Candles(
        symbol=candles.symbol,
        timeframe=timeframe,
        open_time=timeframe.open_of(found.columns.close_time),
        columns=found.columns,
        calendar=candles.calendar,
        venue=candles.venue,
        omits_empty=candles.omits_empty,
        marked=found.incomplete if found.incomplete.any() else None,
    )


def _with_forming(columns: Columns, state: State) -> tuple[Columns, int]:
    """The base rows with the forming candle before them, as if it were a row; and how many that adds."""
    if not state["forming"]:
        return columns, 0
    arrays = {name: np.concatenate(([cast("float", state[name])], columns[name])) for name in CANDLE_COLUMNS}
    times = np.concatenate((np.array([state["last"]], dtype=np.int64), columns.close_time))
    return Columns(arrays, times), 1


def _grown(row: Columns, state: State) -> State:
    """The state with one more row in the forming candle, as `_merged` would have it."""
    number = cast("dict[str, float]", state)
    return {
        **state,
        "last": int(row.close_time[0]),
        "high": max(number["high"], float(row.high[0])),
        "low": min(number["low"], float(row.low[0])),
        "close": float(row.close[0]),
        "volume": number["volume"] + float(row.volume[0]),
    }


def _merged(rows: Columns, starts: IntArray, stops: IntArray) -> dict[str, FloatArray]:
    """One candle for the rows of each bucket; `bincount` adds one weight after the other."""
    bucket = np.repeat(np.arange(len(starts)), stops - starts)
    return {
        "open": rows.open[starts],
        "high": np.maximum.reduceat(rows.high, starts),
        "low": np.minimum.reduceat(rows.low, starts),
        "close": rows.close[stops - 1],
        "volume": np.bincount(bucket, weights=rows.volume, minlength=len(starts)),
    }
