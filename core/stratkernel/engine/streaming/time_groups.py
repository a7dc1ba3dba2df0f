"""Parts of raw candles cut so that rows of one open time stay together, since the gate compares them."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from stratkernel.contracts.admission_rules import FIRST_PLAUSIBLE, PAST_PLAUSIBLE
from stratkernel.contracts.arrays import IntArray
from stratkernel.contracts.columns import CANDLE_COLUMNS
from stratkernel.contracts.source import RawCandles


def in_whole_times(parts: Iterable[RawCandles], latest: int) -> Iterator[RawCandles]:
    """The same rows; those at the end of a part whose time the next part goes on with begin that one.

    So do all that do not come before the next part, for the gate to see that they are out of order. Times
    after `latest`, not plausible or not aligned are no candles and change nothing. One part is read ahead;
    nothing is copied where the next part begins later than this one ends.
    """
    before: RawCandles | None = None
    for part in parts:
        if before is None:
            before = part
            continue
        cut = _rows_before(before, part, latest)
        if cut < len(before.open_time):
            whole = _joined(before, part)
            before = _rows(whole, 0, cut)
            part = _rows(whole, cut, len(whole.open_time))  # noqa: PLW2901 - the part, with what belongs to it
        if len(before.open_time):
            yield before
        before = part
    if before is not None and len(before.open_time):
        yield before


def _rows_before(before: RawCandles, part: RawCandles, latest: int) -> int:
    """How many rows of a part come before the first time of the next."""
    times, upcoming = before.open_time, part.open_time
    count = len(times)
    if int(times.max()) < int(upcoming.min()):
        return count
    usable = _usable(upcoming, latest)
    if not len(usable):
        return count
    last = _usable(times, latest)
    if not len(last) or int(times[last].max()) < int(upcoming[usable].min()):
        return count
    # hardly ever, so that it may cost more
    usable = usable[part.timeframe.is_aligned(upcoming[usable])]
    last = last[before.timeframe.is_aligned(times[last])]
    if not len(usable) or not len(last):
        return count
    late = last[times[last] >= int(upcoming[usable].min())]
    return int(late[0]) if len(late) else count


def _usable(time: IntArray, latest: int) -> IntArray:
    """The rows of times at which a candle may open."""
    return np.flatnonzero((time >= FIRST_PLAUSIBLE) & (time < min(PAST_PLAUSIBLE, latest)))


def _joined(one: RawCandles, other: RawCandles) -> RawCandles:
    size = len(one.open_time)
    return _with(
        one,
        np.concatenate((one.open_time, other.open_time)),
        {name: np.concatenate((one.columns[name], other.columns[name])) for name in CANDLE_COLUMNS},
        np.concatenate((one.line, other.line)),
        {**one.unreadable, **{(row + size, name): text for (row, name), text in other.unreadable.items()}},
    )


def _rows(raw: RawCandles, start: int, stop: int) -> RawCandles:
    return _with(
        raw,
        raw.open_time[start:stop],
        {name: raw.columns[name][start:stop] for name in CANDLE_COLUMNS},
        raw.line[start:stop],
        {(row - start, name): text for (row, name), text in raw.unreadable.items() if start <= row < stop},
    )


def _with(
    raw: RawCandles,
    open_time: IntArray,
    columns: Mapping[str, "np.ndarray[tuple[int], np.dtype[np.float64]]"],
    line: IntArray,
    unreadable: Mapping[tuple[int, str], str],
) -> RawCandles:
    return RawCandles(
        symbol=raw.symbol,
        timeframe=raw.timeframe,
        open_time=open_time,
        columns=columns,
        line=line,
        where=raw.where,
        unreadable=unreadable,
        calendar=raw.calendar,
        omits_empty=raw.omits_empty,
        venue=raw.venue,
        notes=raw.notes,
    )
