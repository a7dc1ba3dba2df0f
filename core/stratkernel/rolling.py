"""Reductions over the last n rows, for indicators: `from stratkernel import rolling`.

Each takes finite values of shape (rows,) and a window of n >= 1 rows and returns float64 of shape
(rows,): NaN in the first n - 1 rows, then a pure function of rows i - n + 1 to i, to the bit, whatever
comes before. pandas' rolling sum, mean, var and std do not promise that: they add and subtract as the
window moves, and drift. A window that holds a NaN gives NaN.
"""

import numpy as np
import numpy.typing as npt

from stratkernel.contracts.arrays import FloatArray
from stratkernel.engine.kernels import rolling as kernels
from stratkernel.engine.kernels.dispatch import NumericKernel
from stratkernel.engine.kernels.folds import column

__all__ = ["max", "mean", "median", "min", "rank", "std", "sum", "var"]

# The names are those of the field, and of numpy and pandas; they are read as `rolling.sum`.


def sum(values: npt.ArrayLike, window: int) -> FloatArray:  # noqa: A001 - read as rolling.sum
    """The sum, added from the oldest row to the newest."""
    return _reduce(kernels.rolling_sum, column(values), window)


def mean(values: npt.ArrayLike, window: int) -> FloatArray:
    """The mean: the oldest value + the mean distance from it, so that a flat window has its own value."""
    return _reduce(kernels.rolling_mean, column(values), window)


def var(values: npt.ArrayLike, window: int, *, ddof: int = 1) -> FloatArray:
    """The variance: squared distances from `mean`, divided by n - ddof; 0 on a flat window.

    Raises:
        ValueError: the window is not longer than `ddof`.
    """
    if not 0 <= ddof < window:
        raise ValueError(f"a variance needs a window of more than ddof = {ddof} rows, got {window}")
    x = column(values)
    average = mean(x, window)
    out = np.full(len(x), np.nan)
    kernels.rolling_squares(x, window, average, out)
    out /= window - ddof
    return out


def std(values: npt.ArrayLike, window: int, *, ddof: int = 1) -> FloatArray:
    """The standard deviation, the root of `var`."""
    variance = var(values, window, ddof=ddof)
    return np.sqrt(variance, out=variance)


def min(values: npt.ArrayLike, window: int) -> FloatArray:  # noqa: A001 - read as rolling.min
    """The lowest value."""
    lowest = _reduce(kernels.rolling_max, column(np.negative(values)), window)
    np.negative(lowest, out=lowest)
    lowest += 0.0  # -0.0 becomes 0.0
    return lowest


def max(values: npt.ArrayLike, window: int) -> FloatArray:  # noqa: A001 - read as rolling.max
    """The highest value."""
    return _reduce(kernels.rolling_max, column(values), window)


def median(values: npt.ArrayLike, window: int) -> FloatArray:
    """The middle value, or the mean of the two in the middle."""
    return _reduce(kernels.rolling_median, column(values), window)


def rank(values: npt.ArrayLike, window: int) -> FloatArray:
    """The newest value's place in its window, 1 the lowest; ties get the mean of their places."""
    return _reduce(kernels.rolling_rank, column(values), window)


def _reduce(
    kernel: NumericKernel[[FloatArray, int, FloatArray], None], x: FloatArray, window: int
) -> FloatArray:
    if window < 1:
        raise ValueError(f"a window counts rows: expected 1 or more, got {window}")
    out = np.full(len(x), np.nan)
    if len(x) >= window:
        kernel(x, window, out)
    return out
