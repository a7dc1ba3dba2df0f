"""What the best of many trials is worth: the deflated Sharpe ratio.

Bailey and Lopez de Prado, "The Deflated Sharpe Ratio: Correcting for Selection Bias, Backtest Overfitting
and Non-Normality", Journal of Portfolio Management 40 (5), 2014.
"""

import math
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any, Final

import numpy as np

from stratkernel.contracts.arrays import FloatArray
from stratkernel.engine.metrics import ROUNDING

CONFIDENCE: Final = 0.95
"""Below this deflated Sharpe ratio the best of a sweep is taken for luck."""
_EULER: Final = float(np.euler_gamma)
_NORMAL: Final = NormalDist()


@dataclass(frozen=True, slots=True)
class DeflatedSharpe:
    """The best of `trials` held against chance.

    `sharpe` is that of the best one and `expected` what the best of so many without skill would have, both
    annualised; `spread` is the standard deviation of the trials' Sharpe ratios, annualised. `days`,
    `skewness` and `kurtosis` (3 for a normal distribution) are those of the best one's daily returns.
    `probability` is the deflated Sharpe ratio, from 0 to 1: that the true one is above 0, knowing how many
    were tried.
    """

    trials: int
    sharpe: float
    expected: float
    spread: float
    days: int
    skewness: float
    kurtosis: float
    probability: float

    @property
    def by_chance(self) -> bool:
        """Whether the best is what chance would give."""
        return self.probability < CONFIDENCE

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "by_chance": self.by_chance}

    def __str__(self) -> str:
        if self.by_chance:
            verdict = f"below {CONFIDENCE}, so that chance alone may have given it"
        else:
            verdict = "more than chance would give"
        return (
            f"the best of {self.trials:,} trials has a Sharpe ratio of {self.sharpe:.3f}, and the best of as "
            f"many without skill is expected to have {self.expected:.3f}; deflated Sharpe ratio "
            f"{self.probability:.3f}: {verdict} "
            f"({self.days:,} daily returns, skewness {self.skewness:.2f}, kurtosis {self.kurtosis:.2f})"
        )


def deflated_sharpe(sharpes: FloatArray, returns: FloatArray, days_per_year: int) -> DeflatedSharpe | None:
    """Hold the best trial against chance; None below 3 daily returns, or where they do not vary.

    `sharpes` are the annualised Sharpe ratios of all trials, shape (n,), NaN where undefined; those are no
    trials. `returns` are the daily returns of the best one, shape (days,). All trials count as independent:
    neighbours in a grid are not, so that chance is given the benefit of the doubt.
    """
    tried = sharpes[np.isfinite(sharpes)] / math.sqrt(days_per_year)
    days = len(returns)
    if not len(tried) or days < 3:
        return None
    spread = returns - returns.mean()
    variance = float(np.mean(spread**2))
    if not math.sqrt(variance) > ROUNDING:
        return None
    best = float(returns.mean()) / math.sqrt(variance * days / (days - 1))
    skewness = float(np.mean(spread**3)) / variance**1.5
    kurtosis = float(np.mean(spread**4)) / variance**2
    deviation = float(np.std(tried, ddof=1)) if len(tried) > 1 else 0.0
    expected = expected_maximum(len(tried)) * deviation
    probability = probability_above(best, expected, days, skewness, kurtosis)
    if probability is None:
        return None
    year = math.sqrt(days_per_year)
    return DeflatedSharpe(
        trials=len(tried),
        sharpe=best * year,
        expected=expected * year,
        spread=deviation * year,
        days=days,
        skewness=skewness,
        kurtosis=kurtosis,
        probability=probability,
    )


def probability_above(
    sharpe: float, benchmark: float, days: int, skewness: float, kurtosis: float
) -> float | None:
    """The probability that the true Sharpe ratio is above a benchmark, both daily: equation 2 of the paper.

    Z((SR - SR0) * sqrt(days - 1) / sqrt(1 - skewness * SR + (kurtosis - 1) / 4 * SR ** 2)); None where the
    moments contradict each other.
    """
    doubt = 1.0 - skewness * sharpe + (kurtosis - 1.0) / 4.0 * sharpe**2
    if doubt <= 0.0:
        return None
    return _NORMAL.cdf((sharpe - benchmark) * math.sqrt(days - 1) / math.sqrt(doubt))


def expected_maximum(trials: int) -> float:
    """About the expected maximum of so many independent standard normal numbers; 0 for one.

    (1 - g) * Z(1 - 1 / n) + g * Z(1 - 1 / (n * e)), Z the inverse of the normal distribution and g the
    constant of Euler and Mascheroni: equation 1 of the paper.
    """
    if trials < 2:
        return 0.0
    return (1.0 - _EULER) * _NORMAL.inv_cdf(1.0 - 1.0 / trials) + _EULER * _NORMAL.inv_cdf(
        1.0 - 1.0 / (trials * math.e)
    )
