"""How often the price went where a signal pointed, whether or not anything was traded."""

import math
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stratkernel.contracts.arrays import FloatArray, IntArray
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.columns import Columns
from stratkernel.contracts.signals import SignalTable, SignalType
from stratkernel.engine.kernels.accuracy_kernels import DIRECTION, count_hits, forward_returns

HORIZON: Final = 10
"""Candles after which a signal is judged."""

_Z_95: Final = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, slots=True)
class SignalAccuracy:
    """Signals judged `horizon` candles later; fractions, `None` where nothing could be judged.

    `accuracy` is hits / (hits + misses) with its Wilson interval at 95 %. `baseline` is the share of all
    candles after which the close was higher. Forward returns and excursions are means or medians over the
    resolved signals, signed so that what was expected is positive; `mean_mfe` and `mean_mae` are the most
    favourable and the most adverse price within the horizon.
    """

    horizon: int
    cost: float
    hits: int
    misses: int
    neutral: int
    unresolved: int
    accuracy: float | None
    wilson_low: float | None
    wilson_high: float | None
    baseline: float | None
    mean_forward_return: float | None
    median_forward_return: float | None
    mean_mfe: float | None
    mean_mae: float | None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class JudgedSignals:
    """The resolved signals, each with a signed return and its excursions; and how many are not resolved."""

    forward: FloatArray
    favourable: FloatArray
    adverse: FloatArray
    unresolved: int

    def hits_and_misses(self, cost: float) -> tuple[int, int]:
        """Signals after which the price moved by more than `cost`, as expected and against it."""
        return int(np.count_nonzero(self.forward > cost)), int(np.count_nonzero(self.forward < -cost))


def signal_accuracy(
    close: FloatArray,
    rows: IntArray,
    types: npt.NDArray[np.int8],
    *,
    horizon: int = HORIZON,
    cost: float = 0.0,
) -> float | None:
    """hits / (hits + misses): a hit moved more than `cost` the expected way, a miss the other way.

    Signals whose horizon ends beyond the data, moves within the cost and `HOLD` do not count.
    """
    resolved = int(np.searchsorted(rows, len(close) - horizon))
    judged = np.ascontiguousarray(rows[:resolved]), np.ascontiguousarray(types[:resolved])
    hits, misses = count_hits(close, *judged, horizon, cost)
    return hits / (hits + misses) if hits + misses else None


def measure_accuracy(
    candles: Candles, signals: SignalTable, *, horizon: int = HORIZON, cost: float = 0.0
) -> SignalAccuracy:
    """All there is to say about the signals after `horizon` candles; `cost` is a fraction of the price."""
    judged = judge(candles.columns, signals.rows, signals.types, horizon)
    close = candles.columns.close
    ahead, now = close[horizon:], close[: max(len(close) - horizon, 0)]
    rising = int(np.count_nonzero(ahead > now)), len(now)
    return summarise(judged, rising, horizon=horizon, cost=cost)


def summarise(judged: JudgedSignals, rising: tuple[int, int], *, horizon: int, cost: float) -> SignalAccuracy:
    """Counts and means; `rising` are the candles after which the close was higher, and all that tell."""
    hits, misses = judged.hits_and_misses(cost)
    low, high = wilson_interval(hits, hits + misses)
    resolved = len(judged.forward)
    return SignalAccuracy(
        horizon=horizon,
        cost=cost,
        hits=hits,
        misses=misses,
        neutral=resolved - hits - misses,
        unresolved=judged.unresolved,
        accuracy=hits / (hits + misses) if hits + misses else None,
        wilson_low=low,
        wilson_high=high,
        baseline=rising[0] / rising[1] if rising[1] else None,
        mean_forward_return=_finite(np.mean(judged.forward)) if resolved else None,
        median_forward_return=_finite(np.median(judged.forward)) if resolved else None,
        mean_mfe=_finite(np.mean(judged.favourable)) if resolved else None,
        mean_mae=_finite(np.mean(judged.adverse)) if resolved else None,
    )


def wilson_interval(hits: int, judged: int) -> tuple[float, float] | tuple[None, None]:
    """The interval in which the true share lies with 95 % confidence (Wilson 1927)."""
    if judged == 0:
        return None, None
    share, z2 = hits / judged, _Z_95 * _Z_95
    middle = (share + z2 / (2 * judged)) / (1 + z2 / judged)
    spread = math.sqrt(share * (1 - share) / judged + z2 / (4 * judged * judged))
    half = _Z_95 * spread / (1 + z2 / judged)
    return max(0.0, middle - half), min(1.0, middle + half)


def judge(columns: Columns, rows: IntArray, types: npt.NDArray[np.int8], horizon: int) -> JudgedSignals:
    """What came of signals within `horizon` candles; `HOLD` expects nothing and is left out."""
    directed = types != SignalType.HOLD
    if not directed.all():
        rows, types = rows[directed], types[directed]
    close = columns.close
    resolved = int(np.searchsorted(rows, len(close) - horizon))
    unresolved = len(rows) - resolved
    rows, types = rows[:resolved], types[:resolved]
    best, worst = _excursions(columns, rows, DIRECTION[types], horizon)
    return JudgedSignals(forward_returns(close, rows, types, horizon), best, worst, unresolved)


def _excursions(
    columns: Columns, rows: IntArray, direction: FloatArray, horizon: int
) -> tuple[FloatArray, FloatArray]:
    """Returns to the best and the worst price of the next `horizon` candles, seen from the signal."""
    high, low, close = columns.high, columns.low, columns.close
    highest, lowest = np.full(len(rows), -np.inf), np.full(len(rows), np.inf)
    for step in range(1, horizon + 1):
        np.maximum(highest, high[rows + step], out=highest)
        np.minimum(lowest, low[rows + step], out=lowest)
    up, down = highest / close[rows] - 1.0, lowest / close[rows] - 1.0
    rises = direction > 0
    return np.where(rises, up, -down), np.where(rises, down, -up)


def _finite(value: np.floating[Any]) -> float | None:
    return float(value) if np.isfinite(value) else None
