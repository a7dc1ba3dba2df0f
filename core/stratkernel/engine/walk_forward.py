"""Walk-forward: parameters are chosen on one stretch of time and tried on the next, again and again."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

from stratkernel.contracts.arrays import FloatArray
from stratkernel.contracts.candles import Candles
from stratkernel.contracts.timeframes import DAY, iso
from stratkernel.engine import metrics as measure
from stratkernel.engine.performance import Performance
from stratkernel.kernel.errors import UsageError

_UNITS: Final = {"m": DAY // 1440, "h": DAY // 24, "d": DAY, "w": 7 * DAY}
_LENGTH: Final = re.compile(r"([1-9][0-9]{0,5})([mhdw])")
_FORM: Final = "expected train=180d,test=30d (m minutes, h hours, d days, w weeks)"
_MOST_WINDOWS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Window:
    """One step: `train` and `test` are open times from (inclusive) and to (exclusive), microseconds UTC."""

    train: tuple[int, int]
    test: tuple[int, int]


@dataclass(frozen=True, slots=True)
class WalkForward:
    """How long parameters are chosen on and tried, microseconds; the windows move on by `test`."""

    train: int
    test: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `train=180d,test=30d`. Raises `UsageError` for anything else."""
        given: dict[str, int] = {}
        for part in text.split(","):
            name, _, length = part.strip().partition("=")
            match = _LENGTH.fullmatch(length.strip())
            if name not in {"train", "test"} or match is None or name in given:
                raise UsageError(f"--walk-forward {text!r}: {_FORM}")
            given[name] = int(match[1]) * _UNITS[match[2]]
        if len(given) < 2:
            raise UsageError(f"--walk-forward {text!r}: {_FORM}")
        return cls(given["train"], given["test"])

    def windows(self, candles: Candles) -> tuple[Window, ...]:
        """All whole windows over candles; those with fewer than two candles in a part are left out.

        Windows of whole days begin at midnight UTC, so that no day is split.

        Raises:
            UsageError: the candles are shorter than one window, or would have over 10,000.
        """
        opens = candles.open_time
        start, end = int(opens[0]), int(candles.close_time[-1])
        if self.train % DAY == 0 and self.test % DAY == 0:
            start -= start % DAY
        count = (end - start - self.train) // self.test
        if count < 1:
            raise UsageError(
                f"walk-forward: train={_said(self.train)},test={_said(self.test)} need "
                f"{_said(self.train + self.test)} of candles; there are {(end - start) / DAY:,.1f} days, "
                f"{iso(int(opens[0]))} to {iso(end)}"
            )
        if count > _MOST_WINDOWS:
            raise UsageError(
                f"walk-forward: test={_said(self.test)} makes {count:,} windows; at most {_MOST_WINDOWS:,}"
            )
        first = np.arange(count, dtype=np.int64) * self.test + start
        middle, last = first + self.train, first + self.train + self.test
        rows = [np.searchsorted(opens, bound) for bound in (first, middle, last)]
        filled = (rows[1] - rows[0] >= 2) & (rows[2] - rows[1] >= 2)
        bounds = zip(first[filled].tolist(), middle[filled].tolist(), last[filled].tolist(), strict=True)
        return tuple(Window((a, b), (b, c)) for a, b, c in bounds)

    def to_dict(self) -> dict[str, int]:
        """Lengths in microseconds."""
        return {"train": self.train, "test": self.test}


@dataclass(frozen=True, slots=True)
class Stitched:
    """What the windows' tests come to, one behind the other.

    `metrics` are those of `engine.metrics` that one account would show which begins each test with what
    the last one left, and leaves its position at the end of each. `time` and `equity`, shape (days,), are
    its marks at the end of each day, microseconds UTC and multiples of the money at the start.
    """

    metrics: dict[str, float | int | None]
    time: tuple[int, ...]
    equity: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        marks = zip(self.time, self.equity, strict=True)
        return {
            "metrics": dict(self.metrics),
            "equity": [{"time": iso(time), "equity": equity} for time, equity in marks],
        }


def stitch(tests: Sequence[Performance]) -> Stitched:
    """Tests of consecutive windows as one; each trades with its own initial capital.

    Daily returns of all tests make the ratios, in their order; profits of trades are in the currency of
    tests that begin with the initial capital each.
    """
    scale, elapsed = 1.0, 0
    curves, returns, pnl = [np.ones(1)], [], []
    time: list[int] = []
    equity: list[float] = []
    for test in tests:
        curve = scale * (test.equity / test.equity[0])
        close_time = test.candles.close_time
        rows, _ = measure.day_ends(close_time, test.candles.timeframe)
        time += close_time[rows].tolist()
        equity += curve[rows].tolist()
        elapsed += int(close_time[-1] - close_time[0])
        returns.append(daily_returns_of(test))
        pnl.append(test.trades.pnl[: len(test.trades) - test.trades.ends_open])
        curves.append(curve)
        scale = float(curve[-1])
    whole = np.concatenate(curves)
    drawdown = measure.finite(float(np.min(whole / np.maximum.accumulate(whole) - 1.0)))
    daily = np.concatenate(returns) if returns else np.empty(0)
    earned = np.concatenate(pnl) if pnl else np.empty(0)
    per_year = tests[0].days_per_year if tests else 365
    growth = measure.cagr(1.0, scale, elapsed)
    metrics = {
        "total_return": measure.total_return(1.0, scale),
        "cagr": growth,
        "volatility": measure.volatility(daily, per_year),
        "sharpe": measure.sharpe(daily, per_year),
        "sortino": measure.sortino(daily, per_year),
        "max_drawdown": drawdown,
        "calmar": measure.calmar(growth, drawdown),
        "trades": len(earned),
        "win_rate": measure.win_rate(earned),
        "profit_factor": measure.profit_factor(earned[earned > 0.0], earned[earned < 0.0]),
        "expectancy": measure.expectancy(earned),
    }
    return Stitched(metrics, tuple(time), tuple(equity))


def daily_returns_of(performance: Performance) -> FloatArray:
    """The daily returns behind the ratios of a performance, shape (days,)."""
    candles = performance.candles
    rows, days = measure.day_ends(candles.close_time, candles.timeframe)
    marks = performance.equity[np.concatenate(([0], rows))]
    return measure.daily_returns(marks, rows, days, candles.calendar, candles.timeframe)


def _said(length: int) -> str:
    for unit, micros in (("d", DAY), ("h", _UNITS["h"])):
        if length % micros == 0:
            return f"{length // micros}{unit}"
    return f"{math.ceil(length / _UNITS['m'])}m"
