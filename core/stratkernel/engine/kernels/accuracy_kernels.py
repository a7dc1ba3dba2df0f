"""The kernel behind signal accuracy: how far the price went where each signal pointed."""

from typing import Final

import numpy as np
import numpy.typing as npt

from stratkernel.contracts.arrays import FloatArray, IntArray
from stratkernel.engine.kernels.dispatch import NumericKernel

DIRECTION: Final = np.array([0.0, -1.0, 1.0, 1.0, -1.0])
"""What each `SignalType` expects: ENTRY_LONG and EXIT_SHORT up, EXIT_LONG and ENTRY_SHORT down."""


def forward_returns(
    close: FloatArray, rows: IntArray, types: npt.NDArray[np.int8], horizon: int
) -> FloatArray:
    """The return over the next `horizon` candles, positive where it went as expected; 0 for `HOLD`."""
    return np.asarray(DIRECTION.take(types) * (close.take(rows + horizon) / close.take(rows) - 1.0))


def _count_loop(
    close: FloatArray, rows: IntArray, types: npt.NDArray[np.int8], horizon: int, cost: float
) -> tuple[int, int]:
    hits = misses = 0
    for i in range(len(rows)):
        forward = DIRECTION[types[i]] * (close[rows[i] + horizon] / close[rows[i]] - 1.0)
        if forward > cost:
            hits += 1
        elif forward < -cost:
            misses += 1
    return hits, misses


def _count_arrays(
    close: FloatArray, rows: IntArray, types: npt.NDArray[np.int8], horizon: int, cost: float
) -> tuple[int, int]:
    """Hits and misses: signals after which the price moved by more than `cost`, as expected and against it.

    The close `horizon` rows after each of `rows` must exist.
    """
    forward = forward_returns(close, rows, types, horizon)
    return int(np.count_nonzero(forward > cost)), int(np.count_nonzero(forward < -cost))


count_hits: Final = NumericKernel(loop=_count_loop, arrays=_count_arrays)
