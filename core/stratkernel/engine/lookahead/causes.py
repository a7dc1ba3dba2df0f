"""What is likely behind a difference: how far ahead, or how far back, a value looks."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from stratkernel.contracts.arrays import IntArray
from stratkernel.contracts.timeframes import TIMEFRAMES, Timeframe
from stratkernel.engine.lookahead.subject import Subject
from stratkernel.engine.lookahead.traces import Trace

_NEAR: Final = 64
_ENOUGH: Final = 4

NOT_GIVEN: Final = "it reads candles that it was not given: a global array, a cache or a file?"
NOT_REPEATED: Final = "it uses random numbers, the time, or memory of earlier calls?"
LOOKBACK_TOO_SHORT: Final = (
    "it reaches further back than its lookback, or counts rows from the start of a chunk"
)
NOT_FOLDED: Final = "its state does not carry all that it needs, or it counts rows from the start of a chunk"


def cause_of_looking_ahead(
    observe: Callable[[int], Trace | None],
    whole: Trace,
    times: Sequence[int],
    base_times: IntArray,
) -> str:
    """A guess from how many later candles it takes until rows that close at `times` are what they stay.

    `observe` gives the trace of so many base candles.
    """
    reaches: list[int] = []
    rows: list[int] = []
    for time in times:
        row = int(np.searchsorted(base_times, time))
        reach = _reach(observe, whole, time, row, len(base_times) - row - 1)
        if reach:
            reaches.append(reach)
            rows.append(row)
    if not reaches:
        return "it looks ahead"
    longest = max(reaches)
    if longest == 1:
        return "it uses the next candle: shift(-1), or an index of i + 1?"
    higher = _higher_timeframe(np.array(rows), np.array(reaches), base_times)
    if higher:
        return f"it sees a {higher} candle before that closes: merged on open time, or resampled to the left?"
    if longest <= _NEAR and min(reaches) == longest:
        return (
            f"it uses the {longest} candles after it: a centred window, or peaks that later candles confirm?"
        )
    if longest > _NEAR:
        return "statistics over the whole sample: a mean, maximum, scale or rank of all candles?"
    return (
        f"it uses up to {longest} candles after it: values filled backwards (bfill), a centred window, "
        "or peaks that later candles confirm?"
    )


def _reach(observe: Callable[[int], Trace | None], whole: Trace, time: int, row: int, most: int) -> int:
    """Later candles after which the content at a time is final, if it changes until then and never after."""
    place = whole.row_at(time)
    if place is None:
        return 0
    final = whole.content(place)

    def is_final(later: int) -> bool:
        trace = observe(row + 1 + later)
        at = None if trace is None else trace.row_at(time)
        return trace is not None and at is not None and trace.content(at) == final

    steps = [0]
    while steps[-1] < most:
        steps.append(min(max(1, 2 * steps[-1]), most))
    changing = next((k for k in reversed(range(len(steps))) if not is_final(steps[k])), None)
    if changing is None or changing + 1 == len(steps):
        return 0 if changing is None else most
    low, high = steps[changing], steps[changing + 1]
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_final(middle) else (middle, high)
    return high


def _higher_timeframe(rows: IntArray, reaches: IntArray, base_times: IntArray) -> str:
    """The timeframe within whose candles all rows wait, not equally long: none beyond the candle's close."""
    enough = _ENOUGH if int(reaches.max()) <= _NEAR else 2 * _ENOUGH
    if len(rows) < enough or len(set(reaches.tolist())) < 2:
        return ""
    base = int(np.diff(base_times).min())
    for name in TIMEFRAMES:
        timeframe = Timeframe(name)
        if timeframe.approximate_micros // base <= int(reaches.max()):
            continue
        ends = timeframe.close_of(timeframe.floor(base_times[rows] - 1))
        # that of a long timeframe says little: most waiting ends within its candles
        near = timeframe.approximate_micros // base <= 2 * int(reaches.max()) + 2
        if near and bool((base_times[rows + reaches] <= ends).all()):
            return name
    return ""


def cause_of_looking_back(subject: Subject, rows: Sequence[int], expected: Trace) -> str:
    """Which window would do for rows of the data, if one would."""
    window = subject.window or 1
    widest = max(rows) + 1
    wider = window
    while wider < widest:
        wider = min(2 * wider, widest)
        if all(_agrees(subject, row, wider, expected) for row in rows):
            low, high = wider // 2, wider
            while high - low > 1:
                middle = (low + high) // 2
                enough = all(_agrees(subject, row, middle, expected) for row in rows)
                low, high = (low, middle) if enough else (middle, high)
            if high < min(rows):
                return f"it reaches further back than window = {window}: window = {high} would do here"
            break
    return (
        f"it reaches further back than window = {window}: it counts candles or remembers a position? "
        "Long memory belongs into indicators, or into a state (initial_state and advance)"
    )


def _agrees(subject: Subject, row: int, window: int, expected: Trace) -> bool:
    start = max(row + 1 - window, 0)
    said = subject.says(start, row + 1)
    return said.content(row - start) == expected.content(row)
