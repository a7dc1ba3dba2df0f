"""Fast folds for plugin authors: smoothing and crossings, state in and out, and kernels of your own.

All give the same bits whole, in chunks of any size and value by value, with numba (`stratkernel[fast]`)
and without.
"""

from collections.abc import Iterable
from math import nan
from typing import Final, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from stratkernel.contracts.arrays import FloatArray, IntArray, read_only
from stratkernel.contracts.state import StateValue
from stratkernel.engine.kernels.crossing import find_crossings
from stratkernel.engine.kernels.smoothing import recurrence
from stratkernel.engine.kernels.workspace import empty

_NO_ROWS: Final = read_only(np.empty(0))


class SmoothState(NamedTuple):
    """Where a smoothing stands: rows that its seed has seen, their sum, and the last value.

    `seen` stops at the period, when `value` has been seeded with `total / period`.
    """

    seen: int
    total: float
    value: float

    @classmethod
    def restore(cls, saved: StateValue) -> "SmoothState":
        """The state kept under a name of an indicator's state, in which it is a plain tuple."""
        seen, total, value = cast("tuple[int, float, float]", saved)
        return cls(seen, total, value)


SMOOTH_START: Final = SmoothState(seen=0, total=0.0, value=0.0)


class Crossings(NamedTuple):
    """Rows that cross (ascending int64), +1.0 or -1.0 for each, and the side after the last row."""

    rows: IntArray
    directions: FloatArray
    side: int


def column(values: npt.ArrayLike) -> FloatArray:
    """Values as kernels want them: float64, contiguous, read-only; copied only if they are not."""
    array = np.ascontiguousarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"expected one dimension, got an array of shape {array.shape}")
    return read_only(array)  # one type for all inputs: numba compiles a kernel once


def center_of_mass(period: int, *, wilder: bool = False) -> float:
    """What `alpha = 1 / (1 + com)` is made of: (n - 1) / 2 for an EMA, n - 1 for Wilder's smoothing."""
    if period < 1:
        raise ValueError(f"a period counts rows: expected 1 or more, got {period}")
    return float(period - 1) if wilder else (period - 1) / 2


def smooth(
    values: npt.ArrayLike,
    period: int,
    state: SmoothState = SMOOTH_START,
    *,
    wilder: bool = False,
    out: FloatArray | None = None,
) -> tuple[FloatArray, SmoothState]:
    """Exponential moving average, or Wilder's smoothing, seeded with the mean of the first values.

    The value at row `period - 1` is the sum of the first `period` values from left to right, divided
    by `period`; after it `e = (1 - alpha) * e + alpha * x` with alpha = 2 / (period + 1) for an EMA
    and 1 / period for Wilder (J. W. Wilder, New Concepts in Technical Trading Systems, 1978).

    Args:
        values: finite numbers, shape (rows,); zero rows are fine. Never changed.
        period: rows, 1 or more.
        state: where the rows before have left off.
        wilder: Wilder's factor instead of that of an EMA.
        out: where to write the result, float64 and contiguous, shape (rows,); new if left out.

    Returns:
        The averages, shape (rows,), NaN before the seed, and the state after the last row.

    Raises:
        ValueError: the period is below 1, or `out` has another shape.
    """
    com = center_of_mass(period, wilder=wilder)
    values = column(values)
    if out is None:
        out = empty(len(values))
    elif out.shape != values.shape:
        raise ValueError(f"`out` has shape {out.shape}, the values have {values.shape}")
    seen, total, value = state
    row = 0
    if seen < period:
        row = min(period - seen, len(values))
        total = sum_in_order(values[:row].tolist(), total)
        seen += row
        out[:row] = nan
        if seen == period:
            out[row - 1] = value = total / period
    if row < len(values):
        value = recurrence(values[row:], com, value, out[row:])
    return out, SmoothState(seen, total, value)


def smooth_step(
    x: float, period: int, state: SmoothState, *, wilder: bool = False
) -> tuple[float, SmoothState]:
    """`smooth` for one value, in plain floats: NaN before the seed; the same bits."""
    seen, total, value = state
    if seen < period:
        seen, total = seen + 1, total + x
        if seen < period:
            return nan, SmoothState(seen, total, value)
        value = total / period
    elif x != value:
        alpha = 1.0 / (1.0 + center_of_mass(period, wilder=wilder))
        value = (1.0 - alpha) * value + alpha * x
    return value, SmoothState(seen, total, value)


def sum_in_order(values: Iterable[float], total: float = 0.0) -> float:
    """The sum from left to right; `sum` and `np.sum` may add in another order or compensate."""
    for value in values:
        total += value
    return total


def crossings(
    a: npt.ArrayLike,
    b: npt.ArrayLike | float,
    *,
    relative: float = 1e-9,
    scale: npt.ArrayLike | None = None,
    absolute: float = 0.0,
    side: int = 0,
) -> Crossings:
    """Where `a` crosses `b`, with a dead band around it.

    Row i crosses upwards when a - b > band_i and the last row with |a - b| > band stood below, and
    downwards the other way round. Rows inside the band keep the side, so that rounding on a flat
    market crosses nothing. The first row outside of the band sets the side and crosses nothing,
    unless `side` brings one along. NaN is inside.

    Args:
        a: a line, shape (rows,); zero rows are fine.
        b: another line of the same shape, or one number.
        relative: half the width of the band as a share of |scale|.
        scale: what `relative` refers to, shape (rows,); for lines in price units the close.
        absolute: half the width of the band in units of `a`, added to the relative one.
        side: -1, 0 (unknown) or 1, from the rows before.

    Raises:
        ValueError: shapes that differ, a negative band, another side.
    """
    line = column(a)
    if isinstance(b, int | float) or np.ndim(b) == 0:
        other, level = _NO_ROWS, float(cast("float", b))
    else:
        other, level = column(b), 0.0
        _check_rows("b", other, line)
    unit = _NO_ROWS
    if scale is not None:
        unit = column(scale)
        _check_rows("scale", unit, line)
    if not (relative >= 0.0 and absolute >= 0.0):
        raise ValueError(f"a dead band is 0 or wider, got relative {relative}, absolute {absolute}")
    if side not in {-1, 0, 1}:
        raise ValueError(f"a side is -1, 0 or 1, got {side!r}")
    if len(line) == 0:
        return Crossings(np.empty(0, dtype=np.int64), np.empty(0), side)
    rows, side = find_crossings(line, other, level, unit, float(relative), float(absolute), side)
    directions = np.empty(len(rows))
    directions[::-2] = side
    directions[-2::-2] = -side
    return Crossings(rows, directions, side)


def _check_rows(name: str, array: FloatArray, line: FloatArray) -> None:
    if len(array) != len(line):
        raise ValueError(f"`{name}` has {len(array)} rows, `a` has {len(line)}")


def crossing_step(
    a: float,
    b: float,
    *,
    relative: float = 1e-9,
    scale: float = 0.0,
    absolute: float = 0.0,
    side: int = 0,
) -> tuple[int, int]:
    """`crossings` for one row in plain floats: 1, -1 or 0 (no crossing), and the side after it."""
    difference = a - b
    if not abs(difference) > absolute + relative * abs(scale):
        return 0, side
    after = 1 if difference > 0.0 else -1
    return (after if side == -after else 0), after
