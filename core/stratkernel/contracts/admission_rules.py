"""The rules of the gate, over whole columns at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import numpy as np

from stratkernel.contracts.arrays import BoolArray, IntArray
from stratkernel.contracts.columns import CANDLE_COLUMNS
from stratkernel.contracts.source import UNREADABLE_TIME, RawCandles
from stratkernel.contracts.timeframes import MINUTE

PRICES: Final = ("open", "high", "low", "close")

FIRST_PLAUSIBLE: Final = int(np.datetime64("1971-01-01", "us").astype(np.int64))
PAST_PLAUSIBLE: Final = int(np.datetime64("2262-01-01", "us").astype(np.int64))
"""Open times outside of these are epochs in another unit, not candles."""

LARGEST: Final = 1e100
SMALLEST_PRICE: Final = 1e-100
"""Beyond these, squares and quotients of values leave the range of float64."""

CLOCK_SKEW: Final = 5 * MINUTE
"""How far a venue's clock may run ahead of this machine's."""


class Rule(StrEnum):
    """What a candle can break; the value is the name in reports."""

    READABLE = "readable"
    FINITE = "finite"
    POSITIVE = "positive"
    VOLUME = "volume"
    HIGH = "high"
    LOW = "low"
    YEAR = "year"
    FUTURE = "future"
    ALIGNED = "aligned"
    ORDERED = "ordered"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"

    @property
    def fatal(self) -> bool:
        """Whether a row that breaks it is dropped under every policy."""
        return self in _FATAL


_FATAL: Final = {
    Rule.READABLE,
    Rule.FINITE,
    Rule.POSITIVE,
    Rule.VOLUME,
    Rule.YEAR,
    Rule.FUTURE,
    Rule.ALIGNED,
}


@dataclass(frozen=True, eq=False)
class Examination:
    """What each row broke. `broken` maps a rule to a mask of rows, `cells` (rule, column) to row numbers.

    `forming` are the rows whose candle is not over yet, which is no fault.
    """

    rows: int
    forming: BoolArray
    broken: Mapping[Rule, BoolArray] = field(default_factory=dict)
    cells: Mapping[tuple[Rule, str], IntArray] = field(default_factory=dict)

    @property
    def forming_rows(self) -> int:
        return int(np.count_nonzero(self.forming))

    @property
    def bad_rows(self) -> int:
        """Rows that break at least one rule."""
        if not self.broken:
            return 0
        return int(np.count_nonzero(np.logical_or.reduce(list(self.broken.values()))))


def examine(raw: RawCandles, now: int) -> Examination:
    """Hold every row against every rule. `now` in microseconds UTC.

    A candle that is not over at `now` is only forming, whatever else it is: no rule is held against it.
    """
    cells: dict[tuple[Rule, str], IntArray] = {}
    if _follow_each_other(raw, now):
        _examine_values(raw, cells)
        return _examination(np.zeros(len(raw.open_time), dtype=np.bool_), cells)
    time_ok = _examine_times(raw, now, cells)
    forming = np.zeros(len(raw.open_time), dtype=np.bool_)
    if len(raw.open_time) and int(raw.open_time.max()) + raw.timeframe.approximate_micros * 2 > now:
        closes = raw.timeframe.close_of(np.where(time_ok, raw.open_time, 0))
        forming = time_ok & (closes > now)
    _examine_values(raw, cells)
    _examine_order(raw, time_ok & ~forming, cells)
    return _examination(forming, cells)


def _follow_each_other(raw: RawCandles, now: int) -> bool:
    """Whether the candles have no gap and are all over, which leaves nothing to say of their times."""
    time, length, count = raw.open_time, raw.timeframe.micros, len(raw.open_time)
    if length is None or count < 2 or int(time[-1]) - int(time[0]) != (count - 1) * length:
        return False
    ends = time[[0, -1]]
    if ends[0] < FIRST_PLAUSIBLE or ends[1] >= PAST_PLAUSIBLE or ends[1] + length > now:
        return False
    return bool(raw.timeframe.is_aligned(ends[:1])[0]) and bool(np.all(time[1:] - time[:-1] == length))


def _examination(forming: BoolArray, cells: Mapping[tuple[Rule, str], IntArray]) -> Examination:
    broken: dict[Rule, BoolArray] = {}
    kept: dict[tuple[Rule, str], IntArray] = {}
    for (rule, column), rows in cells.items():
        counted = rows[~forming[rows]]
        if len(counted):
            kept[rule, column] = counted
            mask = broken.setdefault(rule, np.zeros(len(forming), dtype=np.bool_))
            mask[counted] = True
    return Examination(len(forming), forming, broken, kept)


def _examine_times(raw: RawCandles, now: int, cells: dict[tuple[Rule, str], IntArray]) -> BoolArray:
    """Faults of each open time by itself; gives the rows whose time can be used."""
    time = raw.open_time
    plausible = (time >= FIRST_PLAUSIBLE) & (time < PAST_PLAUSIBLE)
    usable: BoolArray = plausible
    if not plausible.all():
        unreadable = time == UNREADABLE_TIME
        _note(cells, Rule.READABLE, "open_time", unreadable)
        _note(cells, Rule.YEAR, "open_time", ~plausible & ~unreadable)
        time = np.where(plausible, time, 0)
    aligned = raw.timeframe.is_aligned(time)
    if not aligned.all():
        _note(cells, Rule.ALIGNED, "open_time", plausible & ~aligned)
        usable = usable & aligned
    ahead = max(CLOCK_SKEW, raw.timeframe.approximate_micros)
    future = usable & (time > now + ahead)
    if future.any():
        _note(cells, Rule.FUTURE, "open_time", future)
        usable = usable & ~future
    return usable


def _examine_values(raw: RawCandles, cells: dict[tuple[Rule, str], IntArray]) -> None:
    o, h, l, c, v = (raw.columns[name] for name in CANDLE_COLUMNS)  # noqa: E741 - OHLCV, as everywhere
    with np.errstate(invalid="ignore"):
        good = (l >= SMALLEST_PRICE) & (h <= LARGEST) & (v >= 0) & (v <= LARGEST)
        good &= h >= o
        good &= h >= c
        good &= l <= o
        good &= l <= c
    bad = np.flatnonzero(~good)
    if not len(bad):
        return
    part = {name: raw.columns[name][bad] for name in CANDLE_COLUMNS}
    number = {name: ~np.isnan(values) for name, values in part.items()}
    for name, values in part.items():
        _note(cells, Rule.READABLE, name, ~number[name], bad)
        _note(cells, Rule.FINITE, name, number[name] & (np.abs(values) > LARGEST), bad)
        if name == "volume":
            _note(cells, Rule.VOLUME, name, (values < 0) & (values >= -LARGEST), bad)
        else:
            _note(cells, Rule.POSITIVE, name, (values < SMALLEST_PRICE) & (values >= -LARGEST), bad)
    prices = np.logical_and.reduce([number[name] for name in PRICES])
    body_top, body_bottom = np.maximum(part["open"], part["close"]), np.minimum(part["open"], part["close"])
    _note(cells, Rule.HIGH, "high", prices & (part["high"] < body_top), bad)
    _note(cells, Rule.LOW, "low", prices & (part["low"] > body_bottom), bad)


def _examine_order(raw: RawCandles, usable: BoolArray, cells: dict[tuple[Rule, str], IntArray]) -> None:
    """Rows that go back in time, and rows whose time was there before.

    Only rows with a usable time take part, so that one wild time does not condemn all that follow.
    """
    rows = None if usable.all() else np.flatnonzero(usable)
    time = raw.open_time if rows is None else raw.open_time[rows]
    if bool(np.all(time[1:] > time[:-1])):
        return
    rows = np.arange(len(time)) if rows is None else rows
    order = np.argsort(time, kind="stable")
    ordered = time[order]
    again = np.zeros(len(time), dtype=np.bool_)
    again[1:] = ordered[1:] == ordered[:-1]
    repeated = np.zeros(len(time), dtype=np.bool_)
    repeated[order] = again
    _note(cells, Rule.ORDERED, "open_time", (time < np.maximum.accumulate(time)) & ~repeated, rows)
    leader = order[np.maximum.accumulate(np.where(again, 0, np.arange(len(time))))]
    differs = np.zeros(len(time), dtype=np.bool_)
    for name in CANDLE_COLUMNS:
        values = raw.columns[name][rows]
        first, other = values[leader], values[order]
        differs[order] |= (first != other) & ~(np.isnan(first) & np.isnan(other))
    _note(cells, Rule.DUPLICATE, "open_time", repeated & ~differs, rows)
    _note(cells, Rule.CONFLICT, "open_time", repeated & differs, rows)


def _note(
    cells: dict[tuple[Rule, str], IntArray],
    rule: Rule,
    column: str,
    mask: BoolArray,
    rows: IntArray | None = None,
) -> None:
    found = np.flatnonzero(mask)
    if len(found):
        cells[rule, column] = found if rows is None else rows[found]
