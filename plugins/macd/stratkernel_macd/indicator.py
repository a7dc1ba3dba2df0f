"""Moving average convergence/divergence."""

from collections.abc import Mapping
from math import nan
from typing import ClassVar, Final, Self

import numpy as np
from pydantic import Field, model_validator

from stratkernel import BaseIndicator, Columns, FloatArray, Params, State
from stratkernel.primitives import SMOOTH_START, NumericKernel, SmoothState, empty, smooth, smooth_step

_MEETS: Final = 20
"""Periods after which an EMA from any start has met the same values (on moving prices)."""


class MacdParams(Params):
    fast_period: int = Field(12, ge=1, le=10_000, description="period of the fast average, candles")
    slow_period: int = Field(26, ge=2, le=10_000, description="period of the slow average, candles")
    signal_period: int = Field(9, ge=1, le=10_000, description="period of the signal line, candles")

    @model_validator(mode="after")
    def _fast_before_slow(self) -> Self:
        if self.fast_period >= self.slow_period:
            raise ValueError(
                f"fast_period must be smaller than slow_period, got {self.fast_period} and {self.slow_period}"
            )
        return self


def _macd_loop(
    close: FloatArray,
    periods: tuple[int, int, int],
    averages: tuple[float, float, float],
    macd: FloatArray,
    signal: FloatArray,
    histogram: FloatArray,
) -> tuple[float, float, float]:
    """Two lanes hide the latency of the recurrences, the second from a guess made `_MEETS` periods earlier.

    Equal averages have equal successors: where the first lane ends on what the guess became, the second
    was right. Where not, as after long flat stretches, the second half is calculated again.
    """
    fast_alpha = 1.0 / (1.0 + (periods[0] - 1) / 2)
    slow_alpha = 1.0 / (1.0 + (periods[1] - 1) / 2)
    line_alpha = 1.0 / (1.0 + (periods[2] - 1) / 2)
    fast_keep, slow_keep, line_keep = 1.0 - fast_alpha, 1.0 - slow_alpha, 1.0 - line_alpha

    def smoothed(x: float, fast: float, slow: float, line: float) -> tuple[float, float, float]:
        fast = fast if x == fast else fast_keep * fast + fast_alpha * x
        slow = slow if x == slow else slow_keep * slow + slow_alpha * x
        difference = fast - slow
        line = line if difference == line else line_keep * line + line_alpha * difference
        return fast, slow, line

    fast, slow, line = averages
    rows, early = len(close), _MEETS * (periods[1] + periods[2])
    half = rows // 2 if rows > 4 * early else 0
    done = 0
    if half:
        fast2 = slow2 = close[half - early]
        line2 = 0.0
        for row in range(half - early, half):
            fast2, slow2, line2 = smoothed(close[row], fast2, slow2, line2)
        guess = fast2, slow2, line2
        close2, macd2, signal2, histogram2 = close[half:], macd[half:], signal[half:], histogram[half:]
        for row in range(half):
            fast, slow, line = smoothed(close[row], fast, slow, line)
            fast2, slow2, line2 = smoothed(close2[row], fast2, slow2, line2)
            difference = fast - slow
            macd[row] = difference
            signal[row] = line
            histogram[row] = difference - line
            difference = fast2 - slow2
            macd2[row] = difference
            signal2[row] = line2
            histogram2[row] = difference - line2
        done = half
        if fast == guess[0] and slow == guess[1] and line == guess[2]:
            fast, slow, line, done = fast2, slow2, line2, 2 * half
    for row in range(done, rows):
        fast, slow, line = smoothed(close[row], fast, slow, line)
        difference = fast - slow
        macd[row] = difference
        signal[row] = line
        histogram[row] = difference - line
    return fast, slow, line


