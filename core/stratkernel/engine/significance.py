"""Whether signals are better than chance: accuracy at several horizons, trades against random entries.

What takes more than a glance at the signals: made when it is asked for, not in every run.
"""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from stratkernel.contracts.arrays import FloatArray, IntArray
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.signals import SignalTable, SignalType
from stratkernel.engine.accuracy import wilson_interval
from stratkernel.engine.kernels.accuracy_kernels import DIRECTION, count_hits
from stratkernel.engine.trades import TradeTable

if TYPE_CHECKING:
    from stratkernel.engine.performance import Performance

HORIZONS: Final = (1, 4, 12, 24)
"""Candles after which signals are judged."""

PERMUTATIONS: Final = 1_000
_MOST_DRAWS: Final = 2_000_000
_FEWEST: Final = 99
_BLOCK: Final = 1_000_000
_SEED: Final = 20_240_101


@dataclass(frozen=True, slots=True)
class HorizonAccuracy:
    """Signals judged `horizon` candles later, against what chance gives.

    `accuracy` is hits / (hits + misses), with its Wilson interval at 95 %; `base_rate` what entries at
    every candle would have hit, in the directions of these signals. `beats_base_rate` tells whether even
    the interval's lower end lies above it. None where nothing could be judged.
    """

    horizon: int
    hits: int
    misses: int
    unresolved: int
    accuracy: float | None
    wilson_low: float | None
    wilson_high: float | None
    base_rate: float | None

    @property
    def beats_base_rate(self) -> bool | None:
        if self.wilson_low is None or self.base_rate is None:
            return None
        return self.wilson_low > self.base_rate

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "beats_base_rate": self.beats_base_rate}


@dataclass(frozen=True, slots=True)
class Permutation:
    """Closed trades against as many random entries with the same sides and holding times.

    `mean_return` is the mean gross return of a trade, `random_mean` that of all random ones, `p_value` the
    share of permutations that did at least as well, the trades themselves counted among them:
    (1 + better) / (1 + permutations). Phipson and Smyth (2010). None without a closed trade.
    """

    trades: int
    permutations: int
    mean_return: float | None
    random_mean: float | None
    p_value: float | None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def accuracy_at(
    candles: Candles, signals: SignalTable, horizon: int, *, cost: float = 0.0
) -> HorizonAccuracy:
    """How the signals did after so many candles; moves within `cost` (a fraction) count neither way."""
    close = candles.columns.close
    directed = signals.types != SignalType.HOLD
    rows, types = signals.rows[directed], signals.types[directed]
    resolved = int(np.searchsorted(rows, len(close) - horizon))
    hits, misses = count_hits(
        close, np.ascontiguousarray(rows[:resolved]), np.ascontiguousarray(types[:resolved]), horizon, cost
    )
    low, high = wilson_interval(hits, hits + misses)
    return HorizonAccuracy(
        horizon=horizon,
        hits=hits,
        misses=misses,
        unresolved=len(rows) - resolved,
        accuracy=hits / (hits + misses) if hits + misses else None,
        wilson_low=low,
        wilson_high=high,
        base_rate=_base_rate(close, DIRECTION[types[:resolved]], horizon, cost),
    )


def _base_rate(close: FloatArray, directions: FloatArray, horizon: int, cost: float) -> float | None:
    if not len(directions):
        return None
    moves = close[horizon:] / close[: len(close) - horizon] - 1.0
    up, down = int(np.count_nonzero(moves > cost)), int(np.count_nonzero(moves < -cost))
    if not up + down:
        return None
    rising = int(np.count_nonzero(directions > 0)) / len(directions)
    return (rising * up + (1.0 - rising) * down) / (up + down)


def permutation_test(
    trades: TradeTable, *, permutations: int = PERMUTATIONS, seed: int = _SEED
) -> Permutation:
    """Do these entries earn more than entries at random rows would, held as long and on the same sides?

    Gross returns from fill price to fill price. Random trades may overlap. The same seed gives the same
    numbers; of very many trades fewer permutations are drawn (at least 99), so that the work is bounded by
    2 million draws or 99 for each trade.
    """
    closed = ~trades.open
    count = int(np.count_nonzero(closed))
    prices = trades.fill_prices
    held = np.maximum(trades.arrays.exit_row[closed] - trades.entry_row[closed], 1)
    last_entry = len(prices) - held
    if not count or int(last_entry.min()) < 1:
        return Permutation(count, 0, None, None, None)
    side = trades.side[closed].astype(np.float64)
    gained = trades.gross_return[closed]
    actual = float(np.add.reduce(gained)) / count
    rounds = max(_FEWEST, min(permutations, _MOST_DRAWS // count))
    means = _random_means(prices, side, held, last_entry, rounds, seed)
    # ties are decided in favour of chance, however the sums were rounded
    better = int(np.count_nonzero(means >= actual - 1e-12 * max(abs(actual), 1e-300)))
    return Permutation(
        trades=count,
        permutations=rounds,
        mean_return=_finite(actual),
        random_mean=_finite(float(np.add.reduce(means)) / rounds),
        p_value=(1 + better) / (1 + rounds),
    )


def _random_means(
    prices: FloatArray, side: FloatArray, held: IntArray, last_entry: IntArray, rounds: int, seed: int
) -> FloatArray:
    """The mean return of each round of random entries, shape (rounds,)."""
    random = np.random.Generator(np.random.PCG64(seed))
    means = np.empty(rounds)
    at_once = max(1, _BLOCK // len(held))
    for start in range(0, rounds, at_once):
        size = min(at_once, rounds - start)
        entries = (random.random((size, len(held))) * last_entry).astype(np.int64)
        returns = side * (prices[entries + held] / prices[entries] - 1.0)
        means[start : start + size] = np.add.reduce(returns, axis=1) / len(held)
    return means


def signal_significance(
    candles: Candles, signals: SignalTable, performance: "Performance", *, permutations: int = PERMUTATIONS
) -> dict[str, Any]:
    """For the quality of a run that is shown or saved, ready for JSON.

    `horizons`: for each number of candles, as text, a `HorizonAccuracy`; `permutation`: a `Permutation`.
    """
    rates = performance.costs.rates
    cost = 2.0 * (rates.fee + rates.slippage)
    with np.errstate(all="ignore"):
        return {
            "horizons": {
                str(horizon): accuracy_at(candles, signals, horizon, cost=cost).to_dict()
                for horizon in HORIZONS
            },
            "permutation": permutation_test(performance.trades, permutations=permutations).to_dict(),
        }


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
