"""Exponential smoothing: the recurrence, carried from chunk to chunk.

    alpha = 1 / (1 + com)
    if x != e:  e = (1 - alpha) * e + alpha * x

The test keeps a flat market from drifting in the last bit. This way of writing it, and no other, is what
pandas' `ewm(com=com, adjust=False)` computes, bit for bit.
"""

from typing import Final

import numpy as np

from stratkernel.contracts.arrays import FloatArray
from stratkernel.engine.kernels.dispatch import NumericKernel

SHORT: Final = 500
"""Rows up to which a plain Python loop is quicker than setting pandas up."""

BLOCK: Final = 65_536
"""Rows that pandas gets at once: its temporary arrays then stay in memory that is mapped already."""

LANES_PAY_FROM: Final = 256
"""rows * alpha from which four lanes, which meet the true values after about 37 / alpha rows, pay."""


def _recurrence_loop(values: FloatArray, com: float, before: float, out: FloatArray) -> float:
    """Four lanes hide the latency of the recurrence; three of them start from a guess.

    Equal values have equal successors, so a lane is right from the first row on where it meets the
    value that its predecessor leads to. The rows before that are calculated again: the result is the
    serial one for every input, on flat prices too.
    """
    alpha = 1.0 / (1.0 + com)
    keep = 1.0 - alpha
    rows = len(values)
    lane = rows // 4 if rows * alpha > LANES_PAY_FROM else 0
    e = before
    if lane:
        values1, values2, values3 = values[lane:], values[2 * lane :], values[3 * lane :]
        out1, out2, out3 = out[lane:], out[2 * lane :], out[3 * lane :]
        e1, e2, e3 = values1[0], values2[0], values3[0]
        for row in range(lane):
            x, x1, x2, x3 = values[row], values1[row], values2[row], values3[row]
            e = e if x == e else keep * e + alpha * x
            e1 = e1 if x1 == e1 else keep * e1 + alpha * x1
            e2 = e2 if x2 == e2 else keep * e2 + alpha * x2
            e3 = e3 if x3 == e3 else keep * e3 + alpha * x3
            out[row] = e
            out1[row] = e1
            out2[row] = e2
            out3[row] = e3
        for number in range(1, 4):
            e = out[number * lane - 1]
            for row in range(number * lane, (number + 1) * lane):
                x = values[row]
                if x != e:
                    e = keep * e + alpha * x
                if out[row] == e:
                    break
                out[row] = e
        e = out[4 * lane - 1]
    for row in range(4 * lane, rows):
        x = values[row]
        if x != e:
            e = keep * e + alpha * x
        out[row] = e
    return e


def _recurrence_arrays(values: FloatArray, com: float, before: float, out: FloatArray) -> float:
    if len(values) <= SHORT:
        alpha = 1.0 / (1.0 + com)
        keep = 1.0 - alpha
        e = before
        lately = []
        for x in values.tolist():
            if x != e:
                e = keep * e + alpha * x
            lately.append(e)
        out[:] = lately
        return e
    import pandas as pd

    started = np.empty(min(len(values), BLOCK) + 1)
    for start in range(0, len(values), BLOCK):
        block = values[start : start + BLOCK]
        given = started[: len(block) + 1]
        given[0], given[1:] = before, block
        smoothed = pd.Series(given, copy=False).ewm(com=com, adjust=False).mean().to_numpy()
        out[start : start + BLOCK] = smoothed[1:]
        before = float(smoothed[-1])
    return before


recurrence = NumericKernel(loop=_recurrence_loop, arrays=_recurrence_arrays)
"""(values, com, before, out) -> last value; fills `out`, as long as `values`, from the value before."""