def _macd_arrays(
    close: FloatArray,
    periods: tuple[int, int, int],
    averages: tuple[float, float, float],
    macd: FloatArray,
    signal: FloatArray,
    histogram: FloatArray,
) -> tuple[float, float, float]:
    seeded = [SmoothState(period, 0.0, value) for period, value in zip(periods, averages, strict=True)]
    fast_line, fast = smooth(close, periods[0], seeded[0])
    slow_line, slow = smooth(close, periods[1], seeded[1])
    np.subtract(fast_line, slow_line, out=macd)
    _, line = smooth(macd, periods[2], seeded[2], out=signal)
    np.subtract(macd, signal, out=histogram)
    return fast.value, slow.value, line.value


macd_after_seed = NumericKernel(loop=_macd_loop, arrays=_macd_arrays)
"""(close, periods, averages, macd, signal, histogram) -> the three averages after the last row."""


class Macd(BaseIndicator[MacdParams]):
    """The fast average less the slow one, its own average (the signal line), and what lies between them.

    Each average is seeded on its own first values (G. Appel's indicator, with the seeds of most charting
    software; TA-Lib begins the fast average later). In the units of its input. Defined from row
    `slow_period - 1` on, signal and histogram from row `slow_period + signal_period - 2` on.
    """

    name = "macd"
    absorbing = True
    outputs: ClassVar[tuple[str, ...]] = ("macd", "signal", "histogram")

    def lookback(self) -> Mapping[str, int]:
        line = self.params.slow_period - 1
        signal = line + self.params.signal_period - 1
        return {"macd": line, "signal": signal, "histogram": signal}

    def settling(self) -> int:
        return _MEETS * max(self._periods())

    def initial_state(self) -> State:
        return {"fast": SMOOTH_START, "slow": SMOOTH_START, "signal": SMOOTH_START}

    def advance(self, columns: Columns, state: State) -> tuple[Mapping[str, FloatArray], State]:
        close = columns[self.inputs[0]]
        out = {name: empty(len(close)) for name in self.outputs}
        seeding = min(self._unseeded(state), len(close))
        for row, x in enumerate(close[:seeding].tolist()):
            values, state = self.step({self.inputs[0]: x}, state)
            for name, value in values.items():
                out[name][row] = value
        if seeding == len(close):
            return out, state
        fast, slow, signal = (SmoothState.restore(state[name]) for name in ("fast", "slow", "signal"))
        after = macd_after_seed(
            close[seeding:],
            self._periods(),
            (fast.value, slow.value, signal.value),
            out["macd"][seeding:],
            out["signal"][seeding:],
            out["histogram"][seeding:],
        )
        return out, {
            "fast": fast._replace(value=after[0]),
            "slow": slow._replace(value=after[1]),
            "signal": signal._replace(value=after[2]),
        }

    def step(self, candle: Mapping[str, float], state: State) -> tuple[Mapping[str, float], State]:
        """`advance` for one candle (values by the names of the inputs): NaN in the warm-up; the same bits."""
        x = candle[self.inputs[0]]
        fast_period, slow_period, signal_period = self._periods()
        fast_value, fast = smooth_step(x, fast_period, SmoothState.restore(state["fast"]))
        slow_value, slow = smooth_step(x, slow_period, SmoothState.restore(state["slow"]))
        macd, line, signal = fast_value - slow_value, nan, SmoothState.restore(state["signal"])
        if slow.seen == slow_period:
            line, signal = smooth_step(macd, signal_period, signal)
        values = {"macd": macd, "signal": line, "histogram": macd - line}
        return values, {"fast": fast, "slow": slow, "signal": signal}

    def _periods(self) -> tuple[int, int, int]:
        return self.params.fast_period, self.params.slow_period, self.params.signal_period

    def _unseeded(self, state: State) -> int:
        """Rows until all three averages are seeded."""
        slow, signal = SmoothState.restore(state["slow"]), SmoothState.restore(state["signal"])
        left = self.params.signal_period - signal.seen
        unseeded_slow = self.params.slow_period - slow.seen
        # the row that seeds the slow average is also the first of the signal line
        return left + max(unseeded_slow - 1, 0) if left else 0
