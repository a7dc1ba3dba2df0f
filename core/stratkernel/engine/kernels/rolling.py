"""Reductions over the last `window` rows whose bits do not depend on where a chunk begins.

Sums run over the window from its oldest row to its newest, for many rows at a time; nothing is added
and taken away again, which is how running sums drift. All write rows `window - 1` and up of `out`.
"""

from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from stratkernel.contracts.arrays import FloatArray
from stratkernel.engine.kernels.dispatch import NumericKernel

_BLOCK: Final = 2048
"""Rows worked on at a time: the block of every array stays in the processor's cache."""

_SELECTED_AT_ONCE: Final = 1 << 17
"""Values copied at a time to select from."""


def _sum_loop(x: FloatArray, window: int, out: FloatArray) -> None:
    for start in range(window - 1, len(x), _BLOCK):
        stop = min(start + _BLOCK, len(x))
        for row in range(start, stop):
            out[row] = x[row - window + 1]
        for back in range(window - 2, -1, -1):
            for row in range(start, stop):
                out[row] += x[row - back]


def _sum_arrays(x: FloatArray, window: int, out: FloatArray) -> None:
    for start in range(window - 1, len(x), _BLOCK):
        block = out[start : start + _BLOCK]
        stop = start + len(block)
        block[:] = x[start - window + 1 : stop - window + 1]
        for back in range(window - 2, -1, -1):
            block += x[start - back : stop - back]


def _mean_loop(x: FloatArray, window: int, out: FloatArray) -> None:
    for start in range(window - 1, len(x), _BLOCK):
        stop = min(start + _BLOCK, len(x))
        for row in range(start, stop):
            out[row] = 0.0
        for back in range(window - 2, -1, -1):
            for row in range(start, stop):
                out[row] += x[row - back] - x[row - window + 1]
        for row in range(start, stop):
            out[row] = x[row - window + 1] + out[row] / window


def _mean_arrays(x: FloatArray, window: int, out: FloatArray) -> None:
    for start in range(window - 1, len(x), _BLOCK):
        block = out[start : start + _BLOCK]
        stop = start + len(block)
        oldest = x[start - window + 1 : stop - window + 1]
        block[:] = 0.0
        for back in range(window - 2, -1, -1):
            block += x[start - back : stop - back] - oldest
        block /= window
        block += oldest


def _squares_loop(x: FloatArray, window: int, mean: FloatArray, out: FloatArray) -> None:
    for start in range(window - 1, len(x), _BLOCK):
        stop = min(start + _BLOCK, len(x))
        for row in range(start, stop):
            out[row] = 0.0
        for back in range(window - 1, -1, -1):
            for row in range(start, stop):
                difference = x[row - back] - mean[row]
                out[row] += difference * difference


def _squares_arrays(x: FloatArray, window: int, mean: FloatArray, out: FloatArray) -> None:
    for start in range(window - 1, len(x), _BLOCK):
        block = out[start : start + _BLOCK]
        stop = start + len(block)
        block[:] = 0.0
        for back in range(window - 1, -1, -1):
            difference = x[start - back : stop - back] - mean[start:stop]
            difference *= difference
            block += difference


def _max_loop(x: FloatArray, window: int, out: FloatArray) -> None:
    """Van Herk's algorithm: the window is the end of one section and the beginning of the next."""
    to_end = np.empty(window)
    for start in range(0, len(x) - window + 1, window):
        highest = x[start + window - 1]
        for row in range(window - 1, -1, -1):
            value = x[start + row]
            if value > highest or np.isnan(value):
                highest = value
            to_end[row] = highest
        out[start + window - 1] = to_end[0] + 0.0
        highest = x[min(start + window, len(x) - 1)]
        for row in range(1, min(window, len(x) - window - start + 1)):
            value = x[start + window - 1 + row]
            if value > highest or np.isnan(value):
                highest = value
            tail = to_end[row]
            out[start + window - 1 + row] = (tail if tail > highest or np.isnan(tail) else highest) + 0.0


def _max_arrays(x: FloatArray, window: int, out: FloatArray) -> None:
    """Maxima over 1, 2, 4 ... rows, the last two spans overlapping as far as needed."""
    highest, span = x, 1
    while 2 * span <= window:
        highest = np.maximum(highest[:-span], highest[span:])
        span *= 2
    rest = window - span
    highest = np.maximum(highest[: len(highest) - rest], highest[rest:])
    # -0.0 equals 0.0, and which of them a maximum returns depends on the order: + 0.0 leaves only 0.0
    np.add(highest, 0.0, out=out[window - 1 :])


def _median_loop(x: FloatArray, window: int, out: FloatArray) -> None:
    """The values of the window are kept in order; NaN is counted and never among them."""
    ordered = np.empty(window)
    size = 0
    for row in range(len(x)):
        gone = x[row - window] if row >= window else np.nan
        if not np.isnan(gone):
            place = np.searchsorted(ordered[:size], gone)
            for at in range(place, size - 1):
                ordered[at] = ordered[at + 1]
            size -= 1
        value = x[row]
        if not np.isnan(value):
            at = size
            while at > 0 and ordered[at - 1] > value:
                ordered[at] = ordered[at - 1]
                at -= 1
            ordered[at] = value
            size += 1
        if row >= window - 1:
            middle = (ordered[(window - 1) // 2] + ordered[window // 2]) / 2.0
            out[row] = middle + 0.0 if size == window else np.nan


def _median_arrays(x: FloatArray, window: int, out: FloatArray) -> None:
    low, high = (window - 1) // 2, window // 2
    windows = sliding_window_view(x, window)
    rows = max(1, _SELECTED_AT_ONCE // window)
    for start in range(0, len(windows), rows):
        chosen = np.partition(windows[start : start + rows], sorted({low, high, window - 1}), axis=1)
        middle = (chosen[:, low] + chosen[:, high]) / 2.0
        middle[np.isnan(chosen[:, -1])] = np.nan  # NaN is sorted to the end
        out[window - 1 + start : window - 1 + start + len(middle)] = middle + 0.0


def _rank_loop(x: FloatArray, window: int, out: FloatArray) -> None:
    for start in range(window - 1, len(x), _BLOCK):
        stop = min(start + _BLOCK, len(x))
        for row in range(start, stop):
            out[row] = 0.0
        for back in range(window - 1, -1, -1):
            for row in range(start, stop):
                out[row] += np.sign(x[row] - x[row - back])
        for row in range(start, stop):
            out[row] = (window + 1 + out[row]) / 2.0


def _rank_arrays(x: FloatArray, window: int, out: FloatArray) -> None:
    """Rank = (window + 1 + values below - values above) / 2, which is exact and gives ties their mean."""
    for start in range(window - 1, len(x), _BLOCK):
        block = out[start : start + _BLOCK]
        stop = start + len(block)
        block[:] = 0.0
        for back in range(window - 1, -1, -1):
            block += np.sign(x[start:stop] - x[start - back : stop - back])
        block += window + 1
        block /= 2.0


rolling_sum = NumericKernel(loop=_sum_loop, arrays=_sum_arrays)
rolling_mean = NumericKernel(loop=_mean_loop, arrays=_mean_arrays)
rolling_squares = NumericKernel(loop=_squares_loop, arrays=_squares_arrays)
"""(x, window, mean, out): the sum of the squared distances from the mean of the window."""
rolling_max = NumericKernel(loop=_max_loop, arrays=_max_arrays)
rolling_median = NumericKernel(loop=_median_loop, arrays=_median_arrays)
rolling_rank = NumericKernel(loop=_rank_loop, arrays=_rank_arrays)
